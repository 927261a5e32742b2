import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../src/base/bytes.ts'
import type { ContentId } from '../../../src/base/ids.ts'
import { decode, encode, tryDecode } from '../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../src/wire/codec/cursor.ts'
import { SHARE_NAME_BYTES_MAX, SHARES_MAX, sharesAnswer, sharesRequest } from '../../../src/wire/shares.ts'

const content = 'ab'.repeat(32) as ContentId
const summary = { content, name: '鯡', bytes: 300, files: 2, pieceLengthBytes: 16_384, complete: true }

describe('requests and answers about shares', () => {
  it('have golden bytes', () => {
    expect(hex(encode(sharesRequest, { name: 'a', content: undefined }))).toBe('01016100')
    expect(hex(encode(sharesRequest, { name: undefined, content }))).toBe(`0001${content}`)
    const digits = `01${content}03e9afa1ac020280800101` + '00'
    expect(hex(encode(sharesAnswer, { shares: [summary], more: false }))).toBe(digits)
    expect(decode(sharesAnswer, unhex(digits)!)).toEqual({ shares: [summary], more: false })
  })

  it('have limits', () => {
    const many = { shares: Array.from({ length: SHARES_MAX + 1 }, () => summary), more: false }
    expect(() => encode(sharesAnswer, many)).toThrow(RangeError)
    expect(() => decode(sharesAnswer, Uint8Array.of(0xd1, 0x0f))).toThrow(DecodeError)
    expect(() => encode(sharesRequest, { name: 'n'.repeat(SHARE_NAME_BYTES_MAX + 1), content: undefined })).toThrow(
      RangeError
    )
    expect(tryDecode(sharesRequest, Uint8Array.of(2, 0))).toBeUndefined()
  })
})
