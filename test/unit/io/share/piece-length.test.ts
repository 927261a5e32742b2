import { describe, expect, it } from 'vitest'
import { pieceLengthFor } from '../../../../src/io/share/piece-length.ts'

/** The table in libtorrent's create_torrent.cpp: the largest size with a piece length of 16 KiB, 32 KiB and so on. */
const TABLE = [
  ...[2_684_355, 10_737_418, 42_949_673, 171_798_692, 687_194_767, 2_748_779_069],
  ...[10_995_116_278, 43_980_465_111, 175_921_860_444, 703_687_441_777]
]

describe('the length of pieces', () => {
  it.each(TABLE.map((bytes, row) => [bytes, 16_384 << row]))('up to %d bytes is %d', (bytes, length) => {
    expect(pieceLengthFor(bytes)).toBe(length)
    expect(pieceLengthFor(bytes + 1)).toBe(length * 2)
  })

  it('is a leaf for nothing, and 16 MiB at most', () => {
    expect(pieceLengthFor(0)).toBe(16_384)
    expect(pieceLengthFor(2 ** 50)).toBe(16 << 20)
  })
})
