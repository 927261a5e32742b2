/**
 * Whom to probe and what became of it (SWIM 3.1, with the shuffled round-robin of 4.3, so that a dead member is probed
 * within a round by everyone). One probe runs at a time; it is judged at the end of its period.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Random } from '../../../base/random.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import type { Channel } from '../../machine.ts'
import { incarnationOf, isLive, type Roster, type Row } from '../view/roster.ts'
import { JITTER, pingTimeoutMs, PROXIES } from '../settings.ts'

interface Asked {
  readonly target: NodeId
  /** A newer one seen meanwhile is as good as an answer. */
  readonly incarnation: number
  readonly sequence: number
  readonly sentAt: Instant
}

type Probe =
  | { kind: 'none' }
  | ({ kind: 'direct'; escalateAt: Instant } & Asked)
  | ({ kind: 'indirect'; proxies: ReadonlySet<NodeId> } & Asked)
  | { kind: 'answered' }

/** How often since the start: periods with a probe, those that had to ask proxies, those that accused. */
export interface ProbeCounts {
  probes: number
  indirectProbes: number
  failedProbes: number
}

export class Prober {
  readonly counts: ProbeCounts = { probes: 0, indirectProbes: 0, failedProbes: 0 }
  private readonly roster: Roster
  private readonly random: Random
  private readonly periodMs: number
  private order: NodeId[] = []
  private place = 0
  private probe: Probe = { kind: 'none' }
  private periodEnd: Instant | undefined

  constructor(options: { roster: Roster; random: Random; periodMs: number }) {
    this.roster = options.roster
    this.random = options.random
    this.periodMs = options.periodMs
  }

  /** The first period is of random length: nodes that start together do not probe together. */
  begin(now: Instant): void {
    this.periodEnd = after(now, this.random.unit() * this.periodMs)
  }

  end(): void {
    this.periodEnd = undefined
    this.probe = { kind: 'none' }
  }

  /** A newcomer takes a random place in the round (SWIM 4.3). */
  insert(id: NodeId): void {
    const at = this.random.below(this.order.length + 1)
    this.order.splice(at, 0, id)
    if (at < this.place) this.place++
  }

  remove(id: NodeId): void {
    const at = this.order.indexOf(id)
    if (at < 0) return
    this.order.splice(at, 1)
    if (at < this.place) this.place--
  }

  next(): Instant | undefined {
    return earliest(this.periodEnd, this.probe.kind === 'direct' ? this.probe.escalateAt : undefined)
  }

  /** Whether the period is over: then take `verdict`, then `start`. */
  periodOver(now: Instant): boolean {
    return this.periodEnd !== undefined && this.periodEnd <= now
  }

  /** Who did not answer in the period that is over. */
  verdict(): NodeId | undefined {
    const { probe } = this
    this.probe = { kind: 'none' }
    if (probe.kind !== 'direct' && probe.kind !== 'indirect') return undefined
    const row = this.roster.get(probe.target)
    if (row === undefined || incarnationOf(row) !== probe.incarnation) return undefined
    this.counts.failedProbes++
    return probe.target
  }

  /** This node stood still: the running probe proves nothing. */
  excuse(): void {
    this.probe = { kind: 'none' }
  }

  /** Begins a period. Returns whom to ping, if there is anyone. */
  start(sequence: number, now: Instant): Row | undefined {
    this.periodEnd = after(now, this.periodMs * this.random.range(1 - JITTER, 1 + JITTER))
    const row = this.nextTarget()
    if (row === undefined) return undefined
    this.counts.probes++
    const asked = { target: row.id, incarnation: incarnationOf(row), sequence, sentAt: now }
    this.probe = { kind: 'direct', ...asked, escalateAt: after(now, pingTimeoutMs(row.rtt, this.periodMs)) }
    return row
  }

  /** Once the direct ping has had its time: whom to ask for an indirect one, and about whom. */
  escalate(now: Instant): { target: Row; sequence: number; proxies: Row[] } | undefined {
    if (this.probe.kind !== 'direct' || this.probe.escalateAt > now) return undefined
    const { target, incarnation, sequence, sentAt } = this.probe
    const row = this.roster.get(target)
    if (row === undefined) {
      this.probe = { kind: 'none' }
      return undefined
    }
    const proxies = this.roster.sampleLive(PROXIES, new Set([target]))
    const ids = new Set(proxies.map(proxy => proxy.id))
    this.counts.indirectProbes++
    this.probe = { kind: 'indirect', target, incarnation, sequence, sentAt, proxies: ids }
    return { target: row, sequence, proxies }
  }

  /** An ack. False when it answers nothing that was asked of `from`. */
  answered(from: NodeId, via: Channel, sequence: number, now: Instant): boolean {
    const { probe } = this
    if ((probe.kind !== 'direct' && probe.kind !== 'indirect') || probe.sequence !== sequence) return false
    const direct = from === probe.target
    if (!direct && !(probe.kind === 'indirect' && probe.proxies.has(from))) return false
    const row = this.roster.get(probe.target)
    if (direct && via === 'datagram' && row !== undefined) row.rtt = smoothed(row.rtt, now - probe.sentAt)
    this.probe = { kind: 'answered' }
    return true
  }

  private nextTarget(): Row | undefined {
    // Once through the rest of this round, once through the next one.
    for (let rounds = 0; rounds < 2; rounds++) {
      while (this.place < this.order.length) {
        const row = this.roster.get(this.order[this.place++] as NodeId)
        if (row !== undefined && isLive(row.standing.state)) return row
      }
      this.random.shuffle(this.order)
      this.place = 0
    }
    return undefined
  }
}

/** RFC 6298: gains of 1/8 for the mean and 1/4 for the variance. */
function smoothed(rtt: Row['rtt'], sampleMs: number): Row['rtt'] {
  if (rtt === undefined) return { meanMs: sampleMs, varianceMs: sampleMs / 2 }
  const varianceMs = rtt.varianceMs + (Math.abs(rtt.meanMs - sampleMs) - rtt.varianceMs) / 4
  return { meanMs: rtt.meanMs + (sampleMs - rtt.meanMs) / 8, varianceMs }
}
