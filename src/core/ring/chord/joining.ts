/**
 * The way into the ring: first a successor's list, then membership of the ring (Zave). The members are asked in ring order
 * from behind this node on until one answers as part of the ring. A node is taken in only once its own membership knows
 * everybody whom the ring names there, so that its list skips nobody; its patience for that ends some day.
 *
 * When all that answer are joining too (the whole shoal restarted, or two nodes that were alone met), the one of the
 * lowest id among them stands up as a ring of one after some rounds: two newcomers may know of each other before they know
 * of the ring. The others find it on their next round. Should two nodes stand up all the same, the rings merge later.
 */
import type { NodeId } from '../../../base/ids.ts'
import { between } from '../../../base/ring.ts'
import { after, instant, type Instant } from '../../../base/time.ts'
import type { RingMessageOf } from '../../../wire/ring.ts'
import type { RingContext } from './context.ts'
import type { RingMember } from '../members.ts'
import type { RingNeighbours } from './neighbours.ts'
import type { QuerySlot } from './query.ts'
import { JOIN_ASKED_MAX } from '../settings.ts'

export class Joining {
  private readonly ring: RingContext
  private readonly near: RingNeighbours
  private readonly slot: QuerySlot
  /** Asked on this round; at most JOIN_ASKED_MAX. */
  private readonly asked = new Map<NodeId, 'unjoined' | 'silent'>()
  private patience = 0
  /** Rounds in which everybody that answered was joining too, and of a higher id. */
  private rounds = 0
  private retryAt: Instant = instant(0)

  constructor(ring: RingContext, near: RingNeighbours, slot: QuerySlot) {
    this.ring = ring
    this.near = near
    this.slot = slot
  }

  begin(now: Instant): void {
    this.asked.clear()
    this.patience = this.ring.settings.joinPatience
    this.rounds = 0
    this.retryAt = now
  }

  nextWake(): Instant | undefined {
    const waits = this.near.standing === 'joining' && this.slot.current === undefined && this.ring.members.size > 0
    return waits ? this.retryAt : undefined
  }

  /** Returns 'stand-up' when this node has to be the ring itself. */
  wake(now: Instant): 'stand-up' | undefined {
    if (this.near.standing !== 'joining' || this.slot.current !== undefined || this.retryAt > now) return undefined
    if (this.ring.members.size === 0) return undefined
    const [next] = this.unasked()
    if (next !== undefined) {
      this.slot.start({ kind: 'join' }, next, now)
      return undefined
    }
    const first = this.lowestOfAll() && ++this.rounds >= this.ring.settings.standUpRounds
    this.asked.clear()
    this.retryLater(now)
    return first ? 'stand-up' : undefined
  }

  /** Returns the list to join with, or undefined when a nearer member must be asked or membership waited for. */
  state(from: RingMember, state: RingMessageOf<'state'>, now: Instant): RingMember[] | undefined {
    const named = state.predecessor === undefined ? state.successors : [state.predecessor, ...state.successors]
    const unheard = named.some(id => id !== this.ring.self.id && !this.ring.members.heardOf(id))
    if (unheard && this.patience > 0) {
      this.patience--
      this.retryLater(now)
      return undefined
    }
    const [nearest] = this.unasked()
    if (nearest !== undefined && between(this.ring.place, nearest.place, from.place)) {
      this.slot.start({ kind: 'join' }, nearest, now)
      return undefined
    }
    return this.near.listFrom(from, state.successors)
  }

  unjoined(from: RingMember): void {
    this.asked.set(from.id, 'unjoined')
  }

  silent(from: RingMember): void {
    this.asked.set(from.id, 'silent')
  }

  busy(now: Instant): void {
    this.retryLater(now)
  }

  memberDown(member: RingMember, now: Instant): void {
    this.asked.delete(member.id)
    if (this.slot.current?.to !== member || this.slot.current.purpose.kind !== 'join') return
    this.slot.current = undefined
    this.retryAt = now
  }

  /** In ring order from behind this node on. */
  private unasked(): RingMember[] {
    return this.ring.members.clockwise(this.ring.place, JOIN_ASKED_MAX).filter(member => !this.asked.has(member.id))
  }

  private retryLater(now: Instant): void {
    this.retryAt = after(now, this.ring.random.jitter(this.ring.settings.joinRetryMs))
  }

  private lowestOfAll(): boolean {
    for (const [id, answer] of this.asked) if (answer === 'unjoined' && id < this.ring.self.id) return false
    return true
  }
}
