/** What the owner of the membership sees of it. */
import type { NodeId } from '../../base/ids.ts'
import type { Instant } from '../../base/time.ts'
import type { Address } from '../../wire/common.ts'
import type { MemberState } from '../../wire/membership.ts'

/** A row of the view, as it was when asked for. */
export interface Member {
  readonly id: NodeId
  readonly name: string
  readonly address: Address
  /** A suspect still counts as a member; the dead and the left do not. */
  readonly state: MemberState
  readonly incarnation: number
  /** When this node saw the state begin; the start of this process for what was restored. */
  readonly since: Instant
  /** Smoothed, of direct pings; undefined before the first answer. */
  readonly rttMs: number | undefined
}

export type MembershipEvent =
  /** State, incarnation, name or address of another member changed; `was` is undefined for one not seen before. */
  | { kind: 'member'; member: Member; was: MemberState | undefined }
  /** The first other member since the start. */
  | { kind: 'joined'; members: number }
  /** This node was accused and denied it: `incarnation` is the one that it goes on with. */
  | { kind: 'refuted'; incarnation: number; accusation: 'suspect' | 'dead' }
  /** Another process signs with this node's key, or this home is an old copy of itself. */
  /** `address` is what it says others must dial; undefined when it says goodbye. */
  | { kind: 'clone'; incarnation: number; address: Address | undefined }
  /** Enough others know that this node leaves, or the time for it is up: the process may end. */
  | { kind: 'left-done' }
  /** A peer broke the protocol: counted, never fatal. */
  | { kind: 'misbehaved'; peer: NodeId; what: string }

/** How often what was refused, dropped or cut short. */
export interface MembershipCounts {
  badSignatures: number
  /** Pings for somebody else. */
  misaddressed: number
  /** Messages on the wrong channel, or that answer nothing. */
  unexpected: number
  /** Accusations ahead of their subject's claim that found the waiting room full, or whose wait ended. */
  unproven: number
  /** Members that found the view full. */
  overfull: number
  /** Digests that came too soon after another of the same peer. */
  hurried: number
}
