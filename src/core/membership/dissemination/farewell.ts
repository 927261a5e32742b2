/** A node on its way out: it tells three others until they have acked, or until its time is up. */
import type { NodeId } from '../../../base/ids.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import type { LeaveClaim } from '../../../wire/membership.ts'
import type { Roster, Row } from '../view/roster.ts'
import type { MembershipSettings } from '../settings.ts'

/** So many others spread it on, as one gossip tick does. */
export const FAREWELL_ACKS = 3
/** Periods until the node goes without them. */
export const FAREWELL_PERIODS = 3

export class Farewell {
  readonly leave: LeaveClaim
  /** Of all its pings. */
  readonly sequence: number
  private readonly gossipMs: number
  private readonly deadline: Instant
  private readonly acked = new Set<NodeId>()
  private tellAt: Instant

  constructor(leave: LeaveClaim, sequence: number, settings: MembershipSettings, now: Instant) {
    this.leave = leave
    this.sequence = sequence
    this.gossipMs = settings.gossipMs
    this.deadline = after(now, FAREWELL_PERIODS * settings.periodMs)
    this.tellAt = now
  }

  /** A member acked a ping of that sequence. */
  ackedBy(member: NodeId, sequence: number): void {
    if (sequence === this.sequence) this.acked.add(member)
  }

  /** `others`: how many live members there are to tell. */
  isOver(others: number, now: Instant): boolean {
    return now >= this.deadline || this.acked.size >= Math.min(FAREWELL_ACKS, others)
  }

  /** Whom to ping now; the same ones again, or others, until enough have acked. */
  toTell(roster: Roster, now: Instant): Row[] {
    if (this.tellAt > now) return []
    this.tellAt = after(now, this.gossipMs)
    return roster.sampleLive(FAREWELL_ACKS, this.acked)
  }

  next(): Instant | undefined {
    return earliest(this.tellAt, this.deadline)
  }
}
