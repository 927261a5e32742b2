/**
 * Which leaves to ask next of a source. It tracks every leaf that is wanted and not written:
 *
 *   listed   its piece is in `Rarity`: nothing of it was asked for
 *   free     its piece was begun, the leaf is asked of nobody
 *   asked    of one source; of more in the endgame, or when it was released by one that is too slow
 *   written  done with
 *
 * Order of picking: what readers need (readers.ts), in their order; the piece that this source has begun, a new piece (RANDOM_FIRST random ones at first, then the rarest
 * that the source holds), any other piece that was begun. New before others' pieces, because what another peer already
 * fetches from the same seed will soon be had from that peer; own before new, so that few pieces are in parts at once.
 *
 * Every pick looks at a bounded number of pieces. A source for which nothing was found is swept from a cursor on, some
 * pieces a pick, and once it was swept whole only what it says it has got since is looked at.
 */
import { assert, expectDefined } from '../../../base/assert.ts'
import type { Bitfield } from '../../../base/bitfield.ts'
import { IndexedMap } from '../../../base/indexed-map.ts'
import type { Random } from '../../../base/random.ts'
import type { Layout, LeafRange, PieceIndex } from '../../../wire/bittorrent/layout.ts'
import type { HeldLeaves } from '../held-leaves.ts'
import { PeerHave } from './peer-have.ts'
import { allPieces } from './pieces.ts'
import { Preferred } from './preferred.ts'
import { Rarity } from './rarity.ts'

/** BitTorrent's "random first piece", until there is something to give. */
export const RANDOM_FIRST_PIECES = 4
/** Places of the rarity order that one pick looks at. */
const SCAN_PLACES = 256
/** Pieces begun that one pick looks at. */
const SCAN_BEGUN = 128
/** Pieces that one pick sweeps over when the rarest are not at the source. */
const SWEEP_PIECES = 16_384
/** Pieces that a swept source has got since; more of them, and it is swept again. */
const FRESH_MAX = 256

/** What the picker keeps of a source. */
export class PeerCursor {
  readonly have: PeerHave
  current: ActivePiece | undefined
  /** Next piece to sweep, and how many are swept already. */
  cursor = 0
  swept = 0
  sweepEpoch = 0
  fresh: PieceIndex[] = []

  constructor(pieces: number, cursor: number) {
    this.have = new PeerHave(pieces)
    this.cursor = cursor
  }
}

/** Leaves asked of one source. Claimed: nobody else is asked for them, but in the endgame. */
export interface Claim {
  readonly peerCursor: PeerCursor
  readonly range: LeafRange
  claimed: boolean
}

/** A piece that was begun and is not whole. */
export interface ActivePiece {
  readonly piece: PieceIndex
  /** Claims on each leaf. */
  readonly claims: Uint8Array
  readonly written: Uint8Array
  writtenCount: number
  /** Leaves neither claimed nor written. */
  free: number
  readonly asks: Set<Claim>
  /** A leaf of it was verified in this run, so its leaf hashes are known. */
  hashes: boolean
}

export class Picker {
  private readonly layout: Layout
  private readonly wanted: Bitfield
  private readonly random: Random
  private readonly rarity: Rarity
  private readonly begun = new Map<PieceIndex, ActivePiece>()
  /** Active pieces with free leaves. */
  private readonly open = new IndexedMap<PieceIndex, ActivePiece>()
  /** What readers need comes first. */
  readonly preferred: Preferred
  private freeLeaves = 0
  private missing = 0
  private beginnings = 0
  /** Grows when a piece is listed again. */
  private epoch = 0

  constructor(options: { layout: Layout; wanted: Bitfield; holding: HeldLeaves; random: Random }) {
    this.layout = options.layout
    this.wanted = options.wanted
    this.random = options.random
    this.rarity = new Rarity(this.layout.pieces)
    this.preferred = new Preferred(this.layout)
    this.rarity.listAll(this.absent(options.holding), this.random)
    for (const { piece, leafStart, leafCount } of options.holding.partialRanges()) {
      if (this.wanted.has(piece)) for (let i = 0; i < leafCount; i++) this.write(this.beginning(piece), leafStart + i)
    }
  }

  /** Counts the leaves of all wanted pieces that are not whole, and names those pieces. */
  private *absent(holding: HeldLeaves): Generator<PieceIndex> {
    for (const { piece, leafCount } of allPieces(this.layout)) {
      if (!this.wanted.has(piece) || holding.hasPiece(piece)) continue
      this.missing += leafCount
      this.freeLeaves += leafCount
      yield piece
    }
  }

