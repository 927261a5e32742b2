/**
 * Pieces that nobody was asked for yet, in buckets by how many sources hold them, rarest first, shuffled inside. Sources
 * that hold everything are not counted: they change the order of nothing.
 *
 * One array holds all buckets one after the other, and each piece knows its place, so that a source more or fewer is one
 * swap and a piece listed or unlisted one swap for each bucket (libtorrent's picker keeps its pieces like this).
 */
import { assert } from '../../../base/assert.ts'
import type { Random } from '../../../base/random.ts'
import type { PieceIndex } from '../../../wire/bittorrent/layout.ts'

/** More holders than this count as this many; above the degree of any download. */
export const AVAILABILITY_MAX = 63
const UNLISTED = -1

export class Rarity {
  private readonly order: Uint32Array
  private readonly place: Int32Array
  private readonly holders: Uint16Array
  /** Bucket a reaches from ends[a - 1] to before ends[a]. */
  private readonly ends = new Int32Array(AVAILABILITY_MAX + 1)

  /** None of the pieces is listed. */
  constructor(pieces: number) {
    this.order = new Uint32Array(pieces)
    this.place = new Int32Array(pieces).fill(UNLISTED)
    this.holders = new Uint16Array(pieces)
  }

  get size(): number {
    return this.ends[AVAILABILITY_MAX] ?? 0
  }

  listed(piece: PieceIndex): boolean {
    return this.place[piece] !== UNLISTED
  }

  /** Sources that hold some of the piece, without those that hold everything. */
  availability(piece: PieceIndex): number {
    return this.holders[piece] ?? 0
  }

  /** The piece at a place of the order: 0 is among the rarest. */
  at(place: number): PieceIndex {
    return (this.order[place] ?? 0) as PieceIndex
  }

  /** The first place of the pieces with that availability or more. */
  startOf(availability: number): number {
    return availability === 0 ? 0 : (this.ends[Math.min(availability, AVAILABILITY_MAX + 1) - 1] ?? 0)
  }

  private bucketOf(piece: number): number {
    return Math.min(AVAILABILITY_MAX, this.holders[piece] ?? 0)
  }

  private put(piece: number, place: number): void {
    this.order[place] = piece
    this.place[piece] = place
  }

  /** The first pieces, before any holder is known: millions of them, so not one by one. */
  listAll(pieces: Iterable<PieceIndex>, random: Random): void {
    assert(this.size === 0, 'all pieces are listed once, at the start')
    let count = 0
    for (const piece of pieces) this.put(piece, count++)
    this.ends.fill(count)
    for (let place = count - 1; place > 0; place--) this.swap(place, random.below(place + 1))
  }

  list(piece: PieceIndex, random: Random): void {
    assert(!this.listed(piece), 'a piece is listed once')
    const bucket = this.bucketOf(piece)
    // Each bucket above gives its first place to the one below and takes one at its end.
    for (let above = AVAILABILITY_MAX; above > bucket; above--) {
      const start = this.ends[above - 1] ?? 0
      const end = this.ends[above] ?? 0
      if (end > start) this.put(this.order[start] ?? 0, end)
      this.ends[above] = end + 1
    }
    const end = this.ends[bucket] ?? 0
    this.ends[bucket] = end + 1
    this.put(piece, end)
    const start = this.startOf(bucket)
    this.swap(end, start + random.below(end + 1 - start))
  }

  unlist(piece: PieceIndex): void {
    assert(this.listed(piece), 'only what is listed is unlisted')
    let hole = this.place[piece] ?? 0
    for (let bucket = this.bucketOf(piece); bucket <= AVAILABILITY_MAX; bucket++) {
      const last = (this.ends[bucket] ?? 0) - 1
      if (last > hole) this.put(this.order[last] ?? 0, hole)
      hole = Math.max(hole, last)
      this.ends[bucket] = last
    }
    this.place[piece] = UNLISTED
  }

  private swap(a: number, b: number): void {
    const one = this.order[a] ?? 0
    this.put(this.order[b] ?? 0, a)
    this.put(one, b)
  }

  more(piece: PieceIndex): void {
    const bucket = this.bucketOf(piece)
    this.holders[piece] = (this.holders[piece] ?? 0) + 1
    if (!this.listed(piece) || bucket === AVAILABILITY_MAX) return
    const last = (this.ends[bucket] ?? 0) - 1
    this.swap(this.place[piece] ?? 0, last)
    this.ends[bucket] = last
  }

  fewer(piece: PieceIndex): void {
    assert(this.availability(piece) > 0, 'no fewer holders than none')
    const before = this.bucketOf(piece)
    this.holders[piece] = (this.holders[piece] ?? 0) - 1
    const bucket = this.bucketOf(piece)
    if (!this.listed(piece) || bucket === before) return
    const first = this.startOf(before)
    this.swap(this.place[piece] ?? 0, first)
    this.ends[bucket] = first + 1
  }

  /** Throws AssertionError when the books are wrong. For tests: it looks at everything. */
  check(): void {
    for (let place = 0; place < this.size; place++) {
      const piece = this.at(place)
      assert(this.place[piece] === place, 'a piece knows its place')
      const bucket = this.bucketOf(piece)
      assert(place >= this.startOf(bucket) && place < (this.ends[bucket] ?? 0), 'a piece lies in its bucket')
    }
  }
}
