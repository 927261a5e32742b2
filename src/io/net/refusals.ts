/**
 * Who was refused and why, for the log, at a rate that an attacker does not decide: one line a source and period, a few
 * lines a period in all; the others are counted and told with the next line.
 */
import { LruMap } from '../../base/bounded.ts'
import type { NodeId } from '../../base/ids.ts'
import { after, type Instant } from '../../base/time.ts'
import type { Address } from '../../wire/common.ts'

/** A source is told again after this long. */
export const REFUSAL_PERIOD_MS = 10_000
/** Lines in one period, whatever the number of sources. */
export const REFUSALS_PER_PERIOD_MAX = 20
const SOURCES_MAX = 256

export const REFUSAL_REASONS = [
  /** It says that it is of another overlay. */
  'wrong-overlay',
  /** Not sealed with a key of this overlay, or not for us, or changed on the way. */
  'bad-seal',
  /** Seen before, or of an earlier boot of its sender. */
  'replayed',
  /** Not of this protocol. */
  'malformed',
  /** TCP: did not prove the overlay key. */
  'not-admitted',
  /** TCP: did not prove anything in time. */
  'timeout',
  /** A member broke a limit of the message stream. */
  'protocol'
] as const
export type RefusalReason = (typeof REFUSAL_REASONS)[number]

export interface Refusal {
  readonly lane: 'udp' | 'tcp'
  readonly from: Address
  /** Proven on TCP by noise; on UDP only what the datagram says. */
  readonly peer: NodeId | undefined
  readonly reason: RefusalReason
  /** Refusals that were not told since the last one that was. */
  readonly suppressed: number
}

export class Refusals {
  private readonly told = new LruMap<string, Instant>(SOURCES_MAX)
  private readonly tell: (refusal: Refusal) => void
  private periodEnds: Instant | undefined
  private inPeriod = 0
  private suppressed = 0
  /** All refusals so far, told or not. */
  total = 0
  private readonly counts = new Map<RefusalReason, number>()

  constructor(tell: (refusal: Refusal) => void) {
    this.tell = tell
  }

  /** So far, told or not. */
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
    const last = this.told.get(source)
    const tooSoon = last !== undefined && now < after(last, REFUSAL_PERIOD_MS)
    if (tooSoon || this.inPeriod >= REFUSALS_PER_PERIOD_MAX) {
      this.suppressed++
      return
    }
    this.told.set(source, now)
    this.inPeriod++
    const { suppressed } = this
    this.suppressed = 0
    this.tell({ ...refusal, suppressed })
  }
}
