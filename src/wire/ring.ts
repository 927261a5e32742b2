/**
 * Messages of the ring. All of them fit in a datagram, even with a full successor list, because they name nodes by id
 * only. A node's address comes from its own signed claim in the membership, never from another node.
 */
import {
  bool,
  checked,
  keyCodec,
  list,
  nodeIdCodec,
  oneOf,
  optional,
  union,
  varint,
  type Decoded
} from './codec/codec.ts'

/** Successor lists have max(8, 2 * ceil(log2 N)) nodes, so this limit is enough for N = 65,536. */
export const SUCCESSORS_MAX = 32
/** Nodes that a lookup may visit, including its origin and the owner. Chord takes 1/2 log2 N hops on average. */
export const PATH_NODES_MAX = 20
/** The owner of a key and the nodes that hold copies of its records. */
export const REPLICAS_MAX = 8

/** Why a node refused a lookup and returned it to the node that sent it. */
const refusals = oneOf(['unjoined', 'no-progress', 'no-predecessor', 'overloaded', 'unknown-origin', 'too-long'])

const successors = list(nodeIdCodec, SUCCESSORS_MAX)
const path = checked(list(nodeIdCodec, PATH_NODES_MAX), nodes => (nodes.length === 0 ? 'empty path' : undefined))

const tags = {
  ask: 0,
  state: 1,
  unjoined: 2,
  busy: 3,
  ping: 4,
  pong: 5,
  notify: 6,
  lookup: 7,
  took: 8,
  refused: 9,
  found: 10,
  stuck: 11
} as const

/** The sender of a request chooses `request`; the answer repeats it. The origin of a lookup chooses `serial`. */
export const ringMessage = union(tags, {
  /** Asks for the addressee's predecessor and successors. The answer is `state`, `unjoined` or `busy`. */
  ask: { request: varint },
  /** The sender's predecessor and successors. Successors are in ring order and do not include the sender. */
  state: { request: varint, predecessor: optional(nodeIdCodec), successors },
  /** The sender is not part of the ring at the moment, even if the membership lists it as alive. */
  unjoined: { request: varint },
  /** The sender cannot answer now: an `ask` of its own is in flight. */
  busy: { request: varint },
  /** Every node answers at any time with `pong`. */
  ping: { request: varint },
  pong: { request: varint, joined: bool },
  /** The sender believes that it is the addressee's predecessor. */
  notify: {},
  /**
   * Asks the addressee to forward the lookup towards the owner of `key`. `path` begins with the origin and ends with
   * the sender. `beyond`: the addressee is at or past the key, so the lookup goes from predecessor to predecessor.
   */
  lookup: { request: varint, origin: nodeIdCodec, serial: varint, key: keyCodec, beyond: bool, path },
  /** The sender has taken over the addressee's lookup and will forward or answer it. */
  took: { request: varint },
  refused: { request: varint, reason: refusals },
  /**
   * From the owner to the origin: the sender owns (from, its own position], which contains the key. Owner first in
   * `replicas`.
   */
  found: { serial: varint, key: keyCodec, from: keyCodec, replicas: list(nodeIdCodec, REPLICAS_MAX), path },
  /** From the node where a lookup failed, to its origin. */
  stuck: { serial: varint, key: keyCodec, reason: refusals }
})
export type RingMessage = Decoded<typeof ringMessage>
export type Refusal = Decoded<typeof refusals>
export type RingMessageOf<K extends RingMessage['kind']> = Extract<RingMessage, { kind: K }>