  /** Wanted leaves that are not written. */
  get missingLeaves(): number {
    return this.missing
  }

  /** Every missing leaf is asked of somebody. */
  get endgame(): boolean {
    return this.freeLeaves === 0
  }

  newTaker(): PeerCursor {
    return new PeerCursor(this.layout.pieces, this.random.below(Math.max(1, this.layout.pieces)))
  }

  /** In place of what was known of the source. Undefined: it has every piece. */
  holds(peerCursor: PeerCursor, bits: Bitfield | undefined): void {
    this.uncount(peerCursor)
    peerCursor.have.replace(bits)
    peerCursor.swept = 0
    if (!peerCursor.have.all) for (const piece of peerCursor.have.held()) this.rarity.more(piece)
  }

  /** The source is gone; its asks must have ended. */
  dismiss(peerCursor: PeerCursor): void {
    this.uncount(peerCursor)
    peerCursor.current = undefined
  }

  private uncount(peerCursor: PeerCursor): void {
    if (peerCursor.have.all) return
    for (const piece of peerCursor.have.held()) this.rarity.fewer(piece)
  }

  /** News from a source. False when the range lies outside the content. */
  learn(peerCursor: PeerCursor, range: LeafRange): boolean {
    if (!this.layout.holds(range)) return false
    if (peerCursor.have.learn(range, this.layout.leavesOf(range.piece))) this.rarity.more(range.piece)
    if (peerCursor.swept < this.layout.pieces) return true
    if (peerCursor.fresh.length < FRESH_MAX) peerCursor.fresh.push(range.piece)
    else peerCursor.swept = 0
    return true
  }

  /** The source has nothing of this piece any more. */
  unlearn(peerCursor: PeerCursor, piece: PieceIndex): void {
    if (piece >= this.layout.pieces) return
    if (peerCursor.have.all) {
      peerCursor.have.spell()
      for (const held of peerCursor.have.held()) this.rarity.more(held)
    }
    if (peerCursor.have.lose(piece)) this.rarity.fewer(piece)
  }

  /** Pieces of which a wanted leaf is missing, in ascending order. */
  *missingPieces(): Generator<PieceIndex> {
    for (const piece of this.wanted) {
      if (this.rarity.listed(piece as PieceIndex) || this.begun.has(piece as PieceIndex)) yield piece as PieceIndex
    }
  }

  /** Whether the source says that it holds a leaf of the piece that is missing here. */
  offers({ have }: PeerCursor, piece: PieceIndex): boolean {
    const begun = this.begun.get(piece)
    if (begun === undefined || have.hasPiece(piece)) return have.hasSome(piece)
    return have.hasSome(piece) && begun.written.some((written, leaf) => written === 0 && have.has(piece, leaf))
  }

  /** Whether leaves of the range are missing, and whether some of those are asked of nobody. */
  lack(range: LeafRange): { missing: boolean; free: boolean } {
    const begun = this.begun.get(range.piece)
    if (begun === undefined) {
      const listed = this.rarity.listed(range.piece)
      return { missing: listed, free: listed }
    }
    const lack = { missing: false, free: false }
    this.eachLeaf(range, leaf => {
      if (begun.written[leaf] === 1) return
      lack.missing = true
      lack.free ||= begun.claims[leaf] === 0
    })
    return lack
  }

  /**
   * Up to `leavesMax` leaves to ask of this source next; nothing is claimed by this. `suits`: whether what a reader needs may be asked
   * of this source. Undefined: it has nothing that is free.
   */
  pick(
    peerCursor: PeerCursor,
    leavesMax: number,
    suits: (range: LeafRange) => boolean = () => true
  ): LeafRange | undefined {
    const needed = this.fromPreferred(peerCursor, leavesMax, suits)
    if (needed !== undefined) return needed
    const own = peerCursor.current
    // A piece that was given back and begun again is another object.
    const current = own !== undefined && this.begun.get(own.piece) === own
    const continued = current ? this.freeRun(own, peerCursor, leavesMax) : undefined
    return continued ?? this.fromNew(peerCursor, leavesMax) ?? this.fromBegun(peerCursor, leavesMax)
  }

  private fromPreferred(
    peerCursor: PeerCursor,
    leavesMax: number,
    suits: (range: LeafRange) => boolean
  ): LeafRange | undefined {
    for (const range of this.preferred.ranges) {
      const { piece, leafStart, leafCount } = range
      if (!peerCursor.have.hasSome(piece) || !this.lack(range).free || !suits(range)) continue
      if (!peerCursor.have.hasAny(range)) continue
      const begun = this.beginning(piece)
      const run = this.freeRun(begun, peerCursor, leavesMax, { from: leafStart, to: leafStart + leafCount })
      if (run === undefined) continue
      peerCursor.current = begun
      return run
    }
    return undefined
  }

