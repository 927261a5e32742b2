/**
 * A node's predecessor and successor list, and what follows from them: the arc that it owns and the replicas of that.
 * Every entry is up as far as membership says.
 */
import { assert } from '../../../base/assert.ts'
import type { Key, NodeId } from '../../../base/ids.ts'
import { between, inArc, type KeyRange } from '../../../base/ring.ts'
import type { Contact } from '../../../wire/common.ts'
import type { RingContext } from './context.ts'
import type { RingMember } from '../members.ts'
import { isSmall, successorListLength } from '../settings.ts'

/**
 * alone: a ring of one, since nobody else is up; it owns every key, but only as far as it knows: to others it is part of
 * no ring (it may have started a moment ago). joining: part of no ring. joined: it answers ring queries.
 */
export type Standing = 'alone' | 'joining' | 'joined'

/** Nodes counted as holders of copies beyond the k - 1 before this one: members that are up but just joining hold none. */
const REPLICA_SLACK = 2

export class RingNeighbours {
  standing: Standing = 'alone'
  predecessor: RingMember | undefined
  successors: readonly RingMember[] = []
  private readonly ring: RingContext

  constructor(ring: RingContext) {
    this.ring = ring
  }

  /** Fewer than s + 1 members: both directions follow from membership. */
  get small(): boolean {
    return isSmall(this.ring.members.size + 1)
  }

  /** `first` and what it says comes behind it, in ring order, up to this node or the end of the list. */
  listFrom(first: RingMember, behind: readonly NodeId[]): RingMember[] {
    return this.inOrder([first, ...this.known(behind)])
  }

  adopt(list: readonly RingMember[]): void {
    this.successors = this.inOrder(list)
  }

  /** The whole membership in ring order. */
  adoptMembership(): void {
    assert(this.small, 'only a small ring is known from membership')
    this.successors = this.ring.members.clockwise(this.ring.place, this.ring.members.size)
    this.predecessor = this.successors.at(-1)
  }

  drop(id: NodeId): void {
    this.successors = this.successors.filter(one => one.id !== id)
    if (this.predecessor?.id === id) this.predecessor = undefined
  }

  leave(): void {
    this.standing = 'joining'
    this.successors = []
    this.predecessor = undefined
  }

  /** Undefined while this node is in no ring, or does not know its predecessor. */
  arc(): KeyRange | undefined {
    const to = this.ring.place
    if (this.standing === 'alone') return { from: to, to }
    if (this.standing === 'joining' || this.predecessor === undefined) return undefined
    return { from: this.predecessor.place, to }
  }

  owns(key: Key): boolean {
    const arc = this.arc()
    return arc !== undefined && inArc(arc.from, key, arc.to)
  }

  /** Who owns a key that lies between this node and the end of its list, if the list is right. */
  ownerBehind(key: Key): RingMember | undefined {
    return this.successors.find((one, i) => inArc(this.successors[i - 1]?.place ?? this.ring.place, key, one.place))
  }

  /** This node and the next k - 1 successors. */
  replicas(): Contact[] {
    const others = this.successors.slice(0, this.ring.settings.replicas - 1)
    return [this.ring.self, ...others.map(one => one.contact)]
  }

  /** The arcs of this node and of the k - 1 before it by membership. */
  replicated(): KeyRange {
    return { from: this.placeBack(this.ring.settings.replicas), to: this.ring.place }
  }

  /** Copies of these should be taken. */
  accepted(): KeyRange {
    return { from: this.placeBack(this.ring.settings.replicas + REPLICA_SLACK), to: this.ring.place }
  }

  /** The place of the member so many before this one; this node's own, for the whole ring, when there are fewer. */
  private placeBack(back: number): Key {
    const before = this.ring.members.counterclockwise(this.ring.place, back)
    return (before.length < back ? undefined : before.at(-1)?.place) ?? this.ring.place
  }

  private known(ids: readonly NodeId[]): RingMember[] {
    const known = []
    for (const id of ids) {
      // What comes behind this node is the ring once more.
      if (id === this.ring.self.id) break
      const member = this.ring.members.get(id)
      if (member !== undefined) known.push(member)
    }
    return known
  }

  /** The longest beginning that walks clockwise without passing this node, as long as lists are. */
  private inOrder(list: readonly RingMember[]): RingMember[] {
    const place = this.ring.place
    const ordered: RingMember[] = []
    for (const member of list) {
      const last = ordered.at(-1)
      if (last !== undefined && !between(last.place, member.place, place)) break
      ordered.push(member)
    }
    return ordered.slice(0, successorListLength(this.ring.members.size + 1))
  }
}
