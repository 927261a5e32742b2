import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/base/random.ts'
import { FILES_MAX, LEAF_BYTES, Layout, PIECES_MAX, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { FURTHER_PIECES_MAX } from '../../../../src/wire/bittorrent/metainfo.ts'

const PIECE = 4 * LEAF_BYTES
const piece = (index: number): PieceIndex => index as PieceIndex

/** The numbering by its definition, computed leaf by leaf. */
function walk(
  pieceLengthBytes: number,
  lengths: readonly number[]
): Array<{ file: number; offset: number; leaves: number[] }> {
  return lengths.flatMap((length, file) => {
    const pieces = []
    for (let offset = 0; offset < length; offset += pieceLengthBytes) {
      const leaves = []
      const end = Math.min(length, offset + pieceLengthBytes)
      for (let at = offset; at < end; at += LEAF_BYTES) leaves.push(Math.min(LEAF_BYTES, end - at))
      pieces.push({ file, offset, leaves })
    }
    return pieces
  })
}

function check(pieceLengthBytes: number, lengths: readonly number[]): void {
  const layout = new Layout(pieceLengthBytes, lengths)
  const pieces = walk(pieceLengthBytes, lengths)
  expect(layout.pieces).toBe(pieces.length)
  expect(layout.bytes).toBe(lengths.reduce((sum, length) => sum + length, 0))
  expect(layout.leaves).toBe(pieces.reduce((sum, one) => sum + one.leaves.length, 0))
  let firstLeaf = 0
  pieces.forEach(({ file, offset, leaves }, index) => {
    const at = piece(index)
    const bytes = leaves.reduce((sum, leaf) => sum + leaf, 0)
    expect(layout.fileOf(at)).toBe(file)
    expect(layout.offsetInFile(at)).toBe(offset)
    expect(layout.pieceBytes(at)).toBe(bytes)
    expect(layout.leavesOf(at)).toBe(leaves.length)
    expect(layout.firstLeafOf(at)).toBe(firstLeaf)
    expect(leaves.map((_, leaf) => layout.leafBytes(at, leaf))).toEqual(leaves)
    expect(layout.rangeBytes({ piece: at, leafStart: 0, leafCount: leaves.length })).toBe(bytes)
    expect(layout.rangeBytes({ piece: at, leafStart: leaves.length - 1, leafCount: 1 })).toBe(leaves.at(-1))
    firstLeaf += leaves.length
  })
  lengths.forEach((_, file) => {
    const own = pieces.map((one, index) => (one.file === file ? index : -1)).filter(index => index >= 0)
    const { first, end } = layout.piecesOf(file)
    expect(Array.from({ length: end - first }, (_none, i) => first + i)).toEqual(own)
  })
}

describe('the layout', () => {
  it.each([1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 77])(
    'numbers one file of %d bytes',
    length => {
      check(PIECE, [length])
      check(LEAF_BYTES, [length])
    }
  )

  it('gives an empty file no pieces, at any position', () => {
    check(PIECE, [])
    check(PIECE, [0])
    check(PIECE, [0, 0, 5, 0, 0, PIECE + 1, 0])
    check(PIECE, [PIECE, 0])
  })

  it('starts a new piece with every file, for all lengths', () => {
    const random = Random.from('layout')
    for (let round = 0; round < 100; round++) {
      const lengths = Array.from(
        { length: random.below(12) },
        () => random.pick([0, 1, LEAF_BYTES, PIECE, random.below(5 * PIECE)]) ?? 0
      )
      check(LEAF_BYTES << random.below(4), lengths)
    }
  })

  it('counts beyond 2^32 leaves', () => {
    const bytes = 2 ** 48 + 1
    const layout = new Layout(16 << 20, [1, bytes, 1])
    expect(layout.leaves).toBe(2 ** 34 + 3)
    expect(layout.firstLeafOf(piece(layout.pieces - 1))).toBe(2 ** 34 + 2)
    expect(layout.pieceBytes(piece(layout.pieces - 2))).toBe(1)
  })

  it('holds exactly the ranges inside a piece', () => {
    const layout = new Layout(PIECE, [PIECE + 2 * LEAF_BYTES + 1])
    const holds = (index: number, leafStart: number, leafCount: number): boolean =>
      layout.holds({ piece: piece(index), leafStart, leafCount })
    expect([holds(0, 0, 4), holds(0, 3, 1), holds(1, 0, 3), holds(1, 2, 1)]).toEqual([true, true, true, true])
    expect([holds(0, 0, 5), holds(0, 4, 1), holds(1, 0, 4), holds(1, 3, 1)]).toEqual([false, false, false, false])
    expect([holds(2, 0, 1), holds(-1, 0, 1), holds(0, -1, 1), holds(0, 0, 0)]).toEqual([false, false, false, false])
  })

  it('refuses an unknown piece, and a piece length that is not a power of two', () => {
    expect(() => new Layout(PIECE, [1]).fileOf(piece(1))).toThrow('a piece of this content')
    expect(() => new Layout(PIECE, [1]).fileOf(piece(-1))).toThrow('a piece of this content')
    expect(() => new Layout(3 * LEAF_BYTES, [1])).toThrow('power of two')
    expect(() => new Layout(LEAF_BYTES / 2, [1])).toThrow('power of two')
  })

  it('has room for every manifest that parseInfo accepts', () => {
    expect(FILES_MAX + FURTHER_PIECES_MAX).toBeLessThanOrEqual(PIECES_MAX)
  })
})

describe('the hash of a piece of one leaf', () => {
  const lastOf = (pieceLengthBytes: number, length: number): boolean => {
    const layout = new Layout(pieceLengthBytes, [length])
    return layout.isOwnHash(piece(layout.pieces - 1))
  }

  it('is the hash of the leaf when the piece is the whole file, or pieces have one leaf', () => {
    expect([lastOf(PIECE, 100), lastOf(PIECE, LEAF_BYTES), lastOf(LEAF_BYTES, 3 * LEAF_BYTES)]).toEqual([
      true,
      true,
      true
    ])
  })

  it('is not the hash of the leaf for a short last piece of several, which BEP 52 pads with zeros', () => {
    expect([lastOf(PIECE, PIECE + 1), lastOf(PIECE, 2 * PIECE + LEAF_BYTES), lastOf(PIECE, PIECE)]).toEqual([
      false,
      false,
      false
    ])
  })
})
