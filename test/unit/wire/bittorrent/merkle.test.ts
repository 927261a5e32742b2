import { describe, expect, it } from 'vitest'
import { concat, hex, sha256, utf8 } from '../../../../src/base/bytes.ts'
import {
  HASH_BYTES,
  merkleRoot,
  pieceRoot,
  powerOfTwo,
  rootOfPieceLayer,
  zeroRoot
} from '../../../../src/wire/bittorrent/merkle.ts'
import { FileTree, MerkleStack } from '../../../../src/wire/bittorrent/tree.ts'

const leaf = (index: number): Uint8Array => sha256(utf8(`leaf ${index}`))
const leaves = (count: number): Uint8Array[] => Array.from({ length: count }, (_, index) => leaf(index))

/** The definition in BEP 52: pad with zeros to `width`, then hash pairs. */
function plainRoot(
  layer: readonly Uint8Array[],
  width: number,
  padding: Uint8Array = new Uint8Array(HASH_BYTES)
): Uint8Array {
  let row = [...layer, ...new Array<Uint8Array>(width - layer.length).fill(padding)]
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, i) => sha256(concat(row[2 * i]!, row[2 * i + 1]!)))
  }
  return row[0]!
}

function plainFile(count: number, leavesPerPiece: number): { root: string; layer: string } {
  const all = leaves(count)
  if (count <= leavesPerPiece) return { root: hex(plainRoot(all, powerOfTwo(count))), layer: '' }
  const roots = Array.from({ length: Math.ceil(count / leavesPerPiece) }, (_, piece) =>
    plainRoot(all.slice(piece * leavesPerPiece, (piece + 1) * leavesPerPiece), leavesPerPiece)
  )
  return { root: hex(plainRoot(all, powerOfTwo(count))), layer: hex(concat(...roots)) }
}

describe('Merkle roots', () => {
  it('of padding alone have the known values', () => {
    expect(hex(zeroRoot(0))).toBe('00'.repeat(32))
    expect(hex(zeroRoot(1))).toBe('f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b')
    expect(hex(zeroRoot(2))).toBe('db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71')
  })

  it('of one leaf is the leaf', () => {
    expect(hex(merkleRoot(leaf(0), 1))).toBe(hex(leaf(0)))
  })

  it('equal those of a plain padded tree for every count and width', () => {
    for (let count = 1; count <= 70; count++) {
      for (const width of [powerOfTwo(count), 2 * powerOfTwo(count), 8 * powerOfTwo(count)]) {
        const layer = leaves(count)
        const root = plainRoot(layer, width)
        expect(hex(merkleRoot(concat(...layer), width))).toBe(hex(root))
        expect(hex(pieceRoot(concat(...layer), width))).toBe(hex(root))
      }
    }
  })

  it('pad a piece layer with the roots of empty pieces', () => {
    for (let count = 1; count <= 40; count++) {
      const layer = leaves(count)
      const root = plainRoot(layer, powerOfTwo(count), zeroRoot(3))
      expect(hex(rootOfPieceLayer(concat(...layer), 8))).toBe(hex(root))
    }
  })

  it('do not change the layer', () => {
    for (const layer of [concat(...leaves(4)), Buffer.concat(leaves(4)), Buffer.concat(leaves(5))]) {
      const before = hex(layer)
      merkleRoot(layer, 8)
      expect(hex(layer)).toBe(before)
    }
  })

  it('refuse an empty layer, a partial hash, and more hashes than the width', () => {
    expect(() => merkleRoot(new Uint8Array(0), 1)).toThrow('whole hashes')
    expect(() => merkleRoot(new Uint8Array(33), 2)).toThrow('whole hashes')
    expect(() => merkleRoot(new Uint8Array(96), 2)).toThrow('whole hashes')
  })

  it('pad to powers of two', () => {
    expect([0, 1, 2, 3, 4, 5, 1024, 1025].map(powerOfTwo)).toEqual([1, 1, 2, 4, 4, 8, 1024, 2048])
  })
})

describe('a tree built leaf by leaf', () => {
  it.each([1, 2, 4, 8, 16])(
    'with %d leaves per piece has the root and piece layer of the plain tree',
    leavesPerPiece => {
      for (let count = 1; count <= 70; count++) {
        const tree = new FileTree({ leafCount: count, leavesPerPiece })
        for (const hash of leaves(count)) tree.push(hash)
        const { root, pieceLayer } = tree.finish()
        expect({ count, root: hex(root), layer: hex(pieceLayer) }).toEqual({
          count,
          ...plainFile(count, leavesPerPiece)
        })
      }
    }
  )

  it('takes exactly leafCount leaves', () => {
    expect(() => new FileTree({ leafCount: 0, leavesPerPiece: 1 })).toThrow('empty file')
    const tree = new FileTree({ leafCount: 2, leavesPerPiece: 1 })
    tree.push(leaf(0))
    expect(() => tree.finish()).toThrow('exactly `leafCount` leaves')
    tree.push(leaf(1))
    expect(() => {
      tree.push(leaf(2))
    }).toThrow('at most `leafCount` leaves')
  })

  it('is empty again after finish', () => {
    const stack = new MerkleStack()
    for (const width of [8, 4]) {
      for (const hash of leaves(3)) stack.push(hash)
      expect(hex(stack.finish(width))).toBe(hex(plainRoot(leaves(3), width)))
    }
    expect(() => stack.finish(1)).toThrow('not empty')
  })
})
