/**
 * Chord's fingers with proximity: finger i is any member of [me + 2^i, me + 2^(i+1)), and of a few of those the nearest by
 * round trip. Membership says who stands there, so a finger is filled at once and only ever chosen better: in turn, a few
 * others of its range are pinged.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { Key, NodeId } from '../../../base/ids.ts'
import { add, KEY_BITS } from '../../../base/ring.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { RingContext } from './context.ts'
import type { RingMember } from '../members.ts'
import { FINGER_SAMPLE } from '../settings.ts'

/** Ranges below 2^(256 - 32) hold nobody in rings of fewer than some billion nodes. */
const FINGERS = 32
const PINGS_MAX = 64

interface Range {
  readonly start: Key
  readonly end: Key
  finger: RingMember | undefined
}

export class Fingers {
  private readonly ring: RingContext
  /** The widest first. */
  private readonly ranges: Range[]
  private next = 0
  private refreshAt: Instant | undefined
  private readonly pings = new LruMap<number, { range: Range; to: RingMember; sentAt: Instant }>(PINGS_MAX)

  constructor(ring: RingContext) {
    this.ring = ring
    this.ranges = Array.from({ length: FINGERS }, (_, i) => {
      const bit = BigInt(KEY_BITS - 1 - i)
      return { start: add(ring.place, 1n << bit), end: add(ring.place, 1n << (bit + 1n)), finger: undefined }
    })
  }

  *[Symbol.iterator](): Generator<RingMember> {
    for (const { finger } of this.ranges) if (finger !== undefined) yield finger
  }

  begin(now: Instant): void {
    this.refreshAt = after(now, this.ring.random.jitter(this.ring.settings.fingerMs))
  }

  memberUp(member: RingMember): void {
    for (const range of this.ranges) {
      if (range.finger === undefined && this.eligible(range).has(member)) range.finger = member
    }
  }

  drop(member: RingMember): void {
    for (const range of this.ranges) if (range.finger === member) range.finger = this.anyOf(range)
  }

  /** It refused, or did not answer: another one may do better. */
  doubt(member: RingMember): void {
    for (const range of this.ranges) if (range.finger === member) range.finger = this.anyOf(range) ?? member
  }

  nextWake(): Instant | undefined {
    return this.refreshAt
  }

  wake(now: Instant): void {
    if (this.refreshAt === undefined || this.refreshAt > now) return
    this.refreshAt = after(now, this.ring.random.jitter(this.ring.settings.fingerMs))
    this.measureNext(now)
  }

  /** Returns whether the ping was one of these. */
  pong(from: NodeId, request: number, joined: boolean, now: Instant): boolean {
    const ping = this.pings.get(request)
    if (ping?.to.id !== from) return false
    this.pings.delete(request)
    this.ring.measured(from, ping.sentAt, now)
    const { range, to } = ping
    if (!joined || this.ring.members.get(from) !== to) return true
    const present = range.finger === undefined ? undefined : this.ring.roundTripMs(range.finger.id)
    if (present === undefined || (this.ring.roundTripMs(from) ?? Infinity) < present) range.finger = to
    return true
  }

  private measureNext(now: Instant): void {
    for (let i = 0; i < FINGERS; i++) {
      const range = this.ranges[this.next++ % FINGERS]
      if (range === undefined) return
      const { count, at } = this.eligible(range)
      // A finger without an alternative needs no measuring.
      if (count < 2) continue
      const drawn = new Set(Array.from({ length: FINGER_SAMPLE }, () => at(this.ring.random.below(count))))
      for (const to of drawn) {
        const request = this.ring.nextRequest()
        this.pings.set(request, { range, to, sentAt: now })
        this.ring.send(to.contact, { kind: 'ping', request })
      }
      return
    }
  }

  private anyOf(range: Range): RingMember | undefined {
    const { count, at } = this.eligible(range)
    return count === 0 ? undefined : at(this.ring.random.below(count))
  }

  private eligible(range: Range): {
    count: number
    at: (index: number) => RingMember
    has: (member: RingMember) => boolean
  } {
    const { count, at } = this.ring.members.range(range.start, range.end)
    const { start, end } = range
    const has = ({ place }: RingMember): boolean =>
      start < end ? start <= place && place < end : place >= start || place < end
    return { count, at, has }
  }
}
