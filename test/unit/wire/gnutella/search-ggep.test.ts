import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../../src/base/bytes.ts'
import { Random } from '../../../../src/base/random.ts'
import { bytes, decode, encode, type Codec } from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'
import { beyondQuad, largeLittle, quadOf, u16le, u32le } from '../../../../src/wire/gnutella/descriptor.ts'
import { cobs, ggep, GGEP_DATA_BYTES_MAX, uncobs } from '../../../../src/wire/gnutella/ggep.ts'

/** The raw data of an extension. */
const raw: Codec<Uint8Array> = {
  write: (w, v) => {
    w.raw(v)
  },
  read: r => new Uint8Array(r.take(r.left))
}
const block = ggep({ one: { id: 'a', data: raw }, two: { id: 'LONGEST.ID.OF15', data: raw } }, { betweenNuls: true })

describe('COBS', () => {
  // From "Consistent Overhead Byte Stuffing" (Cheshire and Baker 1999), without the NUL that ends a frame there.
  it.each([
    ['', '01'],
    ['00', '0101'],
    ['0000', '010101'],
    ['11223300 44'.replace(' ', ''), '0411223302 44'.replace(' ', '')],
    ['11000000', '0211010101'],
    ['ab'.repeat(253), `fe${'ab'.repeat(253)}`],
    ['ab'.repeat(254), `ff${'ab'.repeat(254)}`],
    [`${'ab'.repeat(254)}00`, `ff${'ab'.repeat(254)}0101`],
    ['ab'.repeat(255), `ff${'ab'.repeat(254)}02ab`]
  ])('of %s', (data, stuffed) => {
    expect(hex(cobs(unhex(data)!))).toBe(stuffed)
    expect(hex(uncobs(unhex(stuffed)!))).toBe(data)
  })

  it('encodes random data without NULs and decodes it', () => {
    const random = Random.from('cobs')
    for (let round = 0; round < 2_000; round++) {
      const data = random.bytes(random.below(600)).map(byte => (random.chance(0.01) ? 0 : byte))
      const stuffed = cobs(data)
      expect(stuffed.includes(0)).toBe(false)
      expect(hex(uncobs(stuffed))).toBe(hex(data))
    }
  })

  it.each([
    ['a NUL', '00'],
    ['a run past the end', '03ab'],
    ['a superfluous last run', `ff${'ab'.repeat(254)}01`],
    ['empty input', '']
  ])('refuses %s', (_what, stuffed) => {
    expect(() => uncobs(unhex(stuffed)!)).toThrow(DecodeError)
  })
})

describe('a GGEP block', () => {
  it.each([0, 1, 63, 64, 4_095, 4_096, GGEP_DATA_BYTES_MAX])('holds an extension of %i bytes', length => {
    const value = { one: undefined, two: new Uint8Array(length).fill(7) }
    const written = encode(block, value)
    expect(written.length).toBe(1 + 1 + 15 + (length < 64 ? 1 : length < 4_096 ? 2 : 3) + length)
    expect(written.includes(0)).toBe(false)
    expect(decode(block, written).two).toEqual(value.two)
  })

  it('is refused with data over the largest length', () => {
    const value = { one: new Uint8Array(GGEP_DATA_BYTES_MAX + 1), two: undefined }
    expect(() => encode(block, value)).toThrow(RangeError)
  })

  it('is empty without extensions', () => {
    expect(encode(block, { one: undefined, two: undefined }).length).toBe(0)
  })

  it.each([
    ['no magic', 'c4816141ff'],
    ['no id', 'c380'],
    ['no last extension', 'c3016141ff'],
    ['a length in four bytes', 'c381618181814 1'.replace(' ', '')],
    ['a NUL between NULs', 'c381614100'],
    ['COBS where it is not needed', 'c3c1614202ff'],
    ['invalid COBS', 'c3c161410 5'.replace(' ', '')]
  ])('is refused with %s', (_what, written) => {
    expect(() => decode(block, unhex(written)!)).toThrow(DecodeError)
  })

  it('leaves the bytes after it to the reader', () => {
    const pair: Codec<[Uint8Array | undefined, Uint8Array]> = {
      write: (w, v) => {
        block.write(w, { one: v[0], two: undefined })
        bytes(9).write(w, v[1])
      },
      read: r => [block.read(r).one, bytes(9).read(r)]
    }
    const value: [Uint8Array, Uint8Array] = [Uint8Array.of(1, 0, 2), Uint8Array.of(3)]
    expect(decode(pair, encode(pair, value))).toEqual(value)
  })
})

describe('fields of 0.4', () => {
  it('are little-endian', () => {
    expect(hex(encode(u16le, 0x0102))).toBe('0201')
    expect(hex(encode(u32le, 0x81020304))).toBe('04030281')
    expect(decode(u32le, unhex('04030281')!)).toBe(0x81020304)
  })

  it.each([-1, 2 ** 32, 0.5, NaN])('refuse %d', value => {
    expect(() => encode(u32le, value)).toThrow(RangeError)
  })

  it('hold canonical IPv4 addresses only', () => {
    expect(hex(quadOf('208.17.50.4'))).toBe('d0113204')
    expect(beyondQuad('208.17.50.4')).toBeUndefined()
    for (const host of ['0.0.0.0', '208.17.50', '208.17.50.4.', '208.17.50.04', '256.17.50.4', '1.2.3.4.5', '::1']) {
      expect(hex(quadOf(host))).toBe('00000000')
      expect(beyondQuad(host)).toBe(host)
    }
  })
})

describe('a size of 64 bits', () => {
  const large = largeLittle(2 ** 32 - 1)

  it.each([
    [2 ** 32 - 1, 'ffffffff'],
    [2 ** 32, '0000000001'],
    [2 ** 53 - 1, 'ffffffffffff1f']
  ])('%d has the fewest possible bytes', (value, written) => {
    expect(hex(encode(large, value))).toBe(written)
    expect(decode(large, unhex(written)!)).toBe(value)
  })

  it.each(['', 'feffffff', 'ffffffff00', '00000000000020', '01000000000020', '0000000000000001'])(
    'is not %s',
    written => {
      expect(() => decode(large, unhex(written)!)).toThrow(DecodeError)
    }
  )
})
