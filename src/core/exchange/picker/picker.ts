/**
 * Chooses the leaves to request next from a source. Every leaf of a wanted piece that is not complete has one of these
 * states:
 *
 *   listed   its piece is in `Rarity`: no leaf of the piece is requested or written
 *   free     its piece is active, and no claim counts for the leaf
 *   claimed  by one source; by several in the endgame
 *   written  verified and on disk
 *
 * A claim on a slow source can be released: its leaves are free again, and the slow source may still deliver them.
 *
 * Order of picking:
 *   1. the leaves that readers need (readers.ts), in their order
 *   2. the piece that this source works on, so that few pieces are partial at once
 *   3. a new piece: the first RANDOM_FIRST_PIECES are random, then the rarest piece that the source holds
 *   4. any other active piece
 * New pieces come before the pieces of other sources because the peers that fetch those can soon serve them.
 *
 * Each pick examines a bounded number of pieces. When the rarest pieces are not at the source, picks sweep all pieces
 * from the source's cursor on, a bounded number each. After a whole sweep a pick examines only the pieces that the
 * source announced since.
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

/** BitTorrent's "random first piece": pieces that are picked at random until this node has some to serve. */
export const RANDOM_FIRST_PIECES = 4
/** Places of the rarity order that one pick examines. */
const SCAN_PLACES = 256
/** Active pieces that one pick examines. */
const SCAN_ACTIVE = 128
/** Pieces that one pick sweeps when the source holds none of the rarest. */
const SWEEP_PIECES = 16_384
/** Pieces remembered that a source announced after its sweep. When there are more, the sweep starts again. */
const FRESH_MAX = 256

/** The state of one source in the picker: what it holds, and how far the picker has swept it. */
export class PeerCursor {
  readonly have: PeerHave
  current: ActivePiece | undefined
  /** Next piece to sweep, and the number of pieces swept. */
  cursor = 0
  swept = 0
  sweepEpoch = 0
  fresh: PieceIndex[] = []

  constructor(pieces: number, cursor: number) {
    this.have = new PeerHave(pieces)
    this.cursor = cursor
  }
}

/** Leaves requested from one source. Other sources are not asked for them, except in the endgame. */
export interface Claim {
  readonly peerCursor: PeerCursor
  readonly range: LeafRange
  /** It no longer counts: other sources may claim the leaves, and this source may still deliver them. */
  released: boolean
}

/** A piece of which leaves are requested or written, and which is not complete. */
export interface ActivePiece {
  readonly piece: PieceIndex
  /** Claims on each leaf that are not released. */
  readonly claimCounts: Uint8Array
  readonly written: Uint8Array
  writtenCount: number
  /** Number of leaves that are neither claimed nor written. */
  free: number
  readonly claims: Set<Claim>
  /** A leaf of the piece was verified in this run, so its leaf hashes are known. */
  hashes: boolean
}

export class Picker {
  private readonly layout: Layout
  private readonly wanted: Bitfield
  private readonly random: Random
  private readonly rarity: Rarity
  private readonly active = new Map<PieceIndex, ActivePiece>()
  /** Active pieces with free leaves. */
  private readonly open = new IndexedMap<PieceIndex, ActivePiece>()
  /** The leaves that readers need. They are picked first. */
  readonly preferred: Preferred
  private freeLeaves = 0
  private missing = 0
  private startedCount = 0
  /** Incremented when a piece is listed again, which makes every finished sweep out of date. */
  private epoch = 0

  constructor(options: { layout: Layout; wanted: Bitfield; holding: HeldLeaves; random: Random }) {
    this.layout = options.layout
    this.wanted = options.wanted
    this.random = options.random
    this.rarity = new Rarity(this.layout.pieces)
    this.preferred = new Preferred(this.layout)
    this.rarity.listAll(this.absent(options.holding), this.random)
    for (const { piece, leafStart, leafCount } of options.holding.partialRanges()) {
      if (this.wanted.has(piece)) for (let i = 0; i < leafCount; i++) this.write(this.activate(piece), leafStart + i)
    }
  }

  /** Yields the wanted pieces that are not complete, and counts their leaves as missing and free. */
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

  /** Every missing leaf is claimed. */
  get endgame(): boolean {
    return this.freeLeaves === 0
  }

  newCursor(): PeerCursor {
    return new PeerCursor(this.layout.pieces, this.random.below(Math.max(1, this.layout.pieces)))
  }

