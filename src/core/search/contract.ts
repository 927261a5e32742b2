/**
 * The command that search gives to io, and the events that it reports to its owner. The machine manages neighbours,
 * floods queries, routes hits back and decides how far a query goes. io (or the simulator) has the index and answers
 * `match` outside the event loop.
 */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { SearchQuery, SearchResult } from '../../wire/gnutella/search.ts'

/** A search that the owner of this node started. */
export type SearchId = number & { readonly brand: 'SearchId' }

export type SearchCommand =
  /** Search this node's own index. The value of `done` is a `SearchResult[]` of at most `limit`, best first. */
  { kind: 'match'; query: SearchQuery; limit: number }

export interface SearchOptions {
  /** Number of results at which the search ends. */
  readonly limit: number
  readonly timeoutMs: number
  /** Every node that the query reaches reports itself. */
  readonly trace: boolean
}

export interface Hit {
  readonly holder: Contact
  /** Hops from the holder to this node; 0 for this node itself. */
  readonly hops: number
  readonly results: readonly SearchResult[]
  /** The nodes between the holder and this node, nearest to the holder first. Only when traced. */
  readonly path: readonly NodeId[] | undefined
}

export interface SearchReport {
  /** `limit`: enough results; `exhausted`: all nodes within reach were asked and had time to answer. */
  readonly ended: 'limit' | 'exhausted' | 'timeout' | 'cancelled'
  /** Query descriptors that this node sent; when traced, also those of all nodes that reported themselves. */
  readonly messages: number
  /** Nodes that the query reached, when traced; otherwise 0. */
  readonly nodes: number
  readonly results: number
  readonly elapsedMs: number
}

export type SearchEvent =
  | { kind: 'hit'; search: SearchId; hit: Hit }
  /** When traced: a node that the query reached, with the copies that it sent. Nodes with results cause `hit` too. */
  | { kind: 'reached'; search: SearchId; node: NodeId; hops: number; forwarded: number; path: readonly NodeId[] }
  | { kind: 'ended'; search: SearchId; report: SearchReport }
  /** A peer that cannot dial this node wants `content`: dial the peer and send `offer`. */
  | { kind: 'push'; content: ContentId; to: Contact }
  | { kind: 'neighbours'; count: number }
  /** A peer violated the protocol. For counting and logs. */
  | { kind: 'misbehaved'; peer: NodeId; what: string }

/** The strategy of a search. Supernodes, a directory or routing by keyword would be further ones. */
export type SearchMode = 'flood' | 'dynamic'
