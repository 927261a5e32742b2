import { describe, expect, it } from 'vitest'
import { hex } from '../../../../src/base/bytes.ts'
import type { NodeId } from '../../../../src/base/ids.ts'
import { admissionFirst, admissionSecond, proof } from '../../../../src/io/net/admission.ts'
import { decode, encode } from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'

const fill = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte)

const transcript = {
  initiator: '11'.repeat(32) as NodeId,
  responder: '22'.repeat(32) as NodeId,
  port: 4_711,
  nonceI: fill(32, 3),
  nonceR: fill(32, 4)
}
const key = fill(32, 5)

describe('the admission', () => {
  it('encodes its messages to these bytes', () => {
    const first = { overlay: fill(16, 1), nonce: fill(32, 2), port: 4_711, proof: fill(32, 3) }
    expect(hex(encode(admissionFirst, first))).toBe(`${'01'.repeat(16)}${'02'.repeat(32)}1267${'03'.repeat(32)}`)
    const second = { nonce: fill(32, 2), proof: fill(32, 3) }
    expect(hex(encode(admissionSecond, second))).toBe(`${'02'.repeat(32)}${'03'.repeat(32)}`)
    expect(() => decode(admissionSecond, fill(63, 0))).toThrow(DecodeError)
  })

  it('computes this proof', () => {
    expect(hex(proof(key, 1, transcript))).toBe('369ddc902dbc733a1e1eb29e3f7c50a2bdc2a9862dbfc015f24fdc4aadc921bf')
  })

  it('computes different proofs for different numbers, keys, ids, ports and nonces', () => {
    const proofs = [
      proof(key, 1, transcript),
      proof(key, 2, transcript),
      proof(key, 3, transcript),
      proof(fill(32, 6), 1, transcript),
      proof(key, 1, { ...transcript, initiator: transcript.responder }),
      proof(key, 1, { ...transcript, responder: transcript.initiator }),
      proof(key, 1, { ...transcript, port: 4_712 }),
      proof(key, 1, { ...transcript, nonceI: fill(32, 7) }),
      proof(key, 1, { ...transcript, nonceR: fill(32, 7) })
    ]
    expect(new Set(proofs.map(hex)).size).toBe(proofs.length)
  })
})
