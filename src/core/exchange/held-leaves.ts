/** What this node holds of a content, leaf by leaf: what it serves, tells and records. */
import { Bitfield } from '../../base/bitfield.ts'
import { LEAF_BYTES, type Layout, type LeafRange, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { allPieces, type PieceOf } from './picker/pieces.ts'

export class HeldLeaves {
  readonly layout: Layout
  /** Undefined: every leaf. */
  private leaves: Bitfield | undefined
  private whole: Bitfield | undefined
  private heldBytes: number
  /** Pieces that are partly there. */
  private readonly partials = new Map<PieceIndex, number>()
  /** Pieces that cannot be read now. They are not served until they are restored. Made with the first. */
  private gone: Bitfield | undefined

  /** `leaves` are the leaves that are there, numbered through the content; undefined means all. The bitfield is kept. */
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

  /** Every piece is there. */
  get all(): boolean {
    return (this.whole === undefined || this.whole.full) && this.gone?.empty !== false
  }

  /** What can be served: of a download that has nothing yet it is `part`. */
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

  /** The range must lie in the layout. */
  serves(range: LeafRange): boolean {
    if (this.isGone(range.piece)) return false
    if (this.hasPiece(range.piece)) return true
    const first = this.layout.firstLeafOf(range.piece) + range.leafStart
    for (let i = 0; i < range.leafCount; i++) if (!this.hasLeaf(first + i)) return false
    return true
  }

  /** One verified leaf: the bytes that are new, and whether the piece is whole now. */
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

  /** Stops serving these pieces. Returns those that were served until now. They must lie in the layout. */
  withdraw(pieces: Iterable<PieceIndex>): PieceIndex[] {
    const gone = (this.gone ??= new Bitfield(this.layout.pieces))
    return [...pieces].filter(piece => gone.add(piece))
  }

  /** Serves these pieces again. Returns those that were withdrawn until now. */
  restore(pieces: Iterable<PieceIndex>): PieceIndex[] {
    const { gone } = this
    return gone === undefined || gone.empty ? [] : [...pieces].filter(piece => gone.delete(piece))
  }

  /** In ascending order. */
  *withdrawn(): Generator<PieceIndex> {
    for (const piece of this.gone ?? []) yield piece as PieceIndex
  }

  /** A bit for each piece that is whole and served. */
  pieceBits(): Bitfield {
    const bits = this.whole?.clone() ?? new Bitfield(this.layout.pieces).fill()
    for (const piece of this.withdrawn()) bits.delete(piece)
    return bits
  }

  /** The leaves of pieces that are partly there, in runs. */
  *partialRanges(): Generator<LeafRange> {
    for (const piece of this.partials.keys()) {
      if (this.isGone(piece)) continue
      const first = this.layout.firstLeafOf(piece)
      yield* runs(piece, this.layout.leavesOf(piece), leaf => this.hasLeaf(first + leaf))
    }
  }

  /** All leaves, numbered through the content: a copy. Undefined when this is all of it from the start. */
  leafBits(): Uint8Array | undefined {
    return this.leaves?.encode()
  }
}

/** The runs of leaves of a piece for which `held` is true. */
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
