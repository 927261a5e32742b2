/**
 * The seam of failure detection: a detector is told of the members, of answers and of the time, and says whom to ask and who
 * is silent. What follows from a verdict is not its business: claims, suspicions and their spreading stand outside
 * (view/, dissemination/). SWIM's prober is one implementation.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Random } from '../../../base/random.ts'
import type { Instant } from '../../../base/time.ts'
import type { Channel } from '../../machine.ts'

export interface RoundTrip {
  readonly meanMs: number
  readonly varianceMs: number
}

/** What a detector sees of a member. */
export interface WatchedMember {
  readonly id: NodeId
  /** Grows when the member has denied an accusation: a newer one seen meanwhile is as good as an answer. */
  readonly incarnation: number
  /** Alive or suspect. */
  readonly isLive: boolean
  readonly rtt: RoundTrip | undefined
}

export interface WatchedMembers {
  get(id: NodeId): WatchedMember | undefined
  /** Up to `count` live members, drawn by lot. */
  sampleLive(count: number, except: ReadonlySet<NodeId>): NodeId[]
}

export interface DetectorParts {
  readonly members: WatchedMembers
  readonly random: Random
  /** One member is judged in so long. */
  readonly periodMs: number
  /** The number of a ping, which its ack will carry. */
  readonly nextSequence: () => number
}

/** What a detector wants done, in order. */
export type DetectorAct =
  | { readonly kind: 'ping'; readonly to: NodeId; readonly via: Channel; readonly sequence: number }
  /** `proxy` pings the target and passes its ack on. */
  | { readonly kind: 'ping-request'; readonly proxy: NodeId; readonly target: NodeId; readonly sequence: number }
  /** The verdict: the member is up as far as is known, and did not answer. */
  | { readonly kind: 'silent'; readonly member: NodeId }

/** An ack that was waited for. */
export interface Answer {
  readonly member: NodeId
  /** Undefined when the answer came by a detour. */
  readonly roundTripMs: number | undefined
}

/** How often since the start: periods with a probe, those that had to ask proxies, those that accused. */
export interface ProbeCounts {
  probes: number
  indirectProbes: number
  failedProbes: number
}

export interface FailureDetector {
  readonly counts: Readonly<ProbeCounts>

  // Inputs.

  /** Judges nobody before. */
  begin(now: Instant): void
  end(): void
  memberUp(id: NodeId): void
  memberDown(id: NodeId): void
  /** Any message of a member is a sign of life. */
  heard(from: NodeId, now: Instant): void
  /** Undefined for an ack that answers nothing that was asked of `from`. */
  acked(from: NodeId, via: Channel, sequence: number, now: Instant): Answer | undefined
  /** This process was stopped or blocked until now: the silence of others proves nothing. */
  excuse(now: Instant): void
  wake(now: Instant): DetectorAct[]

  /** Undefined before `begin` and after `end`. */
  nextWake(): Instant | undefined
}
