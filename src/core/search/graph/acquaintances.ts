/**
 * What is remembered of members also when they are no neighbours: who is not to be asked for a while, who was cut off, who was a neighbour a
 * moment ago, and how much each has sent. The oldest are forgotten beyond RESTING_MAX.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { SearchContext } from '../context.ts'
import { Meters } from './neighbour.ts'
import { FORMER_MS, RESTING_MAX } from '../settings.ts'

export class Acquaintances {
  private readonly context: SearchContext
  /** Not to be asked before then, and how often in a row that was so. */
  private readonly resting = new LruMap<NodeId, { readonly until: Instant; readonly times: number }>(RESTING_MAX)
  private readonly bannedUntil = new LruMap<NodeId, Instant>(RESTING_MAX)
  private readonly formerUntil = new LruMap<NodeId, Instant>(RESTING_MAX)
  private readonly meters = new LruMap<NodeId, Meters>(RESTING_MAX)

  constructor(context: SearchContext) {
    this.context = context
  }

  /** It said no, or nothing: for longer each time. */
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

  /** It may not have heard yet that it is no neighbour. */
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

  /** The same when it comes back: who was a neighbour has no new credit. */
  metersOf(id: NodeId, now: Instant): Meters {
    let meters = this.meters.touch(id)
    if (meters === undefined) this.meters.set(id, (meters = new Meters(this.context.settings, now)))
    return meters
  }
}

function isAhead(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at > now
}