  /** Replaces all that is known of the source. Undefined bits mean every piece. */
  holds(peerCursor: PeerCursor, bits: Bitfield | undefined): void {
    this.uncount(peerCursor)
    peerCursor.have.replace(bits)
    peerCursor.swept = 0
    if (!peerCursor.have.all) for (const piece of peerCursor.have.held()) this.rarity.more(piece)
  }

  /** Removes a source. All its claims must have ended. */
  dismiss(peerCursor: PeerCursor): void {
    this.uncount(peerCursor)
    peerCursor.current = undefined
  }

  private uncount(peerCursor: PeerCursor): void {
    if (peerCursor.have.all) return
    for (const piece of peerCursor.have.held()) this.rarity.fewer(piece)
  }

  /** The source announced leaves. False when the range lies outside the content. */
  learn(peerCursor: PeerCursor, range: LeafRange): boolean {
    if (!this.layout.holds(range)) return false
    if (peerCursor.have.learn(range, this.layout.leavesOf(range.piece))) this.rarity.more(range.piece)
    if (peerCursor.swept < this.layout.pieces) return true
    if (peerCursor.fresh.length < FRESH_MAX) peerCursor.fresh.push(range.piece)
    else peerCursor.swept = 0
    return true
  }

  /** The source no longer holds any leaf of this piece. */
  unlearn(peerCursor: PeerCursor, piece: PieceIndex): void {
    if (piece >= this.layout.pieces) return
    if (peerCursor.have.all) {
      peerCursor.have.expand()
      for (const held of peerCursor.have.held()) this.rarity.more(held)
    }
    if (peerCursor.have.lose(piece)) this.rarity.fewer(piece)
  }

  /** Wanted pieces that are not complete, in ascending order. */
  *missingPieces(): Generator<PieceIndex> {
    for (const piece of this.wanted) {
      if (this.rarity.listed(piece as PieceIndex) || this.active.has(piece as PieceIndex)) yield piece as PieceIndex
    }
  }

  /** Whether the source announced a leaf of the piece that is missing here. */
  offers({ have }: PeerCursor, piece: PieceIndex): boolean {
    const activePiece = this.active.get(piece)
    if (activePiece === undefined || have.hasPiece(piece)) return have.hasSome(piece)
    return have.hasSome(piece) && activePiece.written.some((written, leaf) => written === 0 && have.has(piece, leaf))
  }

  /** Whether leaves of the range are missing, and whether some of these are unclaimed. */
  lack(range: LeafRange): { missing: boolean; free: boolean } {
    const activePiece = this.active.get(range.piece)
    if (activePiece === undefined) {
      const listed = this.rarity.listed(range.piece)
      return { missing: listed, free: listed }
    }
    const lack = { missing: false, free: false }
    this.eachLeaf(range, leaf => {
      if (activePiece.written[leaf] === 1) return
      lack.missing = true
      lack.free ||= activePiece.claimCounts[leaf] === 0
    })
    return lack
  }

