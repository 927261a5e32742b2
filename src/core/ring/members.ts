/** Who is up, as membership says, in the order of the ring. The ring takes addresses and verdicts from here alone. */
import { expectDefined } from '../../base/assert.ts'
import { LruMap } from '../../base/bounded.ts'
import { placeOf, type Key, type NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'

/** One object for as long as the node is up: tables hold it, and see a change of its address. */
export interface RingMember {
  readonly id: NodeId
  readonly place: Key
  contact: Contact
}

/** RingMembers remembered as down, so that they are not taken for members not heard of yet. */
const DOWN_MAX = 4_096

/** All but this node itself. */
export class RingMembers {
  private readonly byId = new Map<NodeId, RingMember>()
  /** By place, ascending. */
  private readonly sorted: RingMember[] = []
  private readonly down = new LruMap<NodeId, true>(DOWN_MAX)

  get size(): number {
    return this.sorted.length
  }

  get(id: NodeId): RingMember | undefined {
    return this.byId.get(id)
  }

  /** Up, or known to have been declared down. */
  heardOf(id: NodeId): boolean {
    return this.byId.has(id) || this.down.has(id)
  }

  /** Returns the member when it is new. */
  up(contact: Contact): RingMember | undefined {
    this.down.delete(contact.id)
    const known = this.byId.get(contact.id)
    if (known !== undefined) {
      known.contact = contact
      return undefined
    }
    const member = { id: contact.id, place: placeOf(contact.id), contact }
    this.byId.set(contact.id, member)
    this.sorted.splice(this.from(member.place), 0, member)
    return member
  }

  /** Returns the member when it was up. */
  dead(id: NodeId): RingMember | undefined {
    this.down.set(id, true)
    const member = this.byId.get(id)
    if (member === undefined) return undefined
    this.byId.delete(id)
    this.sorted.splice(this.from(member.place), 1)
    return member
  }

  /** The first `count` met when walking clockwise from behind `place`. */
  clockwise(place: Key, count: number): RingMember[] {
    const start = this.from(place)
    const skip = this.sorted[start]?.place === place ? 1 : 0
    return this.take(Math.min(count, this.size - skip), i => start + skip + i)
  }

  /** The first `count` met when walking counterclockwise from before `place`. */
  counterclockwise(place: Key, count: number): RingMember[] {
    const start = this.from(place)
    const skip = this.sorted[start]?.place === place ? 1 : 0
    return this.take(Math.min(count, this.size - skip), i => start - 1 - i)
  }

  /** Those at `start` up to but without `end`, clockwise: how many, and the one at an index. */
  range(start: Key, end: Key): { count: number; at: (index: number) => RingMember } {
    const first = this.from(start)
    const last = this.from(end)
    const count = start <= end ? last - first : this.size - first + last
    return { count, at: index => this.at(first + index) }
  }

  [Symbol.iterator](): IterableIterator<RingMember> {
    return this.sorted.values()
  }

  private take(count: number, index: (i: number) => number): RingMember[] {
    return Array.from({ length: count }, (_, i) => this.at(index(i)))
  }

  /** Around the ring. */
  private at(index: number): RingMember {
    const size = this.size
    return expectDefined(this.sorted[((index % size) + size) % size], 'an index around the ring is that of a member')
  }

  /** The index of the first at or behind `place`. */
  private from(place: Key): number {
    let low = 0
    let high = this.sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.at(middle).place < place) low = middle + 1
      else high = middle
    }
    return low
  }
}
