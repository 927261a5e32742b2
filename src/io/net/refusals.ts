/**
 * Counts refused datagrams and connections, and reports them for the log at a bounded rate: one report per source and
 * period, and at most REFUSALS_PER_PERIOD_MAX per period in total. Refusals that are not reported are counted, and the
 * next report carries their number.
 */
import { LruMap } from '../../base/bounded.ts'
import type { NodeId } from '../../base/ids.ts'
import { after, type Instant } from '../../base/time.ts'
import type { Address } from '../../wire/common.ts'

/** Minimum time between two reports about one source. */
export const REFUSAL_PERIOD_MS = 10_000
/** Reports per period, over all sources. */
export const REFUSALS_PER_PERIOD_MAX = 20
const SOURCES_MAX = 256

export const REFUSAL_REASONS = [
  /** It names another overlay. */
  'wrong-overlay',
  /** Sealed with another key, addressed to another node, or modified in transit. */
  'bad-seal',
  /** Received before, or sent in an earlier boot of its sender. */
  'replayed',
  /** Does not follow the protocol. */
  'malformed',
  /** TCP: the peer did not prove the overlay key. */
  'not-admitted',
  /** TCP: the peer did not complete the admission in time. */
  'timeout',
  /** A member exceeded a limit of the message stream. */
  'protocol'
] as const
export type RefusalReason = (typeof REFUSAL_REASONS)[number]

export interface Refusal {
  readonly lane: 'udp' | 'tcp'
  readonly from: Address
  /** On TCP noise has proven it; on UDP it is the unverified sender field of the datagram. */
  readonly peer: NodeId | undefined
  readonly reason: RefusalReason
  /** Refusals that were not reported since the previous report. */
  readonly suppressed: number
}

export class Refusals {
  private readonly reportedAt = new LruMap<string, Instant>(SOURCES_MAX)
  private readonly report: (refusal: Refusal) => void
  private periodEnds: Instant | undefined
  private inPeriod = 0
  private suppressed = 0
  /** All refusals so far, reported or not. */
  total = 0
  private readonly counts = new Map<RefusalReason, number>()

  constructor(report: (refusal: Refusal) => void) {
    this.report = report
  }

  /** Number of refusals with this reason so far, reported or not. */
  of(reason: RefusalReason): number {
    return this.counts.get(reason) ?? 0
  }

  add(refusal: Omit<Refusal, 'suppressed'>, now: Instant): void {
    this.total++
    this.counts.set(refusal.reason, this.of(refusal.reason) + 1)
    if (this.periodEnds === undefined || now >= this.periodEnds) {
      this.periodEnds = after(now, REFUSAL_PERIOD_MS)
      this.inPeriod = 0
    }
    const source = `${refusal.lane} ${refusal.from.host}`
    const last = this.reportedAt.get(source)
    const tooSoon = last !== undefined && now < after(last, REFUSAL_PERIOD_MS)
    if (tooSoon || this.inPeriod >= REFUSALS_PER_PERIOD_MAX) {
      this.suppressed++
      return
    }
    this.reportedAt.set(source, now)
    this.inPeriod++
    const { suppressed } = this
    this.suppressed = 0
    this.report({ ...refusal, suppressed })
  }
}
