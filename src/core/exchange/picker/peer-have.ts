/** What a source says that it holds of one content: whole pieces, and leaves of pieces that it is still fetching. */
import { Bitfield } from '../../../base/bitfield.ts'
import type { LeafRange, PieceIndex } from '../../../wire/bittorrent/layout.ts'

/** Pieces that one peer may say it holds in part: what 64 MiB in flight touch with 16 KiB a piece. More are not noted. */
export const PARTIALS_PER_PEER_MAX = 4_096

export class PeerHave {
  /** Every piece; a peer that withdraws one is given a bitfield. */
  all = false
  private whole: Bitfield
  private readonly partial = new Map<PieceIndex, Uint8Array>()
  private readonly pieces: number

  constructor(pieces: number) {
    this.pieces = pieces
    this.whole = new Bitfield(0)
  }

  /** In place of all that was known. Undefined bits mean every piece. */
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

  /** Any leaf of it. */
  hasSome(piece: PieceIndex): boolean {
    return this.hasPiece(piece) || this.partial.has(piece)
  }

  has(piece: PieceIndex, leaf: number): boolean {
    return this.hasPiece(piece) || this.partial.get(piece)?.[leaf] === 1
  }

  /** Any leaf of the range. */
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

  /** The range must lie in a piece of `leafCount` leaves. True when nothing of the piece was known before. */
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

  /** It holds nothing of the piece any more. True when it did. Not to be called while `all`: see `spell`. */
  lose(piece: PieceIndex): boolean {
    const had = this.partial.delete(piece)
    return this.writable().delete(piece) || had
  }

  /** From "all" to a bit for each piece. */
  spell(): void {
    this.all = false
    this.whole = new Bitfield(this.pieces).fill()
  }

  /** Pieces of which it holds anything; not to be called while `all`. */
  *held(): Generator<PieceIndex> {
    for (const piece of this.whole) yield piece as PieceIndex
    yield* this.partial.keys()
  }
}
