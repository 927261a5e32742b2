import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../../src/base/bytes.ts'
import { nodeCodec } from '../../../../src/core/node/envelope.ts'
import { ROOM_NAMES, table } from '../../../../src/core/node/table.ts'
import { decode, encode } from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'

describe('the envelope', () => {
  it('is the byte of the room, then its message, as it always was', () => {
    const message = { kind: 'ring', message: { kind: 'ask', request: 7 } } as const
    const digits = '020007'
    expect(hex(encode(nodeCodec, message))).toBe(digits)
    expect(decode(nodeCodec, unhex(digits)!)).toEqual(message)
  })

  it('has the same byte for each room for ever', () => {
    const numbers = Object.fromEntries(ROOM_NAMES.map(name => [name, table[name].number]))
    expect(numbers).toEqual({ membership: 1, ring: 2, records: 3, exchange: 4, search: 5 })
  })

  it('of a room that does not exist is refused', () => {
    expect(() => decode(nodeCodec, Uint8Array.of(99, 0))).toThrow(DecodeError)
  })
})
