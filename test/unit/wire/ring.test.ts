import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { decode, encode } from '../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../src/wire/codec/cursor.ts'
import { DATAGRAM_PAYLOAD_BYTES_MAX } from '../../../src/wire/common.ts'
import { PATH_NODES_MAX, REPLICAS_MAX, ringMessage, SUCCESSORS_MAX, type RingMessage } from '../../../src/wire/ring.ts'
import { golden, messages } from './ring.golden.ts'

/** Bytes of a datagram that the envelope may take. */
const ENVELOPE_BYTES = 16
const nodes = (count: number): NodeId[] => Array.from({ length: count }, () => 'f'.repeat(64) as NodeId)
const key = messages.lookup.key

describe('messages of the ring', () => {
  for (const [kind, message] of Object.entries(messages)) {
    const bytes = golden[message.kind]
    it(`have golden bytes for ${kind}`, () => {
      expect(hex(encode(ringMessage, message))).toBe(bytes)
      expect(decode(ringMessage, unhex(bytes)!)).toEqual(message)
    })
  }

  it('fit in a datagram at their limits', () => {
    const request = Number.MAX_SAFE_INTEGER
    const longest: RingMessage[] = [
      { kind: 'state', request, predecessor: nodes(1)[0], successors: nodes(SUCCESSORS_MAX) },
      {
        kind: 'lookup',
        request,
        origin: nodes(1)[0]!,
        serial: request,
        key,
        beyond: true,
        path: nodes(PATH_NODES_MAX)
      },
      { kind: 'found', serial: request, key, from: key, replicas: nodes(REPLICAS_MAX), path: nodes(PATH_NODES_MAX) }
    ]
    for (const message of longest) {
      expect(encode(ringMessage, message).length).toBeLessThanOrEqual(DATAGRAM_PAYLOAD_BYTES_MAX - ENVELOPE_BYTES)
    }
  })

  it('are refused over their limits before the items are read', () => {
    // Tag state, request 0, no predecessor, 33 successors, and no bytes of them.
    expect(() => decode(ringMessage, Uint8Array.of(1, 0, 0, SUCCESSORS_MAX + 1))).toThrow(DecodeError)
    const lookup = encode(ringMessage, { ...messages.lookup, path: nodes(PATH_NODES_MAX) })
    const count = lookup.length - 32 * PATH_NODES_MAX - 1
    expect(lookup[count]).toBe(PATH_NODES_MAX)
    lookup[count] = PATH_NODES_MAX + 1
    expect(() => decode(ringMessage, lookup)).toThrow(/the limit is 20/)
  })

  it('are refused with an empty path', () => {
    expect(() => decode(ringMessage, encode(ringMessage, { ...messages.lookup, path: [] }))).toThrow(DecodeError)
  })
})
