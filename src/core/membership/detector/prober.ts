/**
 * SWIM's failure detector: whom to probe and what became of it (SWIM 3.1, with the shuffled round-robin of 4.3, so that a dead member is probed
 * within a round by everyone). One probe runs at a time; it is judged at the end of its period.
 */
import type { NodeId } from '../../../base/ids.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import type { Channel } from '../../machine.ts'
import { JITTER, pingTimeoutMs, PROXIES } from '../settings.ts'
import type { Answer, DetectorAct, DetectorParts, FailureDetector, ProbeCounts, WatchedMember } from './detector.ts'

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

export class Prober implements FailureDetector {
  readonly counts: ProbeCounts = { probes: 0, indirectProbes: 0, failedProbes: 0 }
  private readonly parts: DetectorParts
  private order: NodeId[] = []
  private place = 0
  private probe: Probe = { kind: 'none' }
  private periodEnd: Instant | undefined

  constructor(parts: DetectorParts) {
    this.parts = parts
  }

  /** The first period is of random length: nodes that start together do not probe together. */
  begin(now: Instant): void {
    this.periodEnd = after(now, this.parts.random.unit() * this.parts.periodMs)
  }

  end(): void {
    this.periodEnd = undefined
    this.probe = { kind: 'none' }
  }

  /** A newcomer takes a random place in the round (SWIM 4.3). */
  memberUp(id: NodeId): void {
    const at = this.parts.random.below(this.order.length + 1)
    this.order.splice(at, 0, id)
    if (at < this.place) this.place++
  }

  memberDown(id: NodeId): void {
    const at = this.order.indexOf(id)
    if (at < 0) return
    this.order.splice(at, 1)
    if (at < this.place) this.place--
  }

  /** Only an answer to a probe counts. */
  heard(): void {
    return
  }

  nextWake(): Instant | undefined {
    return earliest(this.periodEnd, this.probe.kind === 'direct' ? this.probe.escalateAt : undefined)
  }

  /** Asks proxies when the direct ping has had its time; at the end of a period judges, and begins the next one. */
  wake(now: Instant): DetectorAct[] {
    const acts = this.escalate(now)
    if (this.periodEnd === undefined || this.periodEnd > now) return acts
    const silent = this.verdict()
    if (silent !== undefined) acts.push({ kind: 'silent', member: silent })
    const sequence = this.parts.nextSequence()
    const target = this.start(sequence, now)
    if (target !== undefined) acts.push({ kind: 'ping', to: target, via: 'datagram', sequence })
    return acts
  }

  /** Who did not answer in the period that is over. */
  private verdict(): NodeId | undefined {
    const { probe } = this
    this.probe = { kind: 'none' }
    if (probe.kind !== 'direct' && probe.kind !== 'indirect') return undefined
    if (this.parts.members.get(probe.target)?.incarnation !== probe.incarnation) return undefined
    this.counts.failedProbes++
    return probe.target
  }

  /** This node stood still: the running probe proves nothing. */
  excuse(): void {
    this.probe = { kind: 'none' }
  }

  /** Begins a period. Returns whom to ping, if there is anyone. */
  private start(sequence: number, now: Instant): NodeId | undefined {
    const { random, periodMs } = this.parts
    this.periodEnd = after(now, periodMs * random.range(1 - JITTER, 1 + JITTER))
    const member = this.nextTarget()
    if (member === undefined) return undefined
    this.counts.probes++
    const asked = { target: member.id, incarnation: member.incarnation, sequence, sentAt: now }
    this.probe = { kind: 'direct', ...asked, escalateAt: after(now, pingTimeoutMs(member.rtt, periodMs)) }
    return member.id
  }

  /** Once the direct ping has had its time: an indirect one through proxies, and one over the stream. */
  private escalate(now: Instant): DetectorAct[] {
    if (this.probe.kind !== 'direct' || this.probe.escalateAt > now) return []
    const { target, incarnation, sequence, sentAt } = this.probe
    if (this.parts.members.get(target) === undefined) {
      this.probe = { kind: 'none' }
      return []
    }
    const proxies = this.parts.members.sampleLive(PROXIES, new Set([target]))
    this.counts.indirectProbes++
    this.probe = { kind: 'indirect', target, incarnation, sequence, sentAt, proxies: new Set(proxies) }
    return [
      ...proxies.map(proxy => ({ kind: 'ping-request', proxy, target, sequence }) as const),
      { kind: 'ping', to: target, via: 'stream', sequence }
    ]
  }

  acked(from: NodeId, via: Channel, sequence: number, now: Instant): Answer | undefined {
    const { probe } = this
    if ((probe.kind !== 'direct' && probe.kind !== 'indirect') || probe.sequence !== sequence) return undefined
    const direct = from === probe.target
    if (!direct && !(probe.kind === 'indirect' && probe.proxies.has(from))) return undefined
    this.probe = { kind: 'answered' }
    return { member: probe.target, roundTripMs: direct && via === 'datagram' ? now - probe.sentAt : undefined }
  }

  private nextTarget(): WatchedMember | undefined {
    // Once through the rest of this round, once through the next one.
    for (let rounds = 0; rounds < 2; rounds++) {
      while (this.place < this.order.length) {
        const member = this.parts.members.get(this.order[this.place++] as NodeId)
        if (member?.isLive === true) return member
      }
      this.parts.random.shuffle(this.order)
      this.place = 0
    }
    return undefined
  }
}
