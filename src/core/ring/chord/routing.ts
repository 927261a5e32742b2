/**
 * How a key finds its owner: the seam between the ring, which keeps neighbours in order, and the way of routing, which
 * decides whose a key is and where a lookup goes next. Chord's is here; a prefix table with its own rule of ownership
 * stands behind the same interface.
 */
import type { Key } from '../../../base/ids.ts'
import { between, clockwiseFrom, inArc } from '../../../base/ring.ts'
import type { Contact } from '../../../wire/common.ts'
import type { RingContext } from './context.ts'
import type { Fingers } from './fingers.ts'
import type { RingMember } from '../members.ts'
import type { RingNeighbours } from './neighbours.ts'

export interface Hop {
  readonly to: RingMember
  /** It stands at or behind the key: what it does not own goes back from predecessor to predecessor. */
  readonly beyond: boolean
}

export interface Routing {
  /** Whether this node vouches for being the owner. */
  owns(key: Key): boolean
  /** The owner first; for what this node owns only. */
  replicas(): Contact[]
  /** Where a lookup goes next, the best first. Every one of them is closer to the key than this node, in its direction. */
  hops(key: Key, beyond: boolean): Hop[]
}

/** Closest preceding entries that are offered as alternatives. */
const PRECEDING_MAX = 6

export class ChordRouting implements Routing {
  private readonly ring: RingContext
  private readonly near: RingNeighbours
  private readonly fingers: Fingers

  constructor(ring: RingContext, near: RingNeighbours, fingers: Fingers) {
    this.ring = ring
    this.near = near
    this.fingers = fingers
  }

  owns(key: Key): boolean {
    return this.near.owns(key)
  }

  replicas(): Contact[] {
    return this.near.replicas()
  }

  hops(key: Key, beyond: boolean): Hop[] {
    return beyond ? this.back(key) : this.onwards(key)
  }

  private back(key: Key): Hop[] {
    const to = this.near.predecessor
    const closer = to !== undefined && (to.place === key || between(key, to.place, this.ring.place))
    return closer ? [{ to, beyond: true }] : []
  }

  private onwards(key: Key): Hop[] {
    const { place } = this.ring
    const successors = this.near.successors
    const at = successors.findIndex((one, i) => inArc(successors[i - 1]?.place ?? place, key, one.place))
    const owner = successors[at]
    const next = successors[at + 1]
    const hops: Hop[] = this.preceding(key).map(to => ({ to, beyond: false }))
    // The successor list knows the owner: the last step, before its turn.
    if (owner !== undefined) hops.unshift({ to: owner, beyond: true })
    if (owner !== undefined && next !== undefined) hops.push({ to: next, beyond: true })
    return hops
  }

  /** Chord's closest preceding nodes, the closest first. */
  private preceding(key: Key): RingMember[] {
    const { place } = this.ring
    const entries = new Set<RingMember>()
    for (const one of [...this.fingers, ...this.near.successors]) if (between(place, one.place, key)) entries.add(one)
    const order = clockwiseFrom(place)
    return [...entries].sort((a, b) => order(b.place, a.place)).slice(0, PRECEDING_MAX)
  }
}
