/**
 * State about members that are not necessarily neighbours: which not to ask for a while, which were cut off, which were
 * neighbours recently, and the rates of each. Each list drops its oldest entries beyond RESTING_MAX.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { SearchContext } from '../context.ts'
import { Meters } from './neighbour.ts'
import { FORMER_MS, RESTING_MAX } from '../settings.ts'

export class Acquaintances {
  private readonly context: SearchContext
  /** The time before which a member is not asked, and the number of consecutive rests. */
  private readonly resting = new LruMap<NodeId, { readonly until: Instant; readonly times: number }>(RESTING_MAX)
  private readonly bannedUntil = new LruMap<NodeId, Instant>(RESTING_MAX)
  private readonly formerUntil = new LruMap<NodeId, Instant>(RESTING_MAX)
  private readonly meters = new LruMap<NodeId, Meters>(RESTING_MAX)

  constructor(context: SearchContext) {
    this.context = context
  }

  /** The member refused, sent `bye` or did not answer. It is not asked for a while, longer each time. */
  rest(id: NodeId, now: Instant): void {
    const { restMs, restMsMax } = this.context.settings
    const times = this.resting.get(id)?.times ?? 0
    const ms = this.context.random.jitter(Math.min(restMsMax, restMs * 2 ** Math.min(times, 16)))
    this.resting.set(id, { until: after(now, ms), times: times + 1 })
  }

  rested(id: NodeId): void {
    this.resting.delete(id)
  }

  isResting(id: NodeId, now: Instant): boolean {
    return isAhead(this.resting.get(id)?.until, now)
  }

  ban(id: NodeId, now: Instant): void {
    this.bannedUntil.set(id, after(now, this.context.settings.banMs))
  }

  isBanned(id: NodeId, now: Instant): boolean {
    return isAhead(this.bannedUntil.get(id), now)
  }

  /** The neighbourhood ended. The member may not know it yet. */
  parted(id: NodeId, now: Instant): void {
    this.formerUntil.set(id, after(now, FORMER_MS))
  }

  met(id: NodeId): void {
    this.formerUntil.delete(id)
    this.resting.delete(id)
  }

  isFormer(id: NodeId, now: Instant): boolean {
    return isAhead(this.formerUntil.get(id), now)
  }

  /** The rates of a member. They outlive the neighbourhood, so that reconnecting does not reset them. */
  metersOf(id: NodeId, now: Instant): Meters {
    let meters = this.meters.touch(id)
    if (meters === undefined) this.meters.set(id, (meters = new Meters(this.context.settings, now)))
    return meters
  }
}

function isAhead(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at > now
}
