/**
 * The ring: who owns a key. This is the seam behind which the ways of routing stand; Chord is one (chord/chord.ts). The
 * owner of a ring, and the records through it, use only this interface and its events.
 *
 * Participants: membership tells who is up and where (memberUp, memberDown), and that this node itself was declared dead
 * or has restarted (rejoin). Whoever keeps data by key hears which ranges are this node's (event `ranges`), and where the
 * others are (`lookup`). Other nodes' rings are met in messages of wire/ring.ts.
 *
 * Ownership goes with the routing: an implementation decides which node owns a key and which nodes hold its copies. What it
 * promises is that in a ring at rest every key has one owner, that a lookup ends with an owner that answered for itself, and
 * that `owned` of all nodes together are all keys.
 */
import type { Key, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { RingMessage } from '../../wire/ring.ts'
import type { Machine, Now } from '../machine.ts'
import type { Ranges, RingEvent } from './events.ts'

export type { Location, OwnedRange, Ranges, RingEvent } from './events.ts'

/** For people: the tables as they are. */
export interface RingView {
  readonly self: Contact
  readonly place: Key
  readonly joined: boolean
  /** The nodes before this one, the nearest first. */
  readonly predecessors: readonly Contact[]
  /** The nodes behind this one, the nearest first. */
  readonly successors: readonly Contact[]
  /** Farther nodes that lookups go to. */
  readonly routes: readonly Contact[]
}

export interface Ring extends Machine<RingMessage, never, RingEvent> {
  // Reads.

  /** Whether this node is part of the ring, or alone, which counts as a ring of one. */
  readonly joined: boolean
  owns(key: Key): boolean
  /** As far as this node's tables say; undefined when the key lies beyond them. */
  owner(key: Key): Contact | undefined
  /** Where a lookup of the key goes from here; undefined when this node owns it, or knows nobody closer. */
  nextHop(key: Key): Contact | undefined
  /** The owner first; for a key that this node owns, else nobody. */
  replicas(key: Key): readonly Contact[]
  /** Undefined while this node is in no ring, or does not know its neighbours. */
  ranges(): Ranges | undefined
  view(): RingView

  // Inputs.

  /** A ring of one, until membership shows others. */
  start(now: Now): void
  /** Alive or suspect, and where; told again when the address changes. */
  memberUp(contact: Contact, now: Now): void
  /** Declared dead, or left. */
  memberDown(id: NodeId, now: Now): void
  /** This node was declared dead in error, or has restarted: it answers no ring query until it has joined again. */
  rejoin(now: Now): void

  // Commands of the owner.

  /** Ends with one event, found or lost, that carries the returned number. */
  lookup(key: Key, now: Now): number
}