  private fromNew(peerCursor: PeerCursor, leavesMax: number): LeafRange | undefined {
    const piece = this.rarity.size === 0 ? undefined : (this.scanned(peerCursor) ?? this.swept(peerCursor))
    if (piece === undefined) return undefined
    this.beginnings++
    peerCursor.current = this.beginning(piece)
    return this.freeRun(peerCursor.current, peerCursor, leavesMax)
  }

  /** From the order of rarity: random at first, then the rarest. */
  private scanned(peerCursor: PeerCursor): PieceIndex | undefined {
    const { size } = this.rarity
    const random = this.beginnings < RANDOM_FIRST_PIECES
    if (peerCursor.have.all) return this.rarity.at(random ? this.random.below(size) : 0)
    const first = random ? this.random.below(size) : this.rarity.startOf(1)
    const places = Math.min(SCAN_PLACES, random ? size : size - first)
    for (let i = 0; i < places; i++) {
      const piece = this.rarity.at((first + i) % size)
      if (peerCursor.have.hasSome(piece)) return piece
    }
    return undefined
  }

  private swept(peerCursor: PeerCursor): PieceIndex | undefined {
    const pieces = this.layout.pieces
    if (peerCursor.sweepEpoch !== this.epoch) {
      peerCursor.sweepEpoch = this.epoch
      peerCursor.swept = 0
    }
    const takeable = (piece: PieceIndex) => this.rarity.listed(piece) && peerCursor.have.hasSome(piece)
    for (let fresh = peerCursor.fresh.pop(); fresh !== undefined; fresh = peerCursor.fresh.pop())
      if (takeable(fresh)) return fresh
    for (let i = 0; i < SWEEP_PIECES && peerCursor.swept < pieces; i++) {
      const piece = peerCursor.cursor as PieceIndex
      peerCursor.cursor = (peerCursor.cursor + 1) % pieces
      peerCursor.swept++
      if (takeable(piece)) return piece
    }
    return undefined
  }

  private fromBegun(peerCursor: PeerCursor, leavesMax: number): LeafRange | undefined {
    const { values: open } = this.open
    const first = this.random.below(Math.max(1, open.length))
    for (let i = 0; i < Math.min(SCAN_BEGUN, open.length); i++) {
      const begun = expectDefined(open[(first + i) % open.length], 'a place below the length')
      const run = this.freeRun(begun, peerCursor, leavesMax)
      if (run !== undefined) return run
    }
    return undefined
  }

  /** The first free leaves of a piece that the source has and is not asked for. */
  private freeRun(
    begun: ActivePiece,
    peerCursor: PeerCursor,
    leavesMax: number,
    { from, to } = { from: 0, to: begun.written.length }
  ): LeafRange | undefined {
    if (begun.free === 0) return undefined
    const takeable = (leaf: number) =>
      begun.claims[leaf] === 0 &&
      begun.written[leaf] === 0 &&
      peerCursor.have.has(begun.piece, leaf) &&
      !askedOf(begun, peerCursor, leaf)
    let start = from
    while (start < to && !takeable(start)) start++
    if (start === to) return undefined
    let end = start + 1
    while (end < to && end - start < leavesMax && takeable(end)) end++
    return { piece: begun.piece, leafStart: start, leafCount: end - start }
  }

  private beginning(piece: PieceIndex): ActivePiece {
    const known = this.begun.get(piece)
    if (known !== undefined) return known
    this.rarity.unlist(piece)
    const leaves = this.layout.leavesOf(piece)
    const begun: ActivePiece = {
      piece,
      claims: new Uint8Array(leaves),
      written: new Uint8Array(leaves),
      writtenCount: 0,
      free: leaves,
      asks: new Set(),
      hashes: false
    }
    this.open.set(begun.piece, begun)
    this.begun.set(piece, begun)
    return begun
  }

  /** The piece of a range that may be asked for: it is begun. */
  begunOf(piece: PieceIndex): ActivePiece | undefined {
    return this.begun.get(piece)
  }

  /** Claims the leaves for the ask's source. */
  ask(ask: Claim): void {
    const begun = this.beginning(ask.range.piece)
    assert(ask.claimed, 'an ask begins with its claim')
    begun.asks.add(ask)
    this.eachLeaf(ask.range, leaf => {
      begun.claims[leaf] = (begun.claims[leaf] ?? 0) + 1
      if (begun.claims[leaf] === 1 && begun.written[leaf] === 0) this.addFree(begun, -1)
    })
  }

