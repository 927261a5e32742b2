/** What can be tuned about search, and what bounds it. */
import type { SearchMode } from './contract.ts'

export interface SearchSettings {
  readonly mode: SearchMode
  /** Of this node's own floods and widest rounds (Gnutella 0.4 names 7). */
  readonly ttl: number
  /** Neighbours that a node looks for, fewer than which give it a right to be let in, and more than which it refuses. */
  readonly degreeTarget: number
  readonly degreeMin: number
  readonly degreeMax: number
  /** For the answer to a connect, which may have to open the stream first. */
  readonly connectMs: number
  /** Before the next member is asked after a refusal; doubled by each further one. */
  readonly retryMs: number
  /** What the doubling ends at: below `degreeMin`, and from there on. */
  readonly retryPoorMsMax: number
  readonly retryMsMax: number
  /** A member that refused, said bye or did not answer is not asked for so long; doubled by each further time, up to the second. */
  readonly restMs: number
  readonly restMsMax: number
  /** From one exchange of a neighbour for a random member to the next: so that healed halves grow together again. */
  readonly rewireMs: number
  /** A neighbour that was cut off is not taken back for so long. */
  readonly banMs: number
  /** A descriptor id is remembered for this to twice this, and with it the way back. */
  readonly memoryMs: number
  /**
   * A copy of a known query that reaches further is sent on again, never answered again. rounds: one of a wider round of its asker,
   * whose TTL and hops come to more; without that a dynamic query could not widen. detours: also one that came by a shorter way
   * than those before, as gtk-gnutella does; then everybody within TTL is reached whatever the latencies, at twice the messages.
   */
  readonly widen: 'rounds' | 'detours'
  /** A query names those whom it was sent to, who are then left out by others. False: as in 0.4. */
  readonly tellAsked: boolean
  /** A neighbour's own queries (hops 0) that are taken: the rate that it may keep up, and how many at once. A search takes one to three. */
  readonly ownPerSecond: number
  readonly ownBurst: number
  /** Of those, at once from somebody new: a flood that is cut off everywhere goes on at each further neighbour with so many. */
  readonly ownFirst: number
  /** Queries of others that it passes on: likewise. */
  readonly queriesPerSecond: number
  readonly queriesBurst: number
  /** A neighbour that is so many queries over one of these rates is cut off; those that arrive as a backlog (bucket.ts) do not count. */
  readonly ownOverMax: number
  readonly queriesOverMax: number
  /** Matches that the index works on at once, those that wait for it for each neighbour, and how long one may take. */
  readonly matchesAtOnce: number
  readonly matchesWaitingMax: number
  readonly matchMs: number
  /** Results of one node for one query. */
  readonly resultsPerNodeMax: number
  /** A neighbour is pinged so often; each `wideEvery`th ping is for all within reach. */
  readonly pingMs: number
  readonly wideEvery: number
  /** False: a ping floods, and every node that it reaches answers, as in 0.4. */
  readonly pongCache: boolean
  /** A cached pong is given to others so long. */
  readonly pongFreshMs: number
  /** Query routing tables: none; those of the neighbours; those of their neighbours too. */
  readonly tableHops: 0 | 1 | 2
  /** From a change of the own table, or of a neighbour's, until the neighbours are told. */
  readonly tableMs: number
  /** What a query and its hit take for one hop at most: bounds of what is measured by pings. */
  readonly hopMsMin: number
  readonly hopMsMax: number
  /** Neighbours and TTL of a dynamic query's first round. */
  readonly probeNeighbours: number
  readonly probeTtl: number
  /** A push that finds no way back looks for the holder so long. */
  readonly pushMs: number
}

