/**
 * Keeps a member of the ring in order: Zave's corrected steps ("How to make Chord correct").
 *
 *   stabilise  Ask the first successor for its predecessor and list; take it and its list over. A predecessor of its that
 *              stands in between, or a member that membership shows there (Zave's protocol never merges two rings), is
 *              asked in turn and taken over only if it answers as a member of the ring. Then notify the first successor.
 *   rectify    Follows a notification. No predecessor: take the notifier. The present one is alive: take the notifier only
 *              if it stands in between. Dead: take it.
 *
 * Where we deviate. Zave's nodes learn of a death when a query times out; here membership says who is dead, and a dead one
 * leaves every table at once (taking a dead entry out of a list lets it skip no live node that it did not skip before).
 * So a first successor that is silent but up stays; the list behind the next one that answers is taken over in the
 * meantime, which skips nobody either: the two stood side by side in the list already. A node that knows no predecessor
 * pings the nearest member before it and takes that if it is in the ring; Zave's invariant does not rest on predecessors.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { NodeId } from '../../../base/ids.ts'
import { between } from '../../../base/ring.ts'
import { after, earliest, instant, type Instant } from '../../../base/time.ts'
import type { RingMessageOf } from '../../../wire/ring.ts'
import type { RingContext } from './context.ts'
import type { RingMember } from '../members.ts'
import type { RingNeighbours } from './neighbours.ts'
import type { Query, QuerySlot } from './query.ts'
import { SILENT_SUCCESSORS_MAX } from '../settings.ts'

const PASSED_OVER_MAX = 256
/** Before asking a node again that was busy: a query of its own takes about one round trip. */
const BUSY_MS = 150

export class Stabiliser {
  private readonly ring: RingContext
  private readonly near: RingNeighbours
  private readonly slot: QuerySlot
  private stabiliseAt: Instant = instant(0)
  private precedeAt: Instant = instant(0)
  /** The best notifier of those that wait for rectify. */
  private notifier: RingMember | undefined
  /** Candidates that did not answer as members of the ring, and until when they are left alone. */
  private readonly passedOver = new LruMap<NodeId, Instant>(PASSED_OVER_MAX)

  constructor(ring: RingContext, near: RingNeighbours, slot: QuerySlot) {
    this.ring = ring
    this.near = near
    this.slot = slot
  }

  /** This node has just become part of the ring. */
  begin(now: Instant): void {
    this.stabiliseAt = now
    this.precedeAt = now
    this.notifier = undefined
  }

  nextWake(): Instant | undefined {
    if (this.idle || this.slot.current !== undefined) return undefined
    if (this.notifier !== undefined) return instant(0)
    return earliest(this.stabiliseAt, this.near.predecessor === undefined ? this.precedeAt : undefined)
  }

  /** Starts what is due while no query is in flight. */
  wake(now: Instant): void {
    if (this.idle || this.slot.current !== undefined) return
    if (this.rectify(now) || this.precede(now)) return
    if (this.stabiliseAt <= now) this.stabilise(now)
  }

  notified(by: RingMember): void {
    if (this.idle || by === this.near.predecessor) return
    const best = this.notifier
    if (best === undefined || between(best.place, by.place, this.ring.place)) this.notifier = by
  }

  /** The state of a node asked for `stabilise` or `adopt`. */
  state(query: Query, state: RingMessageOf<'state'>, now: Instant): void {
    const { to, purpose } = query
    if (this.idle) return
    this.passedOver.delete(to.id)
    if (purpose.kind === 'adopt') {
      this.near.adopt(this.near.listFrom(to, state.successors))
      this.greet(to, state)
      return
    }
    const kept = this.near.successors.indexOf(to)
    // It left the list while its answer was on the way.
    if (kept < 0) return
    this.near.adopt([...this.near.successors.slice(0, kept), ...this.near.listFrom(to, state.successors)])
    if (kept > 0) return
    const candidate = this.candidate(state.predecessor, now)
    if (candidate === undefined) this.greet(to, state)
    else this.slot.start({ kind: 'adopt' }, candidate, now)
  }

  /** The node asked is in no ring: restarted, say, and not joined again. */
  notInRing(query: Query, now: Instant): void {
    if (this.idle) return
    this.passOver(query.to, now)
    if (query.purpose.kind === 'stabilise') {
      this.near.drop(query.to.id)
      this.stabiliseAt = now
    } else this.notifyFirst()
  }

  busy(query: Query, now: Instant): void {
    if (query.purpose.kind === 'adopt') this.passedOver.set(query.to.id, after(now, BUSY_MS))
    this.stabiliseAt = earliest(this.stabiliseAt, after(now, this.ring.random.jitter(BUSY_MS))) ?? now
  }

