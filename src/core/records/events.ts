/** What the records tell their owner. */
import type { Key, NodeId } from '../../base/ids.ts'
import type { KeyRange } from '../../base/ring.ts'
import type { Contact } from '../../wire/common.ts'
import type { Held } from '../../wire/records.ts'

/** The answer to `locate`: the ring's event `found`, or undefined for `lost`. */
export interface Location {
  readonly owner: Contact
  /** The owner first. */
  readonly replicas: readonly Contact[]
  /** Keys with the same owner and the same replicas: they need no lookup of their own. */
  readonly range?: KeyRange
  /** Replicas that the owner named and that this node cannot reach at the moment. */
  readonly missing?: number
}

export interface Provider {
  readonly provider: NodeId
  readonly held: 'part' | 'all'
}

export type RecordsEvent =
  /** Look the key up on the ring, and answer with `located`. */
  | { kind: 'locate'; request: number; key: Key }
  /** What this node said last about the key is safe on the disks of `acks` nodes of `of`; those are equal. */
  | { kind: 'published'; key: Key; held: Held; sequence: number; acks: number; of: number }
  /** There is no room for one more key of this node's own. */
  | { kind: 'unpublished'; key: Key; reason: 'limit' }
  /** Complete: most of the replicas answered, so that no acked record is missing unless most of its holders are down. */
  | { kind: 'providers'; request: number; key: Key; providers: Provider[]; complete: boolean }
  | { kind: 'misbehaved'; peer: NodeId; what: string }