export const SEARCH_DEFAULTS: SearchSettings = {
  mode: 'dynamic',
  ttl: 7,
  degreeTarget: 6,
  degreeMin: 5,
  degreeMax: 8,
  connectMs: 6_000,
  retryMs: 200,
  retryPoorMsMax: 2_000,
  retryMsMax: 60_000,
  restMs: 10_000,
  restMsMax: 30_000,
  rewireMs: 120_000,
  banMs: 300_000,
  memoryMs: 60_000,
  widen: 'rounds',
  tellAsked: true,
  ownPerSecond: 2,
  ownBurst: 4,
  ownFirst: 1,
  queriesPerSecond: 20,
  queriesBurst: 60,
  ownOverMax: 10,
  queriesOverMax: 120,
  matchesAtOnce: 2,
  matchesWaitingMax: 64,
  matchMs: 5_000,
  resultsPerNodeMax: 64,
  pingMs: 30_000,
  wideEvery: 6,
  pongCache: true,
  pongFreshMs: 3_000,
  tableHops: 2,
  tableMs: 1_000,
  hopMsMin: 30,
  hopMsMax: 250,
  probeNeighbours: 3,
  probeTtl: 2,
  pushMs: 10_000
}

/** A neighbour is never sent more than this share of what it takes, so that forwarding others' queries cuts nobody off. */
export const OUT_SHARE = 0.8
/** Descriptor ids in one of the two generations: what eight neighbours at their full rate bring in a minute. */
export const IDS_PER_GENERATION_MAX = 10_000
/** Ways back to holders, for pushes, in one generation. */
export const HOLDERS_PER_GENERATION_MAX = 4_096
/** Hits that one query may bring through this node: every node of a shoal of a thousand traced, and some more. */
export const HITS_PER_QUERY_MAX = 2_048
/** Hits that a query brings from one neighbour, on average: who is asked knows somebody who knows. */
export const HITS_PER_QUERY = 16
/** Words of the handshake taken from a peer: what a neighbour says when it has another degree every two seconds, and some more. */
export const HANDSHAKES_PER_SECOND = 2
export const HANDSHAKES_BURST = 32
/** This node's own searches under way. */
export const SEARCHES_MAX = 64
/** Until a neighbour that was sent as much as it takes can be sent some more. */
export const HELD_MS = 250
/** Before nothing at all is taken for an answer, beyond what hops take by the pings: an index that has to wait for its turn. */
export const SILENCE_MS = 1_500
export const SEARCH_TIMEOUT_MS_MAX = 60_000
/** Results that one search tells of. */
export const RESULTS_MAX = 4_096
/** Members asked at once: others ask too meanwhile, and all would end up with more than they look for. */
export const ASKED_MAX = 2
/** Members remembered as not to be asked, as banned, or as neighbours a moment ago. */
export const RESTING_MAX = 1_024
/** Random members looked at for one that can be asked, before the next pause. */
export const PICKS_MAX = 32
/** What a former neighbour sent before it heard that it is one. */
export const FORMER_MS = 10_000
/** Pongs from the cache that answer one ping (0.6's scheme), and nodes that pongs told of. */
export const PONGS_PER_PING_MAX = 10
export const REACH_MAX = 4_096
/** A node that no pong told of for so long is out of reach. */
export const REACH_MS = 300_000
/** Pings taken from a neighbour: what a shoal of a thousand floods without a cache, at one wide ping a minute and node. */
export const PINGS_PER_SECOND = 30
export const PINGS_BURST = 120
/** Pushes that go through this node, from one neighbour. */
export const PUSHES_PER_SECOND = 1
export const PUSHES_BURST = 16
/** Pushes that members ask for in datagrams, all of them together. */
export const DIRECT_PUSHES_PER_SECOND = 10
export const DIRECT_PUSHES_BURST = 64
/** Pushes of this node that look for the holder, or went to it in a datagram. */
export const PUSHES_MAX = 64
/** Pieces of tables taken from a neighbour: a table of 2^21 slots has at most eight, and there are two. */
export const TABLE_PARTS_PER_SECOND = 8
export const TABLE_PARTS_BURST = 64
/** A node that knows members, and has no neighbour yet, waits for one so long with its search, and looks so often. */
export const FIRST_NEIGHBOUR_MS = 3_000
export const FIRST_NEIGHBOUR_STEP_MS = 100
/** The neighbours are asked after this, when the own index has not answered by then. */
export const OWN_MS = 50