  silent(query: Query, now: Instant): void {
    if (this.idle) return
    switch (query.purpose.kind) {
      case 'stabilise':
        this.walkOn(query.to, query.purpose.position, now)
        break
      case 'adopt':
        this.passOver(query.to, now)
        this.notifyFirst()
        break
      case 'rectify':
        this.near.predecessor = query.purpose.notifier
        break
      case 'precede':
      case 'join':
        break
    }
  }

  pong(query: Query, joined: boolean): void {
    if (this.idle) return
    if (query.purpose.kind === 'precede') {
      if (joined && this.near.predecessor === undefined) this.near.predecessor = query.to
    } else if (query.purpose.kind === 'rectify' && !joined) this.near.predecessor = query.purpose.notifier
  }

  /** It has left every table already. */
  memberDown(member: RingMember, now: Instant): void {
    this.passedOver.delete(member.id)
    if (this.notifier === member) this.notifier = undefined
    const query = this.slot.current
    if (query?.to === member || (query?.purpose.kind === 'rectify' && query.purpose.notifier === member)) {
      this.slot.current = undefined
      if (query.purpose.kind === 'rectify' && query.to === member) this.notifier ??= query.purpose.notifier
      if (query.purpose.kind === 'stabilise' || query.purpose.kind === 'adopt') this.stabiliseAt = now
    }
    if (this.near.predecessor === undefined) this.precedeAt = now
    if (this.near.successors.length === 0) this.stabiliseAt = now
  }

  /** In no ring, or in one that membership alone keeps in order. */
  private get idle(): boolean {
    return this.near.standing !== 'joined' || this.near.small
  }

  /** Returns whether that took a query. */
  private rectify(now: Instant): boolean {
    const notifier = this.notifier
    this.notifier = undefined
    if (notifier === undefined) return false
    const present = this.near.predecessor
    // In between, the notifier is taken whether the present one is alive or dead: no need to ask.
    if (present === undefined || between(present.place, notifier.place, this.ring.place)) {
      this.near.predecessor = notifier
      return false
    }
    if (present === notifier) return false
    this.slot.start({ kind: 'rectify', notifier }, present, now)
    return true
  }

  /** Returns whether that took a query. */
  private precede(now: Instant): boolean {
    if (this.near.predecessor !== undefined || this.precedeAt > now) return false
    this.precedeAt = after(now, this.ring.random.jitter(this.ring.settings.stabiliseMs))
    const [before] = this.ring.members.counterclockwise(this.ring.place, 1)
    if (before === undefined) return false
    this.slot.start({ kind: 'precede' }, before, now)
    return true
  }

  private stabilise(now: Instant): void {
    this.stabiliseAt = after(now, this.ring.random.jitter(this.ring.settings.stabiliseMs))
    const first = this.near.successors[0]
    if (first !== undefined) {
      this.slot.start({ kind: 'stabilise', position: 0 }, first, now)
      return
    }
    const candidate = this.candidate(undefined, now)
    if (candidate !== undefined) this.slot.start({ kind: 'adopt' }, candidate, now)
  }

  /** The nearest node that may stand between this one and its first successor, by the latter's word or by membership. */
  private candidate(theirs: NodeId | undefined, now: Instant): RingMember | undefined {
    const place = this.ring.place
    const end = this.near.successors[0]?.place ?? place
    let best = theirs === undefined ? undefined : this.ring.members.get(theirs)
    if (best !== undefined && (!between(place, best.place, end) || this.leftAlone(best, now))) best = undefined
    for (const member of this.ring.members.clockwise(place, PASSED_OVER_MAX)) {
      if (!between(place, member.place, best?.place ?? end)) break
      if (!this.leftAlone(member, now)) return member
    }
    return best
  }

  private leftAlone(member: RingMember, now: Instant): boolean {
    const until = this.passedOver.get(member.id)
    return until !== undefined && until > now
  }

  private passOver(member: RingMember, now: Instant): void {
    this.passedOver.set(member.id, after(now, this.ring.settings.passOverMs))
  }

  /** A silent successor that is up stays; what stands behind it is kept fresh by the next one. */
  private walkOn(silent: RingMember, position: number, now: Instant): void {
    const next = this.near.successors[this.near.successors.indexOf(silent) + 1]
    if (next === undefined || position + 1 >= SILENT_SUCCESSORS_MAX) return
    this.slot.start({ kind: 'stabilise', position: position + 1 }, next, now)
  }

  /** Notifies the first successor, unless it knows already. */
  private greet(first: RingMember, state: RingMessageOf<'state'>): void {
    if (state.predecessor !== this.ring.self.id) this.ring.send(first.contact, { kind: 'notify' })
  }

  private notifyFirst(): void {
    const first = this.near.successors[0]
    if (first !== undefined) this.ring.send(first.contact, { kind: 'notify' })
  }
}
