/** What a source announced of one content: whole pieces, and leaves of pieces that it holds in part. */
import { Bitfield } from '../../../base/bitfield.ts'
import type { LeafRange, PieceIndex } from '../../../wire/bittorrent/layout.ts'

/** Partial pieces noted for one peer: as many as 64 MiB in flight touch at 16 KiB each. Further ones are ignored. */
export const PARTIALS_PER_PEER_MAX = 4_096

export class PeerHave {
  /** The peer holds every piece, and `whole` is empty. `expand` is called before a piece is removed. */
  all = false
  private whole: Bitfield
  private readonly partial = new Map<PieceIndex, Uint8Array>()
  private readonly pieces: number

  constructor(pieces: number) {
    this.pieces = pieces
    this.whole = new Bitfield(0)
  }

  /** Replaces all that was known. Undefined bits mean every piece. */
  replace(bits: Bitfield | undefined): void {
    this.partial.clear()
    this.all = bits === undefined || bits.full
    this.whole = this.all || bits === undefined ? new Bitfield(0) : bits
  }

  private writable(): Bitfield {
    if (this.whole.length !== this.pieces) this.whole = new Bitfield(this.pieces)
    return this.whole
  }

  hasPiece(piece: PieceIndex): boolean {
    return this.all || this.whole.has(piece)
  }

  /** Whether the peer holds any leaf of the piece. */
  hasSome(piece: PieceIndex): boolean {
    return this.hasPiece(piece) || this.partial.has(piece)
  }

  has(piece: PieceIndex, leaf: number): boolean {
    return this.hasPiece(piece) || this.partial.get(piece)?.[leaf] === 1
  }

  /** Whether the peer holds any leaf of the range. */
  hasAny({ piece, leafStart, leafCount }: LeafRange): boolean {
    if (this.hasPiece(piece)) return true
    return (
      this.partial
        .get(piece)
        ?.subarray(leafStart, leafStart + leafCount)
        .includes(1) === true
    )
  }

  hasRange(range: LeafRange): boolean {
    if (this.hasPiece(range.piece)) return true
    const leaves = this.partial.get(range.piece)
    if (leaves === undefined) return false
    for (let i = 0; i < range.leafCount; i++) if (leaves[range.leafStart + i] !== 1) return false
    return true
  }

  /** Adds leaves of a piece of `leafCount` leaves. True when no leaf of the piece was known before. */
  learn(range: LeafRange, leafCount: number): boolean {
    const { piece } = range
    if (this.hasPiece(piece)) return false
    const known = this.partial.get(piece)
    if (range.leafCount === leafCount) {
      this.writable().add(piece)
      this.partial.delete(piece)
      return known === undefined
    }
    if (known === undefined && this.partial.size >= PARTIALS_PER_PEER_MAX) return false
    const leaves = known ?? new Uint8Array(leafCount)
    leaves.fill(1, range.leafStart, range.leafStart + range.leafCount)
    if (known === undefined) this.partial.set(piece, leaves)
    if (!leaves.includes(0)) {
      this.writable().add(piece)
      this.partial.delete(piece)
    }
    return known === undefined
  }

  /** Removes the piece and its leaves. True when any was known. Must not be called while `all`: see `expand`. */
  lose(piece: PieceIndex): boolean {
    const had = this.partial.delete(piece)
    return this.writable().delete(piece) || had
  }

  /** Changes from `all` to a bitfield in which every piece is set. */
  expand(): void {
    this.all = false
    this.whole = new Bitfield(this.pieces).fill()
  }

  /** Pieces of which the peer holds any leaf. Must not be called while `all`. */
  *held(): Generator<PieceIndex> {
    for (const piece of this.whole) yield piece as PieceIndex
    yield* this.partial.keys()
  }
}
