/** The leaves of one content that this node holds. Uploads, announcements and the synced record follow from them. */
import { Bitfield } from '../../base/bitfield.ts'
import { LEAF_BYTES, type Layout, type LeafRange, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { allPieces, type PieceOf } from './picker/pieces.ts'

export class HeldLeaves {
  readonly layout: Layout
  /** Undefined when every leaf is held from the start. */
  private leaves: Bitfield | undefined
  private whole: Bitfield | undefined
  private heldBytes: number
  /** Number of held leaves of each partial piece. */
  private readonly partials = new Map<PieceIndex, number>()
  /** Withdrawn pieces, which are not served until they are restored. Undefined until the first withdrawal. */
  private gone: Bitfield | undefined

  /** `leaves` has a bit for each held leaf of the content; undefined means all. Takes ownership of the bitfield. */
  constructor(layout: Layout, leaves: Bitfield | undefined) {
    this.layout = layout
    this.leaves = leaves
    this.heldBytes = layout.bytes
    if (leaves === undefined) return
    this.heldBytes = 0
    this.whole = new Bitfield(layout.pieces)
    for (const of of allPieces(layout)) this.count(of, leaves, this.whole)
  }

  private count({ piece, firstLeaf, leafCount, bytes }: PieceOf, leaves: Bitfield, whole: Bitfield): void {
    let held = 0
    for (let i = 0; i < leafCount; i++) {
      if (!leaves.has(firstLeaf + i)) continue
      held++
      this.heldBytes += Math.min(LEAF_BYTES, bytes - i * LEAF_BYTES)
    }
    if (held === leafCount) whole.add(piece)
    else if (held > 0) this.partials.set(piece, held)
  }

  /** Every piece is complete and none is withdrawn. */
  get all(): boolean {
    return (this.whole === undefined || this.whole.full) && this.gone?.empty !== false
  }

  /**
   * What can be served. `none` only when every held leaf is withdrawn: a download without a leaf offers `part`.
   */
  get offer(): 'none' | 'part' | 'all' {
    if (this.all) return 'all'
    if (this.gone?.empty !== false) return 'part'
    const isPartial = [...this.partials.keys()].some(piece => !this.isGone(piece))
    return this.pieceBits().empty && !isPartial ? 'none' : 'part'
  }

  private isGone(piece: PieceIndex): boolean {
    return this.gone?.has(piece) === true
  }

  get empty(): boolean {
    return this.heldBytes === 0
  }

  get bytes(): number {
    return this.heldBytes
  }

  hasLeaf(leaf: number): boolean {
    return this.leaves?.has(leaf) ?? true
  }

  hasPiece(piece: PieceIndex): boolean {
    return this.whole?.has(piece) ?? true
  }

  /** Whether all leaves of the range can be served. The range must lie in the layout. */
  serves(range: LeafRange): boolean {
    if (this.isGone(range.piece)) return false
    if (this.hasPiece(range.piece)) return true
    const first = this.layout.firstLeafOf(range.piece) + range.leafStart
    for (let i = 0; i < range.leafCount; i++) if (!this.hasLeaf(first + i)) return false
    return true
  }

  /** Adds one verified leaf. Returns its bytes, or 0 when it was held before, and whether the piece is complete. */
  add(piece: PieceIndex, leaf: number): { bytes: number; whole: boolean } {
    const { leaves, whole } = this
    if (leaves === undefined || whole === undefined) return { bytes: 0, whole: true }
    if (!leaves.add(this.layout.firstLeafOf(piece) + leaf)) return { bytes: 0, whole: whole.has(piece) }
    const bytes = this.layout.leafBytes(piece, leaf)
    this.heldBytes += bytes
    const held = (this.partials.get(piece) ?? 0) + 1
    if (held < this.layout.leavesOf(piece)) this.partials.set(piece, held)
    else {
      this.partials.delete(piece)
      whole.add(piece)
    }
    return { bytes, whole: whole.has(piece) }
  }

  /** Withdraws the pieces, which must lie in the layout. Returns those that were not withdrawn before. */
  withdraw(pieces: Iterable<PieceIndex>): PieceIndex[] {
    const gone = (this.gone ??= new Bitfield(this.layout.pieces))
    return [...pieces].filter(piece => gone.add(piece))
  }

  /** Restores withdrawn pieces. Returns those that were withdrawn before. */
  restore(pieces: Iterable<PieceIndex>): PieceIndex[] {
    const { gone } = this
    return gone === undefined || gone.empty ? [] : [...pieces].filter(piece => gone.delete(piece))
  }

  /** The withdrawn pieces in ascending order. */
  *withdrawn(): Generator<PieceIndex> {
    for (const piece of this.gone ?? []) yield piece as PieceIndex
  }

  /** A bit for each piece that is complete and not withdrawn. */
  pieceBits(): Bitfield {
    const bits = this.whole?.clone() ?? new Bitfield(this.layout.pieces).fill()
    for (const piece of this.withdrawn()) bits.delete(piece)
    return bits
  }

  /** The leaves of partial pieces that are not withdrawn, as ranges. */
  *partialRanges(): Generator<LeafRange> {
    for (const piece of this.partials.keys()) {
      if (this.isGone(piece)) continue
      const first = this.layout.firstLeafOf(piece)
      yield* runs(piece, this.layout.leavesOf(piece), leaf => this.hasLeaf(first + leaf))
    }
  }

  /** A copy of the bits of all leaves. Undefined when every leaf is held from the start. */
  leafBits(): Uint8Array | undefined {
    return this.leaves?.encode()
  }
}

/** The longest ranges of leaves of a piece for which `held` is true. */
export function* runs(piece: PieceIndex, leafCount: number, held: (leaf: number) => boolean): Generator<LeafRange> {
  let start = -1
  for (let leaf = 0; leaf <= leafCount; leaf++) {
    const here = leaf < leafCount && held(leaf)
    if (here && start < 0) start = leaf
    if (!here && start >= 0) {
      yield { piece, leafStart: start, leafCount: leaf - start }
      start = -1
    }
  }
}
