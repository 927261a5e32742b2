/** The settings and the limits of search. */
import type { SearchMode } from './contract.ts'

export interface SearchSettings {
  readonly mode: SearchMode
  /** TTL of this node's own floods and widest rounds. Gnutella 0.4 suggests 7. */
  readonly ttl: number
  /**
   * A node connects to new neighbours until it has `degreeTarget`. With fewer than `degreeMin`, a full node accepts it
   * in place of another neighbour. A node with `degreeMax` neighbours is full and refuses others.
   */
  readonly degreeTarget: number
  readonly degreeMin: number
  readonly degreeMax: number
  /** Deadline of the answer to `connect`, which may have to open the stream first. */
  readonly connectMs: number
  /** Pause after a refusal before the next member is asked. Doubled by each further refusal. */
  readonly retryMs: number
  /** The longest pause: below `degreeMin` neighbours, and otherwise. */
  readonly retryPoorMsMax: number
  readonly retryMsMax: number
  /**
   * Time for which a member is not asked after it refused, sent `bye` or did not answer. Doubled each further time, up
   * to `restMsMax`.
   */
  readonly restMs: number
  readonly restMsMax: number
  /** Interval at which a neighbour is replaced by a random member. It reunites the halves of a healed partition. */
  readonly rewireMs: number
  /** Time for which a neighbour that was cut off is refused. */
  readonly banMs: number
  /** A descriptor id and its reverse path are remembered for one to two times this. */
  readonly memoryMs: number
  /**
   * Which copies of a known query are forwarded again because they reach further. They are never answered again.
   * `rounds`: copies of a wider round, whose sum of TTL and hops is higher; a dynamic query needs these to widen.
   * `detours`: also copies with a higher TTL that took a shorter path, as in gtk-gnutella. Then a flood reaches every
   * node within the TTL regardless of latencies, with twice the messages.
   */
  readonly widen: 'rounds' | 'detours'
  /** A query names the nodes that it was sent to, and others do not send it to these. False: as in 0.4. */
  readonly tellAsked: boolean
  /** Rate and burst of queries that a neighbour starts itself (hops 0). A search sends one to three. */
  readonly ownPerSecond: number
  readonly ownBurst: number
  /** Burst for a new neighbour: the queries that a flooder gets through at each new neighbour after it was cut off. */
  readonly ownFirst: number
  /** Rate and burst of queries that a neighbour forwards. */
  readonly queriesPerSecond: number
  readonly queriesBurst: number
  /** Debt of queries over these rates beyond which a neighbour is cut off. Backlogs (bucket.ts) add no debt. */
  readonly ownOverMax: number
  readonly queriesOverMax: number
  /** Matches that the index runs at once, those that wait for each neighbour, and the deadline of one. */
  readonly matchesAtOnce: number
  readonly matchesWaitingMax: number
  readonly matchMs: number
  /** Highest number of results of one node for one query. */
  readonly resultsPerNodeMax: number
  /** Interval of pings. Every `wideEvery`th ping goes to all nodes within the TTL, others to neighbours only. */
  readonly pingMs: number
  readonly wideEvery: number
  /** Answers pings from cached pongs. False: a ping floods, and every node that it reaches answers, as in 0.4. */
  readonly pongCache: boolean
  /** Time for which a cached pong is used in answers. */
  readonly pongFreshMs: number
  /** Query routing tables: none, those of the neighbours, or also those of their neighbours. */
  readonly tableHops: 0 | 1 | 2
  /** Delay from a change of a table until it is sent to the neighbours. */
  readonly tableMs: number
  /** Bounds of the measured time that a query and its hit take for one hop. */
  readonly hopMsMin: number
  readonly hopMsMax: number
  /** Neighbours and TTL of the first round of a dynamic query. */
  readonly probeNeighbours: number
  readonly probeTtl: number
  /** Timeout of the query that looks for a path to the holder of a push. */
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

/** Share of a neighbour's rate that this node uses, so that forwarding queries never gets this node cut off. */
export const OUT_SHARE = 0.8
/** Descriptor ids in one of the two generations: what eight neighbours send in a minute at their full rate. */
export const IDS_PER_GENERATION_MAX = 10_000
/** Reverse paths to holders, for pushes, in one generation. */
export const HOLDERS_PER_GENERATION_MAX = 4_096
/** Hits for one query that pass through this node: enough for a traced query to a thousand nodes, with room. */
export const HITS_PER_QUERY_MAX = 2_048
/** Average number of hits for one query from one neighbour, which also forwards the hits of nodes behind it. */
export const HITS_PER_QUERY = 16
/** Handshake messages accepted from a peer. A neighbour announces its degree at most every two seconds. */
export const HANDSHAKES_PER_SECOND = 2
export const HANDSHAKES_BURST = 32
/** This node's own active searches. */
export const SEARCHES_MAX = 64
/** Pause before a search asks a neighbour again whose rate was used up. */
export const HELD_MS = 250
/** Additional wait before a search without results ends, because the index of a holder may be busy. */
export const SILENCE_MS = 1_500
export const SEARCH_TIMEOUT_MS_MAX = 60_000
/** Results that one search reports. */
export const RESULTS_MAX = 4_096
/** Members asked at once. They ask too in the meantime, and with more all nodes would exceed their target. */
export const ASKED_MAX = 2
/** Members that each list of acquaintances.ts remembers. */
export const RESTING_MAX = 1_024
/** Random members examined to find one that may be asked, before the next pause. */
export const PICKS_MAX = 32
/** Time for which descriptors of a former neighbour are not misbehaviour: they were sent before it knew. */
export const FORMER_MS = 10_000
/** Cached pongs that answer one ping (as in 0.6), and nodes that are remembered from pongs. */
export const PONGS_PER_PING_MAX = 10
export const REACH_MAX = 4_096
/** After this time without a pong a node no longer counts as within reach. */
export const REACH_MS = 300_000
/** Pings accepted from a neighbour: those of a thousand nodes without a cache, each with a wide ping in a minute. */
export const PINGS_PER_SECOND = 30
export const PINGS_BURST = 120
/** Pushes accepted from one neighbour. */
export const PUSHES_PER_SECOND = 1
export const PUSHES_BURST = 16
/** Pushes accepted in datagrams, from all members together. */
export const DIRECT_PUSHES_PER_SECOND = 10
export const DIRECT_PUSHES_BURST = 64
/** Pushes of this node that look for a path, and pushes remembered that went in a datagram. */
export const PUSHES_MAX = 64
/** Parts of tables accepted from a neighbour. A table of 2^21 slots has at most eight, and there are two tables. */
export const TABLE_PARTS_PER_SECOND = 8
export const TABLE_PARTS_BURST = 64
/** Time for which a search waits for the first neighbour when members are known, and the interval of its checks. */
export const FIRST_NEIGHBOUR_MS = 3_000
export const FIRST_NEIGHBOUR_STEP_MS = 100
/** The neighbours are asked after this time, even when the own index has not answered. */
export const OWN_MS = 50
