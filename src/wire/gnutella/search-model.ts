/** The types and limits of the messages between neighbours of search. search.ts encodes them. */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../common.ts'
import { U32_MAX, type DescriptorId } from './descriptor.ts'

/** A descriptor is dropped when the sum of its TTL and hops is larger (gtk-gnutella's hard limit). */
export const TTL_HARD_MAX = 15
export const QUERY_TEXT_BYTES_MAX = 256
/** The payload of one descriptor. */
export const PAYLOAD_BYTES_MAX = 64 << 10
export const HIT_RESULTS_MAX = 64
export const RESULT_NAME_BYTES_MAX = 255
/** A path inside a share. A file with a longer path is still found, but its result names only the share. */
export const RESULT_PATH_BYTES_MAX = 4_096
/** The name of a kind of files, or one extension. */
export const FILTER_TYPE_BYTES_MAX = 32
/** 0.4 counts files and kilobytes in 32 bits. A node that has more sends this maximum. */
export const PONG_COUNT_MAX = U32_MAX
/** Nodes on the path of a hit; each hop adds one. */
export const TRACE_PATH_MAX = TTL_HARD_MAX
/** Copies of a query that one node forwarded. */
export const TRACE_FORWARDED_MAX = 0xffff
/** The number of neighbours in a handshake. */
export const DEGREE_MAX = 0xff

/** Nodes that a query lists as already asked. */
export const QUERY_ASKED_MAX = 32

/** The signature domain of query hits. */
export const HIT_DOMAIN = 'shoal/hit/1'

/** The first 48 bits of a node's id. Lists of asked nodes use tags; a collision only makes a sender skip a node. */
export type NodeTag = number & { readonly brand: 'NodeTag' }
export const NODE_TAG_BYTES = 6

export function nodeTag(id: NodeId): NodeTag {
  return Number.parseInt(id.slice(0, 2 * NODE_TAG_BYTES), 16) as NodeTag
}

/** The decoder accepts any byte as TTL and hops. The receiving machine checks them against its limits. */
export interface Header {
  readonly id: DescriptorId
  readonly ttl: number
  readonly hops: number
}

/**
 * `type`: a kind of files (wire/control/kinds.ts lists their extensions), or one extension, folded, without its dot.
 */
export interface SearchFilter {
  readonly type: string | undefined
  readonly minBytes: number | undefined
  readonly maxBytes: number | undefined
}

/**
 * Either a search for words, each of which must be a prefix of a word of the result, or a search for the holders of
 * `content`.
 */
export interface SearchQuery {
  readonly text: string
  readonly content: ContentId | undefined
  readonly filter: SearchFilter
}

export interface SearchResult {
  readonly content: ContentId
  /** The name of the share. */
  readonly name: string
  /** The path of the file inside the share, with `/` between folders. Undefined when the share itself matched. */
  readonly path: string | undefined
  /** The size of the file, or of the whole share. */
  readonly bytes: number
}

/** The encoded results of one hit. Nodes that forward a hit do not decode them; `resultsOf` does. */
export interface ResultPage {
  /** 0 to HIT_RESULTS_MAX. */
  readonly count: number
  readonly bytes: Uint8Array
}

export interface Ping extends Header {
  readonly kind: 'ping'
}

export interface Pong extends Header {
  readonly kind: 'pong'
  readonly peer: Contact
  /** Both at most PONG_COUNT_MAX. */
  readonly files: number
  readonly kilobytes: number
}

export interface Query extends Header {
  readonly kind: 'query'
  readonly query: SearchQuery
  /**
   * Every node that accepts the query answers with a hit, even without results. The hit says how many copies it
   * forwarded.
   */
  readonly trace: boolean
  /** Nodes that already got the query, the latest first. A forwarding node skips them. At most QUERY_ASKED_MAX. */
  readonly asked: readonly NodeTag[]
}

export interface QueryHit extends Header {
  readonly kind: 'query-hit'
  readonly holder: Contact
  readonly page: ResultPage
  /**
   * The holder's signature over `hitClaim`, domain HIT_DOMAIN. It prevents other nodes from changing or forging hits.
   */
  readonly signature: Uint8Array
  /** Present when the query asked for it. It is not signed: for display only, never for decisions. */
  readonly trace: { readonly forwarded: number; readonly path: readonly NodeId[] } | undefined
}

/**
 * Asks `holder` to dial `requester`, which cannot dial it, and to offer `content`. Follows the path of hits
 * backwards.
 */
export interface Push extends Header {
  readonly kind: 'push'
  readonly holder: NodeId
  readonly content: ContentId
  readonly requester: Contact
}

/**
 * Query routing (QRP of the 0.6 draft): the words of the sender's own index. It goes one hop (TTL 1). A table of 2^bits
 * slots is sent as patches, in order from part 0 to part `parts` - 1. Part 0 begins a new table.
 */
export interface RouteTable extends Header {
  readonly kind: 'route-table'
  /** 14 to 21. */
  readonly bits: number
  readonly part: number
  readonly parts: number
  readonly patch: Uint8Array
}

export type Descriptor = Ping | Pong | Query | QueryHit | Push | RouteTable

/** Begins and ends the relation of two neighbours. `degree` is the sender's current number of neighbours. */
export type Handshake =
  | { readonly kind: 'connect'; readonly degree: number }
  | { readonly kind: 'accept'; readonly degree: number }
  | { readonly kind: 'refuse'; readonly degree: number }
  | { readonly kind: 'bye' }

export type SearchMessage = Descriptor | Handshake
