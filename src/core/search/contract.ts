/**
 * What search asks of the outside, and what it tells its owner. The machine keeps the neighbours, floods, routes back and
 * decides how far a query goes; io (or the simulator) keeps the index and answers `match` off the event loop.
 */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { SearchQuery, SearchResult } from '../../wire/gnutella/search.ts'

/** A search of this node's own owner. */
export type SearchId = number & { readonly brand: 'SearchId' }

export type SearchCommand =
  /** Look in this node's own index. Answered by `done` with a `SearchResult[]` of at most `limit` as its value, best first. */
  { kind: 'match'; query: SearchQuery; limit: number }

export interface SearchOptions {
  /** Results that are enough, and after which nothing more is asked. */
  readonly limit: number
  readonly timeoutMs: number
  /** Ask every node on the way to tell of itself. */
  readonly trace: boolean
}

export interface Hit {
  readonly holder: Contact
  /** Hops from the holder to here; 0 is this node itself. */
  readonly hops: number
  readonly results: readonly SearchResult[]
  /** From the holder's neighbour to this node's, when traced. */
  readonly path: readonly NodeId[] | undefined
}

export interface SearchReport {
  /** limit: enough was found; exhausted: everybody within reach was asked and had the time to answer. */
  readonly ended: 'limit' | 'exhausted' | 'timeout' | 'cancelled'
  /** Query descriptors that this node sent; when traced, those of all the nodes that told of themselves too. */
  readonly messages: number
  /** Nodes that answered, when traced: all that the query reached. */
  readonly nodes: number
  readonly results: number
  readonly elapsedMs: number
}

export type SearchEvent =
  | { kind: 'hit'; search: SearchId; hit: Hit }
  /** When traced: a node that the query reached, with what it sent on. Nodes with results are told of by `hit` too. */
  | { kind: 'reached'; search: SearchId; node: NodeId; hops: number; forwarded: number; path: readonly NodeId[] }
  | { kind: 'ended'; search: SearchId; report: SearchReport }
  /** Somebody who cannot dial this node wants `content`: dial it and offer. */
  | { kind: 'push'; content: ContentId; to: Contact }
  | { kind: 'neighbours'; count: number }
  /** A peer broke the protocol; counted, never fatal. */
  | { kind: 'misbehaved'; peer: NodeId; what: string }

/** How a query is answered: the seam for supernodes, a directory node and routing by keyword. */
export type SearchMode = 'flood' | 'dynamic'

/*
 * class Search implements Machine<SearchMessage, SearchCommand, SearchEvent>
 *   constructor(machine: MachineContext, options: { settings: SearchSettings }, now: Now)
 *   start(now)                                    neighbours are looked for from now on
 *   memberUp(contact, now), memberDown(id, now)   from the membership, as for the ring
 *   search(query, options, now): SearchId         events follow; throws nothing: a bad text is refused before (`wire/gnutella/search.ts`)
 *   cancel(search, now)                           the user left
 *   indexed(table: QrpTable, files, bytes, now)   the own index changed: its keyword table and what pongs say
 *   requestPush(holder, content, now)             by the way its hits came; without one a query for the content finds it first. Bounded.
 *   neighbours(): readonly Contact[]
 *   counters(): what was sent and received by kind, dropped by reason (metrics read it)
 * The settings carry `mode`, TTLs, degree, rates, and QRP on or off: simulations compare them.
 */
