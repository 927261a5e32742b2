/**
 * Merkle trees of BEP 52: SHA-256 over leaves of 16 KiB, the leaf layer padded with zero hashes to a power of two.
 * A hash has 32 bytes; a layer is the concatenation of its hashes. The piece layer of a file has one hash per piece:
 * the root of the piece's leaves, padded to the number of leaves of a whole piece. A file shorter than one piece has
 * none.
 */
import { assert } from '../../base/assert.ts'
import { concat, sha256 } from '../../base/bytes.ts'

export const HASH_BYTES = 32
const ZERO = new Uint8Array(HASH_BYTES)

const zeroRoots: Uint8Array[] = [ZERO]

/** The root of a tree of `height` levels above leaves that are all padding. */
export function zeroRoot(height: number): Uint8Array {
  for (let i = zeroRoots.length; i <= height; i++) {
    const below = zeroRoots[i - 1] ?? ZERO
    zeroRoots.push(sha256(concat(below, below)))
  }
  return zeroRoots[height] ?? ZERO
}

/** The least power of two that is not below `count`; 1 for 0. */
export function powerOfTwo(count: number): number {
  let width = 1
  while (width < count) width *= 2
  return width
}

/**
 * The root over a layer padded to `width` nodes (a power of two). The padding is the root of an empty subtree of
 * `padHeight` levels: 0 for a layer of leaves, log2(leaves per piece) for a piece layer.
 */
export function merkleRoot(layer: Uint8Array, width: number, padHeight = 0): Uint8Array {
  let count = layer.length / HASH_BYTES
  assert(Number.isInteger(count) && count >= 1 && count <= width, 'a layer of whole hashes, no wider than its tree')
  // The levels are built in place, so this must be a copy. slice() of a Buffer would return a view.
  let level: Uint8Array = new Uint8Array(layer)
  let height = padHeight
  for (let span = width; span > 1; span /= 2, height++) {
    const pairs = Math.ceil(count / 2)
    if (count % 2 === 1) level = concat(level.subarray(0, count * HASH_BYTES), zeroRoot(height))
    for (let i = 0; i < pairs; i++) {
      level.set(sha256(level.subarray(i * 2 * HASH_BYTES, (i + 1) * 2 * HASH_BYTES)), i * HASH_BYTES)
    }
    count = pairs
  }
  return level.slice(0, HASH_BYTES)
}

/**
 * The root that a piece's leaves must have: `width` is leavesPerPiece for a file of more than one piece, and the padded
 * number of the file's own leaves for a smaller one (whose piece root is the file's root).
 */
export function pieceRoot(leafHashes: Uint8Array, width: number): Uint8Array {
  return merkleRoot(leafHashes, width)
}

/** The root of a file, computed from its piece layer. */
export function rootOfPieceLayer(pieceLayer: Uint8Array, leavesPerPiece: number): Uint8Array {
  return merkleRoot(pieceLayer, powerOfTwo(pieceLayer.length / HASH_BYTES), Math.log2(leavesPerPiece))
}
