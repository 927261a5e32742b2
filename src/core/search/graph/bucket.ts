/**
 * A token bucket that goes below zero: requests beyond the rate become a debt, so that sending faster gains nothing.
 *
 * A backlog adds no debt. While a stream stalls or this process is stopped, the messages of a peer that keeps to its
 * rate wait, and then arrive at once. Those beyond the rate are refused even then. Messages beyond the rate after
 * BACKLOG_MS add to the debt.
 */
import { after, type Instant } from '../../../base/time.ts'

/** Time in which a backlog arrives in full. */
export const BACKLOG_MS = 1_000
/** Shortest interval between the starts of two backlogs. A shorter stall causes only a small debt. */
export const BACKLOG_EVERY_MS = 6_000

export interface Rate {
  readonly perSecond: number
  readonly burst: number
  /** The initial number of tokens; `burst` by default. */
  readonly first?: number
}

export class Bucket {
  private readonly rate: Rate
  private tokens: number
  private filledAt: Instant
  /** Start of the last backlog: the first excess of the rate at least BACKLOG_EVERY_MS after the previous start. */
  private backlogAt: Instant | undefined

  constructor(rate: Rate, now: Instant) {
    this.rate = rate
    this.tokens = rate.first ?? rate.burst
    this.filledAt = now
  }

  /** Takes a token for a received message. False when it is beyond the rate; outside a backlog, it adds to the debt. */
  take(now: Instant): boolean {
    if (this.spend(now)) return true
    if (!this.isBacklog(now)) this.tokens--
    return false
  }

  /** Takes a token for a message to send. False when there is none; the message must not be sent, and adds no debt. */
  spend(now: Instant): boolean {
    this.fill(now)
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }

  /** Messages beyond the rate, minus the tokens added since. */
  get debt(): number {
    return Math.max(0, -this.tokens)
  }

  private isBacklog(now: Instant): boolean {
    if (this.backlogAt === undefined || after(this.backlogAt, BACKLOG_EVERY_MS) <= now) this.backlogAt = now
    return now < after(this.backlogAt, BACKLOG_MS)
  }

  private fill(now: Instant): void {
    const { perSecond, burst } = this.rate
    this.tokens = Math.min(burst, this.tokens + ((now - this.filledAt) / 1_000) * perSecond)
    this.filledAt = now
  }
}
