/**
 * Pieces of which no leaf is requested or written, in buckets by the number of sources that hold them: rarest first,
 * shuffled inside a bucket. Sources that hold every piece are not counted, because they do not change the order.
 *
 * One array holds all buckets one after the other, and `place` maps each piece to its position. Adding or removing a
 * holder costs one swap, listing or unlisting a piece one move for each bucket (as in libtorrent's piece picker).
 */
import { assert } from '../../../base/assert.ts'
import type { Random } from '../../../base/random.ts'
import type { PieceIndex } from '../../../wire/bittorrent/layout.ts'

/** Highest bucket: pieces with this many holders or more. Above the degree of any download. */
export const AVAILABILITY_MAX = 63
const UNLISTED = -1

export class Rarity {
  private readonly order: Uint32Array
  private readonly place: Int32Array
  private readonly holders: Uint16Array
  /** Bucket a covers the places from ends[a - 1] (inclusive) to ends[a] (exclusive). */
  private readonly ends = new Int32Array(AVAILABILITY_MAX + 1)

  /** Starts with no piece listed. */
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

  /** Sources that hold a leaf of the piece. Sources that hold every piece are not counted. */
  availability(piece: PieceIndex): number {
    return this.holders[piece] ?? 0
  }

  /** The piece at a place of the order. Place 0 has one of the rarest. */
  at(place: number): PieceIndex {
    return (this.order[place] ?? 0) as PieceIndex
  }

  /** The first place of pieces with this availability or more. */
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

  /** Lists all pieces at the start, in linear time, when no holder is known. */
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
    // Each higher bucket moves its first piece to its end, which frees a place for the bucket below.
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
    assert(this.listed(piece), 'only listed pieces are unlisted')
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
    assert(this.availability(piece) > 0, 'a piece that loses a holder has one')
    const before = this.bucketOf(piece)
    this.holders[piece] = (this.holders[piece] ?? 0) - 1
    const bucket = this.bucketOf(piece)
    if (!this.listed(piece) || bucket === before) return
    const first = this.startOf(before)
    this.swap(this.place[piece] ?? 0, first)
    this.ends[bucket] = first + 1
  }

  /** Throws AssertionError when places and buckets disagree. For tests: it examines every piece. */
  check(): void {
    for (let place = 0; place < this.size; place++) {
      const piece = this.at(place)
      assert(this.place[piece] === place, 'the place of each piece is recorded')
      const bucket = this.bucketOf(piece)
      assert(place >= this.startOf(bucket) && place < (this.ends[bucket] ?? 0), 'a piece lies in its bucket')
    }
  }
}
