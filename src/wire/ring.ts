/**
 * Messages of the ring. All of them fit a datagram, a full successor list too, because they name nodes by id alone: where
 * a node listens is known from its own signed claim in the membership, never from what another says about it.
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

/** Successor lists are max(8, 2 * ceil(log2 N)) long: this is enough for 65,536 nodes. */
export const SUCCESSORS_MAX = 32
/** Nodes that a lookup may visit, its origin and the owner among them. Chord takes 1/2 log2 N hops on average. */
export const PATH_NODES_MAX = 20
/** The owner of a key and the nodes that hold copies of its records. */
export const REPLICAS_MAX = 8

/** Why a node passed a lookup back to the one it came from. */
const refusals = oneOf(['unjoined', 'no-progress', 'no-predecessor', 'overloaded', 'unknown-origin', 'too-long'])

const successors = list(nodeIdCodec, SUCCESSORS_MAX)
const path = checked(list(nodeIdCodec, PATH_NODES_MAX), nodes =>
  nodes.length === 0 ? 'a path of no nodes' : undefined
)

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

/** `request` numbers are the asker's own and come back in the answer; `serial` numbers lookups at their origin. */
export const ringMessage = union(tags, {
  /** A ring query: who is your predecessor, which are your successors? Answered by state, unjoined or busy. */
  ask: { request: varint },
  /** Successors in ring order from the sender on, the sender left out. */
  state: { request: varint, predecessor: optional(nodeIdCodec), successors },
  /** The sender is not part of the ring at the moment, whatever membership says. */
  unjoined: { request: varint },
  /** A ring query of the sender's own is in flight. */
  busy: { request: varint },
  /** Answered at any time, by anybody. */
  ping: { request: varint },
  pong: { request: varint, joined: bool },
  /** The sender believes to be the addressee's predecessor. */
  notify: {},
  /**
   * Pass this on towards the owner of `key`. `path` begins with the origin and ends with the sender. `beyond`: the
   * addressee stands at or behind the key, so the way goes from predecessor to predecessor.
   */
  lookup: { request: varint, origin: nodeIdCodec, serial: varint, key: keyCodec, beyond: bool, path },
  /** The addressee's lookup is in the sender's care now. */
  took: { request: varint },
  refused: { request: varint, reason: refusals },
  /** From the owner to the origin: the sender owns (from, its own place], and the key lies there. Replicas: owner first. */
  found: { serial: varint, key: keyCodec, from: keyCodec, replicas: list(nodeIdCodec, REPLICAS_MAX), path },
  /** From the node at which a lookup ended, to its origin. */
  stuck: { serial: varint, key: keyCodec, reason: refusals }
})
export type RingMessage = Decoded<typeof ringMessage>
export type Refusal = Decoded<typeof refusals>
/** One kind of message. */
export type RingMessageOf<K extends RingMessage['kind']> = Extract<RingMessage, { kind: K }>