  /**
   * Up to `leavesMax` leaves to request from this source next, or undefined when none is free at it. Claims nothing.
   * `suits` decides whether a range that a reader needs may be requested from this source.
   */
  pick(
    peerCursor: PeerCursor,
    leavesMax: number,
    suits: (range: LeafRange) => boolean = () => true
  ): LeafRange | undefined {
    const needed = this.fromPreferred(peerCursor, leavesMax, suits)
    if (needed !== undefined) return needed
    const own = peerCursor.current
    // A piece that was listed again and activated anew is another object.
    const current = own !== undefined && this.active.get(own.piece) === own
    const continued = current ? this.freeRun(own, peerCursor, leavesMax) : undefined
    return continued ?? this.fromNew(peerCursor, leavesMax) ?? this.fromActive(peerCursor, leavesMax)
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
      const activePiece = this.activate(piece)
      const run = this.freeRun(activePiece, peerCursor, leavesMax, { from: leafStart, to: leafStart + leafCount })
      if (run === undefined) continue
      peerCursor.current = activePiece
      return run
    }
    return undefined
  }

  private fromNew(peerCursor: PeerCursor, leavesMax: number): LeafRange | undefined {
    const piece = this.rarity.size === 0 ? undefined : (this.scanned(peerCursor) ?? this.swept(peerCursor))
    if (piece === undefined) return undefined
    this.startedCount++
    peerCursor.current = this.activate(piece)
    return this.freeRun(peerCursor.current, peerCursor, leavesMax)
  }

  /** The source's next piece by rarity: at first a random one, then the rarest. */
  private scanned(peerCursor: PeerCursor): PieceIndex | undefined {
    const { size } = this.rarity
    const random = this.startedCount < RANDOM_FIRST_PIECES
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
    const isEligible = (piece: PieceIndex) => this.rarity.listed(piece) && peerCursor.have.hasSome(piece)
    for (let fresh = peerCursor.fresh.pop(); fresh !== undefined; fresh = peerCursor.fresh.pop())
      if (isEligible(fresh)) return fresh
    for (let i = 0; i < SWEEP_PIECES && peerCursor.swept < pieces; i++) {
      const piece = peerCursor.cursor as PieceIndex
      peerCursor.cursor = (peerCursor.cursor + 1) % pieces
      peerCursor.swept++
      if (isEligible(piece)) return piece
    }
    return undefined
  }

  private fromActive(peerCursor: PeerCursor, leavesMax: number): LeafRange | undefined {
    const { values: open } = this.open
    const first = this.random.below(Math.max(1, open.length))
    for (let i = 0; i < Math.min(SCAN_ACTIVE, open.length); i++) {
      const activePiece = expectDefined(open[(first + i) % open.length], 'the index is below the length')
      const run = this.freeRun(activePiece, peerCursor, leavesMax)
      if (run !== undefined) return run
    }
    return undefined
  }

  /** The first run of free leaves, from `from` to before `to`, that the source holds and has no claim on. */
  private freeRun(
    activePiece: ActivePiece,
    peerCursor: PeerCursor,
    leavesMax: number,
    { from, to } = { from: 0, to: activePiece.written.length }
  ): LeafRange | undefined {
    if (activePiece.free === 0) return undefined
    const isEligible = (leaf: number) =>
      activePiece.claimCounts[leaf] === 0 &&
      activePiece.written[leaf] === 0 &&
      peerCursor.have.has(activePiece.piece, leaf) &&
      !isClaimedBy(activePiece, peerCursor, leaf)
    let start = from
    while (start < to && !isEligible(start)) start++
    if (start === to) return undefined
    let end = start + 1
    while (end < to && end - start < leavesMax && isEligible(end)) end++
    return { piece: activePiece.piece, leafStart: start, leafCount: end - start }
  }

  private activate(piece: PieceIndex): ActivePiece {
    const known = this.active.get(piece)
    if (known !== undefined) return known
    this.rarity.unlist(piece)
    const leaves = this.layout.leavesOf(piece)
    const activePiece: ActivePiece = {
      piece,
      claimCounts: new Uint8Array(leaves),
      written: new Uint8Array(leaves),
      writtenCount: 0,
      free: leaves,
      claims: new Set(),
      hashes: false
    }
    this.open.set(activePiece.piece, activePiece)
    this.active.set(piece, activePiece)
    return activePiece
  }

  /** The active piece with this index; undefined when the piece is listed, complete or not wanted. */
  activePieceOf(piece: PieceIndex): ActivePiece | undefined {
    return this.active.get(piece)
  }

  /** Registers a claim, and activates its piece. */
  claim(claim: Claim): void {
    const activePiece = this.activate(claim.range.piece)
    assert(!claim.released, 'a new claim is not released')
    activePiece.claims.add(claim)
    this.eachLeaf(claim.range, leaf => {
      activePiece.claimCounts[leaf] = (activePiece.claimCounts[leaf] ?? 0) + 1
      if (activePiece.claimCounts[leaf] === 1 && activePiece.written[leaf] === 0) this.addFree(activePiece, -1)
    })
  }

  /** Lets other sources claim these leaves. The source of the claim may still deliver them. */
  release(claim: Claim): void {
    const activePiece = this.active.get(claim.range.piece)
    if (claim.released || activePiece === undefined) return
    claim.released = true
    this.eachLeaf(claim.range, leaf => {
      activePiece.claimCounts[leaf] = (activePiece.claimCounts[leaf] ?? 0) - 1
      if (activePiece.claimCounts[leaf] === 0 && activePiece.written[leaf] === 0) this.addFree(activePiece, 1)
    })
  }

  /** Removes a claim. A piece without claims and without written leaves is listed again. */
  end(claim: Claim): void {
    this.release(claim)
    const activePiece = this.active.get(claim.range.piece)
    if (activePiece === undefined) return
    activePiece.claims.delete(claim)
    if (activePiece.claims.size > 0 || activePiece.writtenCount > 0) return
    this.open.delete(activePiece.piece)
    this.active.delete(activePiece.piece)
    this.epoch++
    this.rarity.list(activePiece.piece, this.random)
  }

  /** A leaf was verified and written. The leaf need not be claimed. Ignores pieces that are complete or not wanted. */
  written(piece: PieceIndex, leaf: number): void {
    if (!this.rarity.listed(piece) && !this.active.has(piece)) return
    const activePiece = this.activate(piece)
    activePiece.hashes = true
    this.write(activePiece, leaf)
  }

  private write(activePiece: ActivePiece, leaf: number): void {
    if (activePiece.written[leaf] === 1) return
    activePiece.written[leaf] = 1
    activePiece.writtenCount++
    this.missing--
    if (activePiece.claimCounts[leaf] === 0) this.addFree(activePiece, -1)
    if (activePiece.writtenCount < activePiece.written.length) return
    this.open.delete(activePiece.piece)
    this.active.delete(activePiece.piece)
  }

  /** The claims whose leaves are all written. `activePiece` may be complete: then these are all its claims. */
  redundant(activePiece: ActivePiece): Claim[] {
    return [...activePiece.claims].filter(({ range }) => {
      for (let i = 0; i < range.leafCount; i++) if (activePiece.written[range.leafStart + i] === 0) return false
      return true
    })
  }

  /** The highest number of claims on one leaf of the range. */
  claimCountMax(range: LeafRange): number {
    const activePiece = this.active.get(range.piece)
    let most = 0
    this.eachLeaf(range, leaf => {
      most = Math.max(most, activePiece?.claimCounts[leaf] ?? 0)
    })
    return most
  }

  /** Whether the source has a claim, released or not, on a leaf of the range. */
  hasClaim(peerCursor: PeerCursor, range: LeafRange): boolean {
    const activePiece = this.active.get(range.piece)
    let isClaimed = false
    this.eachLeaf(range, leaf => {
      isClaimed ||= activePiece !== undefined && isClaimedBy(activePiece, peerCursor, leaf)
    })
    return isClaimed
  }

  private eachLeaf(range: LeafRange, visit: (leaf: number) => void): void {
    for (let i = 0; i < range.leafCount; i++) visit(range.leafStart + i)
  }

  private addFree(activePiece: ActivePiece, change: 1 | -1): void {
    this.freeLeaves += change
    activePiece.free += change
    if (activePiece.free === 0) this.open.delete(activePiece.piece)
    else this.open.set(activePiece.piece, activePiece)
  }

  /** Throws AssertionError when counts and lists disagree. For tests: it examines every piece. */
  check(): void {
    this.rarity.check()
    let free = 0
    for (let p = 0; p < this.layout.pieces; p++) {
      if (this.rarity.listed(p as PieceIndex)) free += this.layout.leavesOf(p as PieceIndex)
    }
    for (const activePiece of this.active.values()) {
      const counted = new Uint8Array(activePiece.written.length)
      for (const claim of activePiece.claims)
        if (!claim.released) this.eachLeaf(claim.range, leaf => (counted[leaf] = (counted[leaf] ?? 0) + 1))
      const own = activePiece.claimCounts.filter((count, leaf) => count === 0 && activePiece.written[leaf] === 0).length
      assert(own === activePiece.free, 'the free leaves of a piece are counted')
      assert(
        activePiece.claimCounts.every((count, leaf) => count === counted[leaf]),
        'the counts match the claims'
      )
      assert(
        activePiece.free > 0 === (this.open.get(activePiece.piece) === activePiece),
        'a piece with free leaves is open'
      )
      free += own
    }
    assert(free === this.freeLeaves, 'all free leaves are counted')
  }
}

function isClaimedBy(activePiece: ActivePiece, peerCursor: PeerCursor, leaf: number): boolean {
  for (const { peerCursor: other, range } of activePiece.claims) {
    if (other === peerCursor && leaf >= range.leafStart && leaf < range.leafStart + range.leafCount) return true
  }
  return false
}
