import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { decode, encode } from '../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../src/wire/codec/cursor.ts'
import { DATAGRAM_PAYLOAD_BYTES_MAX } from '../../../src/wire/common.ts'
import {
  datagramBody,
  datagramHeader,
  DATAGRAM_BODY_BYTES_MIN,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_BYTES_MIN,
  DATAGRAM_HEADER_BYTES,
  SEAL_TAG_BYTES,
  type DatagramBody
} from '../../../src/wire/datagram.ts'

const sender = 'ab'.repeat(32) as NodeId
const header = { version: 1, overlay: new Uint8Array(16).fill(0xcd), sender, boot: 7, counter: 2 ** 32 + 5 }
const a = new Uint8Array(16).fill(0xaa)
const b = new Uint8Array(16).fill(0xbb)

const golden: Array<[DatagramBody, string]> = [
  [{ kind: 'data', payload: Uint8Array.of(1, 2, 3) }, `0003010203${'00'.repeat(28)}`],
  [{ kind: 'data', payload: a }, `0010${'aa'.repeat(16)}${'00'.repeat(15)}`],
  [{ kind: 'hello', nonce: a }, `01${'aa'.repeat(16)}${'00'.repeat(16)}`],
  [{ kind: 'welcome', echo: a, nonce: b }, `02${'aa'.repeat(16)}${'bb'.repeat(16)}`],
  [{ kind: 'confirm', echo: b }, `03${'bb'.repeat(16)}${'00'.repeat(16)}`]
]

describe('the frame of a datagram', () => {
  it('has golden bytes for the header', () => {
    const bytes = `01${'cd'.repeat(16)}${'ab'.repeat(32)}000000070000000100000005`
    expect(hex(encode(datagramHeader, header))).toBe(bytes)
    expect(decode(datagramHeader, unhex(bytes)!)).toEqual(header)
    expect(bytes.length / 2).toBe(DATAGRAM_HEADER_BYTES)
  })

  it.each(golden)('has golden bytes for %j', (body, bytes) => {
    expect(hex(encode(datagramBody, body))).toBe(bytes)
    expect(decode(datagramBody, unhex(bytes)!)).toEqual(body)
  })

  it('makes every message of the handshake as long as the shortest data', () => {
    const lengths = golden.map(([body]) => encode(datagramBody, body).length)
    expect(new Set(lengths)).toEqual(new Set([DATAGRAM_BODY_BYTES_MIN]))
    expect(DATAGRAM_BYTES_MIN).toBe(110)
  })

  it('is at most DATAGRAM_BYTES_MAX long with the largest payload', () => {
    const largest = encode(datagramBody, { kind: 'data', payload: new Uint8Array(DATAGRAM_PAYLOAD_BYTES_MAX) })
    expect(DATAGRAM_HEADER_BYTES + largest.length + SEAL_TAG_BYTES).toBeLessThanOrEqual(DATAGRAM_BYTES_MAX)
  })

  it('refuses a larger payload when writing and when reading', () => {
    const over = { kind: 'data', payload: new Uint8Array(DATAGRAM_PAYLOAD_BYTES_MAX + 1) } as const
    expect(() => encode(datagramBody, over)).toThrow(RangeError)
    expect(() => decode(datagramBody, unhex(`00cd08${'00'.repeat(1101)}`)!)).toThrow(DecodeError)
  })

  it.each([
    ['another version', datagramHeader, `02${'cd'.repeat(16)}${'ab'.repeat(32)}000000070000000100000005`],
    ['a counter over 2^53', datagramHeader, `01${'cd'.repeat(16)}${'ab'.repeat(32)}000000070020000000000000`],
    ['padding that is not zero', datagramBody, `01${'aa'.repeat(16)}${'00'.repeat(15)}01`],
    ['padding that is too long', datagramBody, `01${'aa'.repeat(16)}${'00'.repeat(17)}`],
    ['padding that is too short', datagramBody, `01${'aa'.repeat(16)}${'00'.repeat(15)}`],
    ['an unknown kind', datagramBody, `04${'aa'.repeat(16)}${'00'.repeat(16)}`]
  ] as const)('refuses %s', (_, codec, bytes) => {
    expect(() => decode<unknown>(codec, unhex(bytes)!)).toThrow(DecodeError)
  })
})
