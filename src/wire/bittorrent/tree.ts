/**
 * Builds a file's Merkle tree (BEP 52) leaf by leaf. It keeps one hash per level and the piece layer, and a call
 * computes at most one hash per level. The roots are the same as those that merkle.ts computes over whole layers.
 */
import { assert, expectDefined } from '../../base/assert.ts'
import { sha256 } from '../../base/bytes.ts'
import { HASH_BYTES, powerOfTwo, zeroRoot } from './merkle.ts'

/**
 * Computes the root of hashes that arrive one by one. The padding is the root of an empty subtree of `padHeight`
 * levels.
 */
export class MerkleStack {
  private readonly padHeight: number
  /** For each level, the left node whose right sibling is not known yet. */
  private waiting: Array<Uint8Array | undefined> = []
  private readonly pair = new Uint8Array(2 * HASH_BYTES)
  private count_ = 0

  constructor(padHeight = 0) {
    this.padHeight = padHeight
  }

  get count(): number {
    return this.count_
  }

  private join(left: Uint8Array, right: Uint8Array): Uint8Array {
    this.pair.set(left)
    this.pair.set(right, HASH_BYTES)
    return sha256(this.pair)
  }

  /** Keeps a reference to `hash`, which must not change afterwards. */
  push(hash: Uint8Array): void {
    this.count_++
    let node = hash
    let level = 0
    for (let left = this.waiting[0]; left !== undefined; left = this.waiting[level]) {
      node = this.join(left, node)
      this.waiting[level++] = undefined
    }
    this.waiting[level] = node
  }

  /** Returns the root over the hashes, padded to `width` (a power of two), and resets the stack. */
  finish(width: number): Uint8Array {
    assert(this.count_ >= 1 && this.count_ <= width, 'a row is not empty, nor wider than its tree')
    const height = Math.log2(width)
    let node = this.waiting[height]
    if (node === undefined) {
      for (let level = 0; level < height; level++) {
        const left = this.waiting[level]
        if (left !== undefined) node = this.join(left, node ?? zeroRoot(level + this.padHeight))
        else if (node !== undefined) node = this.join(node, zeroRoot(level + this.padHeight))
      }
    }
    this.waiting = []
    this.count_ = 0
    return expectDefined(node, 'a row that is not empty has a root')
  }
}

export interface FinishedTree {
  readonly root: Uint8Array
  /** The concatenated roots of the pieces. Empty for a file of one piece, whose root is `root`. */
  readonly pieceLayer: Uint8Array
}

export class FileTree {
  private readonly leafCount: number
  private readonly leavesPerPiece: number
  private readonly pieceLayer: Uint8Array
  private readonly piece = new MerkleStack()
  private readonly pieces: MerkleStack
  private leaves = 0

  /** `leafCount` must be above zero: an empty file has no tree. */
  constructor(options: { leafCount: number; leavesPerPiece: number }) {
    const { leafCount, leavesPerPiece } = options
    assert(leafCount > 0, 'an empty file has no tree')
    this.leafCount = leafCount
    this.leavesPerPiece = leavesPerPiece
    this.pieceLayer = new Uint8Array(
      leafCount > leavesPerPiece ? Math.ceil(leafCount / leavesPerPiece) * HASH_BYTES : 0
    )
    this.pieces = new MerkleStack(Math.log2(leavesPerPiece))
  }

  /** The next leaf's hash, which must not change afterwards. */
  push(leafHash: Uint8Array): void {
    assert(this.leaves < this.leafCount, 'at most `leafCount` leaves are pushed')
    this.leaves++
    this.piece.push(leafHash)
    if (this.pieceLayer.length > 0 && this.piece.count === this.leavesPerPiece) this.endPiece()
  }

  private endPiece(): void {
    const root = this.piece.finish(this.leavesPerPiece)
    this.pieceLayer.set(root, this.pieces.count * HASH_BYTES)
    this.pieces.push(root)
  }

  finish(): FinishedTree {
    assert(this.leaves === this.leafCount, 'exactly `leafCount` leaves were pushed')
    if (this.pieceLayer.length === 0)
      return { root: this.piece.finish(powerOfTwo(this.leafCount)), pieceLayer: this.pieceLayer }
    if (this.piece.count > 0) this.endPiece()
    return { root: this.pieces.finish(powerOfTwo(this.pieces.count)), pieceLayer: this.pieceLayer }
  }
}