  /** Others may be asked for these leaves; they may still come from this source. */
  release(ask: Claim): void {
    const begun = this.begun.get(ask.range.piece)
    if (!ask.claimed || begun === undefined) return
    ask.claimed = false
    this.eachLeaf(ask.range, leaf => {
      begun.claims[leaf] = (begun.claims[leaf] ?? 0) - 1
      if (begun.claims[leaf] === 0 && begun.written[leaf] === 0) this.addFree(begun, 1)
    })
  }

  /** The ask is over. A piece of which nothing came, and nothing is asked any more, is listed again. */
  end(ask: Claim): void {
    this.release(ask)
    const begun = this.begun.get(ask.range.piece)
    if (begun === undefined) return
    begun.asks.delete(ask)
    if (begun.asks.size > 0 || begun.writtenCount > 0) return
    this.open.delete(begun.piece)
    this.begun.delete(begun.piece)
    this.epoch++
    this.rarity.list(begun.piece, this.random)
  }

  /** A leaf was verified and written. Wanted or not, known or not: a late one is welcome. */
  written(piece: PieceIndex, leaf: number): void {
    if (!this.rarity.listed(piece) && !this.begun.has(piece)) return
    const begun = this.beginning(piece)
    begun.hashes = true
    this.write(begun, leaf)
  }

  private write(begun: ActivePiece, leaf: number): void {
    if (begun.written[leaf] === 1) return
    begun.written[leaf] = 1
    begun.writtenCount++
    this.missing--
    if (begun.claims[leaf] === 0) this.addFree(begun, -1)
    if (begun.writtenCount < begun.written.length) return
    this.open.delete(begun.piece)
    this.begun.delete(begun.piece)
  }

  /** Other asks that lie wholly in what is written by now. `begun` may be whole, and then it is all of them. */
  redundant(begun: ActivePiece): Claim[] {
    return [...begun.asks].filter(({ range }) => {
      for (let i = 0; i < range.leafCount; i++) if (begun.written[range.leafStart + i] === 0) return false
      return true
    })
  }

  /** The most sources that any leaf of the range is asked of. */
  askedMost(range: LeafRange): number {
    const begun = this.begun.get(range.piece)
    let most = 0
    this.eachLeaf(range, leaf => {
      most = Math.max(most, begun?.claims[leaf] ?? 0)
    })
    return most
  }

  /** Whether the source is asked for any leaf of the range. */
  asks(peerCursor: PeerCursor, range: LeafRange): boolean {
    const begun = this.begun.get(range.piece)
    let asked = false
    this.eachLeaf(range, leaf => {
      asked ||= begun !== undefined && askedOf(begun, peerCursor, leaf)
    })
    return asked
  }

  private eachLeaf(range: LeafRange, visit: (leaf: number) => void): void {
    for (let i = 0; i < range.leafCount; i++) visit(range.leafStart + i)
  }

  private addFree(begun: ActivePiece, change: 1 | -1): void {
    this.freeLeaves += change
    begun.free += change
    if (begun.free === 0) this.open.delete(begun.piece)
    else this.open.set(begun.piece, begun)
  }

  /** Throws AssertionError when the books are wrong. For tests: it looks at everything. */
  check(): void {
    this.rarity.check()
    let free = 0
    for (let p = 0; p < this.layout.pieces; p++) {
      if (this.rarity.listed(p as PieceIndex)) free += this.layout.leavesOf(p as PieceIndex)
    }
    for (const begun of this.begun.values()) {
      const claims = new Uint8Array(begun.written.length)
      for (const ask of begun.asks)
        if (ask.claimed) this.eachLeaf(ask.range, leaf => (claims[leaf] = (claims[leaf] ?? 0) + 1))
      const own = begun.claims.filter((claimed, leaf) => claimed === 0 && begun.written[leaf] === 0).length
      assert(own === begun.free, 'free leaves are counted')
      assert(
        begun.claims.every((claimed, leaf) => claimed === claims[leaf]),
        'claims are those of the asks'
      )
      assert(begun.free > 0 === (this.open.get(begun.piece) === begun), 'a piece with free leaves is open')
      free += own
    }
    assert(free === this.freeLeaves, 'all free leaves are counted')
  }
}

function askedOf(begun: ActivePiece, peerCursor: PeerCursor, leaf: number): boolean {
  for (const { peerCursor: other, range } of begun.asks) {
    if (other === peerCursor && leaf >= range.leafStart && leaf < range.leafStart + range.leafCount) return true
  }
  return false
}
