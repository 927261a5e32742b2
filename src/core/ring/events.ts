/** What a ring tells its owner, whichever way it routes. */
import type { Key, NodeId } from '../../base/ids.ts'
import type { KeyRange } from '../../base/ring.ts'
import type { Contact } from '../../wire/common.ts'
import type { Refusal } from '../../wire/ring.ts'

export type LostReason = 'deadline' | 'overloaded'

/** Keys that this node owns and that have the same replicas. */
export interface OwnedRange extends KeyRange {
  /** This node first. */
  readonly replicas: readonly Contact[]
}

/** What a node owns and holds. */
export interface Ranges {
  /** Together all keys that this node owns. They do not overlap. */
  readonly owned: readonly OwnedRange[]
  /** By membership this node is a replica of these keys: its own, and those of the nodes beside it. */
  readonly replicated: KeyRange
  /** This node should take copies of these. They are somewhat more: some of the nodes beside it may only be joining. */
  readonly accepted: KeyRange
}

/** An owner that vouched for itself. */
export interface Location {
  readonly owner: Contact
  /** Keys around the one that was looked up, with the same owner and the same replicas. */
  readonly range: KeyRange
  /** The owner first. */
  readonly replicas: readonly Contact[]
  /** Replicas that the owner named and that are not up as far as this node knows. */
  readonly missing: number
}

export type RingEvent =
  /** The answer to a lookup. Path: origin to owner, as far as known. */
  | ({
      readonly kind: 'found'
      readonly request: number
      readonly key: Key
      readonly path: readonly Contact[]
      /** Messages from node to node on the way; 0 when the origin owns the key. */
      readonly hops: number
    } & Location)
  /** `last` is why the last attempt ended, if anybody said so. */
  | { kind: 'lost'; request: number; key: Key; reason: LostReason; last: Refusal | undefined }
  /** This node answers ring queries from now on. */
  | { kind: 'joined' }
  /** What this node owns or holds has changed. */
  | { kind: 'ranges'; ranges: Ranges }
  | { kind: 'misbehaved'; peer: NodeId; what: string }
