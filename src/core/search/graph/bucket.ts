/** A token bucket that goes below zero: what was asked for beyond the rate is a debt, so that asking harder opens nothing. */
import type { Instant } from '../../../base/time.ts'

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

  constructor(rate: Rate, now: Instant) {
    this.rate = rate
    this.tokens = rate.first ?? rate.burst
    this.filledAt = now
  }

  /** Whether one more is within the rate; what is not adds to the debt. */
  take(now: Instant): boolean {
    this.fill(now)
    this.tokens--
    return this.tokens >= 0
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

  private fill(now: Instant): void {
    const { perSecond, burst } = this.rate
    this.tokens = Math.min(burst, this.tokens + ((now - this.filledAt) / 1_000) * perSecond)
    this.filledAt = now
  }
}
