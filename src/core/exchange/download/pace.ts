/**
 * How fast a source is, and so how much to ask of it at once: two requests at first, one more for each that arrives (so it
 * doubles in a round trip) until it reaches rate x max(1 s, 4 x RTT), up to 64 MiB. The rate is the delivery rate of BBR:
 * what arrived between the sending of a request and its end, over that time.
 */
import type { Instant } from '../../../base/time.ts'
import { LEAF_BYTES } from '../../../wire/bittorrent/layout.ts'
import { REQUEST_LEAVES_MAX } from '../../../wire/exchange.ts'
import { EXPECTED_UNKNOWN_MS, REQUEST_BYTES_MAX } from '../settings.ts'

export const WINDOW_START_BYTES = 2 * REQUEST_BYTES_MAX
export const WINDOW_BYTES_MAX = 64 << 20
const WINDOW_MIN_MS = 1_000
const WINDOW_ROUND_TRIPS = 4
/** A request should take about this long, so that what arrived can soon be served on and little is lost with a source. */
const REQUEST_MS = 100
/** Leaves of a request while the rate is not known. */
const REQUEST_LEAVES_START = 4
/** How much of a lower sample is believed: a request at the end of a burst says less than its source can. */
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

  /** Bytes that may be under way. */
  get window(): number {
    return this.windowBytes
  }

  /** Bytes a second; 0 while nothing arrived. */
  get rateBytesPerSecond(): number {
    return this.rate
  }

  /** Leaves that one request should have: 1 to 16. */
  get requestLeaves(): number {
    if (this.rate === 0) return REQUEST_LEAVES_START
    return Math.max(1, Math.min(REQUEST_LEAVES_MAX, Math.floor((this.rate * REQUEST_MS) / 1_000 / LEAF_BYTES)))
  }

  /** From sending to the end when nothing else is under way. */
  expectedMs(bytes: number): number {
    if (this.rate === 0) return EXPECTED_UNKNOWN_MS
    return this.rttMs + (bytes / this.rate) * 1_000
  }

  mark(now: Instant): Mark {
    return { at: now, arrivedBytes: this.arrivedBytes }
  }

  /** A message went there and its answer came. */
  roundTrip(ms: number): void {
    this.rttMs = Math.min(this.rttMs, ms)
  }

  /** A request of so many bytes, sent at `mark`, has arrived. */
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

  /** It stopped, or was too busy: begin again. */
  restart(): void {
    this.windowBytes = WINDOW_START_BYTES
  }
}
