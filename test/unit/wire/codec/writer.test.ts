import { describe, expect, it } from 'vitest'
import { hex } from '../../../../src/base/bytes.ts'
import { Writer } from '../../../../src/wire/codec/cursor.ts'

describe('a writer that grows', () => {
  it.each([1, 2, 3, 4, 5, 8])('keeps every byte from a capacity of %d', capacity => {
    const writer = new Writer(capacity)
    writer.u8(0x01)
    writer.u16(0x0203)
    writer.u32(0x04050607)
    writer.raw(Uint8Array.of(8, 9, 10, 11, 12, 13, 14, 15, 16))
    writer.varint(300)
    expect(hex(writer.finish())).toBe('0102030405060708090a0b0c0d0e0f10ac02')
  })
})
