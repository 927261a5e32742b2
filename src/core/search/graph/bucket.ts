/**
 * A token bucket that goes below zero: what was asked for beyond the rate is a debt, so that asking harder opens nothing.
 *
 * A backlog is no debt: while a stream stalls, or this process is stopped, the messages of a peer that keeps to its rate
 * wait, and then arrive at once. What exceeds the rate is refused then too. A peer that goes on after BACKLOG_MS has a debt.
 */
import { after, type Instant } from '../../../base/time.ts'

/** Time for a backlog to arrive in full. */
export const BACKLOG_MS = 1_000
/** From the beginning of one backlog to the next; what waited for less time than this is a small debt. */
export const BACKLOG_EVERY_MS = 6_000

export interface Rate {
  readonly perSecond: number
  readonly burst: number
  /** What it begins with; `burst` unless it is given. */
  readonly first?: number
}

export class Bucket {
  private readonly rate: Rate
  private tokens: number
  private filledAt: Instant
  /** When the rate was first exceeded, but at least BACKLOG_EVERY_MS after the time before. */
  private backlogAt: Instant | undefined

  constructor(rate: Rate, now: Instant) {
    this.rate = rate
    this.tokens = rate.first ?? rate.burst
    this.filledAt = now
  }

  /** Whether one more is within the rate; what is not adds to the debt, unless it is part of a backlog. */
  take(now: Instant): boolean {
    if (this.spend(now)) return true
    if (!this.isBacklog(now)) this.tokens--
    return false
  }

  /** The same for what we send ourselves: what is not within the rate is not sent, so there is no debt. */
  spend(now: Instant): boolean {
    this.fill(now)
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }

  /** How many were asked for that there were no tokens for, less what has come in since. */
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
