import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../../../../src/base/bytes.ts'
import {
  bool,
  bytes,
  checked,
  decode,
  encode,
  fixed,
  list,
  nodeIdCodec,
  oneOf,
  optional,
  struct,
  text,
  tryDecode,
  u16,
  u32,
  u8,
  union,
  upTo,
  varint,
  type Codec
} from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'
import { address, contact } from '../../../../src/wire/common.ts'
import type { NodeId } from '../../../../src/base/ids.ts'

const wire = (digits: string): Uint8Array => unhex(digits) ?? new Uint8Array(0)

/** [name, codec, value, its bytes] */
const golden: ReadonlyArray<readonly [string, Codec<unknown>, unknown, string]> = [
  ['u8', u8, 255, 'ff'],
  ['u16', u16, 7462, '1d26'],
  ['u32', u32, 1, '00000001'],
  ['varint, one byte', varint, 127, '7f'],
  ['varint, two bytes', varint, 300, 'ac02'],
  ['varint, the largest', varint, Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
  ['boolean', bool, true, '01'],
  ['bytes', bytes(4), Uint8Array.of(1, 2), '020102'],
  ['text', text(8), '鯡', '03e9afa1'],
  ['fixed', fixed(2), Uint8Array.of(9, 8), '0908'],
  ['list', list(u8, 3), [1, 2], '020102'],
  ['nothing', optional(u8), undefined, '00'],
  ['something', optional(u8), 5, '0105'],
  ['name', oneOf(['a', 'b']), 'b', '01'],
  ['struct', struct({ a: u8, b: u16 }), { a: 1, b: 2 }, '010002'],
  ['union', union({ x: 7, y: 9 }, { x: {}, y: { n: u8 } }), { kind: 'y', n: 3 }, '0903'],
  ['address', address, { host: '::1', port: 1 }, '033a3a310001'],
  [
    'contact',
    contact,
    { id: 'ab'.repeat(32) as NodeId, address: { host: 'h', port: 258 } },
    'ab'.repeat(32) + '01680102'
  ]
]

describe('a schema', () => {
  test.each(golden)('writes %s to golden bytes, and reads it back', (_, codec, value, digits) => {
    expect(hex(encode(codec, value))).toBe(digits)
    expect(decode(codec, wire(digits))).toEqual(value)
  })

  test.each(golden)('refuses %s truncated, and with a trailing byte', (_, codec, _value, digits) => {
    expect(tryDecode(codec, wire(digits.slice(0, -2)))).toBeUndefined()
    expect(() => decode(codec, wire(`${digits}00`))).toThrow(DecodeError)
  })
})

describe('a writer', () => {
  const row: Array<[string, Codec<number> | Codec<Uint8Array>, number | Uint8Array, number]> = [
    ['u8', u8, 0xab, 1],
    ['u16', u16, 0xabcd, 2],
    ['u32', u32, 0xabcdef01, 4],
    ['varint', varint, 2 ** 53 - 1, 8],
    ['bytes', fixed(300), new Uint8Array(300).fill(0xab), 300]
  ]

  test.each(row)('grows at any position of a %s', (_, codec, value, length) => {
    const one = codec as Codec<typeof value>
    for (let before = 250; before <= 260; before++) {
      const both = struct({ before: fixed(before), value: one })
      const raw = encode(both, { before: new Uint8Array(before).fill(7), value })
      expect(raw.length).toBe(before + length)
      expect(decode(both, raw).value).toEqual(value)
    }
  })
})

describe('a limit', () => {
  const over: ReadonlyArray<readonly [string, Codec<unknown>, string]> = [
    ['bytes', bytes(4), '05' + '00'.repeat(5)],
    ['text', text(2), '03616161'],
    ['list', list(u8, 1), '020101'],
    ['a number', upTo(9), '0a'],
    ['a list longer than its message', list(fixed(0), 1 << 30), '80808008'],
    ['a number over 2^53 - 1', varint, 'ffffffffffffff1f'],
    ['a number of too many bytes', varint, '8080808080808080808080'],
    ['a number that is not in its shortest form', varint, '8000'],
    ['a boolean of 2', bool, '02'],
    ['an unknown name', oneOf(['a']), '01'],
    ['an unknown kind', union({ x: 1 }, { x: {} }), '02'],
    ['a text that is not UTF-8', text(4), '01ff'],
    ['port 0', address, '01680000'],
    ['a value that its check refuses', checked(u8, value => (value > 3 ? 'over 3' : undefined)), '04']
  ]

  test.each(over)('refuses %s on reading', (_, codec, digits) => {
    expect(() => decode(codec, wire(digits))).toThrow(DecodeError)
  })

  test('throws RangeError on writing over a limit', () => {
    expect(() => encode(bytes(1), Uint8Array.of(1, 2))).toThrow(RangeError)
    expect(() => encode(list(u8, 1), [1, 2])).toThrow(RangeError)
    expect(() => encode(upTo(1), 2)).toThrow(RangeError)
    expect(() => encode(varint, -1)).toThrow(RangeError)
    expect(() => encode(nodeIdCodec, 'ab' as NodeId)).toThrow(RangeError)
    expect(() => encode(fixed(2), new Uint8Array(3))).toThrow(RangeError)
  })
})

test.each([
  ['bytes', bytes(4), '020102'],
  ['fixed', fixed(2), '0102']
])('a value read as %s holds no views of its input, even when that is a Buffer', (_, codec, digits) => {
  for (const datagram of [wire(digits), Buffer.from(wire(digits))]) {
    const value = decode(codec, datagram)
    datagram.fill(0)
    expect(value).toEqual(Uint8Array.of(1, 2))
  }
})
