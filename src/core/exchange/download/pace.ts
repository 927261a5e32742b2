/**
 * The rate of a source, and the window that follows from it: the bytes in flight. The window starts at two requests and
 * grows by each request that arrives, so it doubles in a round trip, until it reaches rate x max(1 s, 4 x RTT), at most
 * 64 MiB. The rate is the delivery rate of BBR: the bytes that arrived between the sending of a request and its end,
 * divided by that time.
 */
import type { Instant } from '../../../base/time.ts'
import { LEAF_BYTES } from '../../../wire/bittorrent/layout.ts'
import { REQUEST_LEAVES_MAX } from '../../../wire/exchange.ts'
import { EXPECTED_UNKNOWN_MS, REQUEST_BYTES_MAX } from '../settings.ts'

export const WINDOW_START_BYTES = 2 * REQUEST_BYTES_MAX
export const WINDOW_BYTES_MAX = 64 << 20
const WINDOW_MIN_MS = 1_000
const WINDOW_ROUND_TRIPS = 4
/** Intended duration of a request. Short requests make leaves available early, and little is lost with a source. */
const REQUEST_MS = 100
/** Leaves of a request while the rate is unknown. */
const REQUEST_LEAVES_START = 4
/** Weight of a sample below the rate. A request at the end of a burst measures less than the source can deliver. */
const SLOWER_WEIGHT = 1 / 8

export interface Mark {
  readonly at: Instant
  readonly arrivedBytes: number
}

export class Pace {
  private arrivedBytes = 0
  private windowBytes = WINDOW_START_BYTES
  private rate = 0
  private rttMs = Infinity

  /** Bytes that may be in flight. */
  get window(): number {
    return this.windowBytes
  }

  /** Bytes per second; 0 while nothing has arrived. */
  get rateBytesPerSecond(): number {
    return this.rate
  }

  /** Leaves for one request: 1 to 16. */
  get requestLeaves(): number {
    if (this.rate === 0) return REQUEST_LEAVES_START
    return Math.max(1, Math.min(REQUEST_LEAVES_MAX, Math.floor((this.rate * REQUEST_MS) / 1_000 / LEAF_BYTES)))
  }

  /** Expected time of a request of `bytes` when no other is in flight. */
  expectedMs(bytes: number): number {
    if (this.rate === 0) return EXPECTED_UNKNOWN_MS
    return this.rttMs + (bytes / this.rate) * 1_000
  }

  mark(now: Instant): Mark {
    return { at: now, arrivedBytes: this.arrivedBytes }
  }

  /** Records the time of a round trip. The lowest one counts. */
  roundTrip(ms: number): void {
    this.rttMs = Math.min(this.rttMs, ms)
  }

  /** Records that a request of `bytes`, sent at `mark`, has arrived. */
  arrived(bytes: number, mark: Mark, now: Instant): void {
    this.arrivedBytes += bytes
    const ms = Math.max(1, now - mark.at)
    this.roundTrip(ms)
    const sample = ((this.arrivedBytes - mark.arrivedBytes) / ms) * 1_000
    this.rate = sample > this.rate ? sample : this.rate + (sample - this.rate) * SLOWER_WEIGHT
    const goal = (this.rate * Math.max(WINDOW_MIN_MS, WINDOW_ROUND_TRIPS * this.rttMs)) / 1_000
    const grown = Math.min(goal, this.windowBytes + bytes)
    this.windowBytes = Math.max(WINDOW_START_BYTES, Math.min(WINDOW_BYTES_MAX, grown))
  }

  /** Resets the window, after a snub or a refusal. */
  restart(): void {
    this.windowBytes = WINDOW_START_BYTES
  }
}
