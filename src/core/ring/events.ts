/** What the ring tells its owner. */
import type { Key, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { Refusal } from '../../wire/ring.ts'

export type LostReason = 'deadline' | 'overloaded'

/** The keys of (from, to] clockwise; from = to is the whole ring. */
export interface Arc {
  readonly from: Key
  readonly to: Key
}

export type RingEvent =
  /**
   * The owner itself vouches for (from, its place], where the key lies. Replicas: the owner first; `missing` counts those
   * that it named and that are not up as far as this node knows. Path: origin to owner, as far as known.
   */
  | {
      kind: 'found'
      request: number
      key: Key
      owner: Contact
      from: Key
      replicas: Contact[]
      missing: number
      path: Contact[]
      /** Messages from node to node on the way; 0 when the origin owns the key. */
      hops: number
    }
  /** `last` is why the last attempt ended, if anybody said so. */
  | { kind: 'lost'; request: number; key: Key; reason: LostReason; last: Refusal | undefined }
  /** This node answers ring queries from now on. */
  | { kind: 'joined' }
  /**
   * What this node owns, (from, to], or who replicates it has changed. By membership it is a replica of (replicaFrom, to]:
   * its own arc and those of the k - 1 nodes before it. It should take copies for (acceptFrom, to], which is somewhat more:
   * some of those nodes may only be joining, and not be replicas yet.
   */
  | { kind: 'arc'; from: Key; to: Key; replicas: Contact[]; replicaFrom: Key; acceptFrom: Key }
  | { kind: 'misbehaved'; peer: NodeId; what: string }
