/** What search says to its neighbours: the values, and their limits. How they are written: search.ts. */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../common.ts'
import { U32_MAX, type DescriptorId } from './descriptor.ts'

/** A descriptor is dropped when its TTL and hops come to more (gtk-gnutella's hard limit). */
export const TTL_HARD_MAX = 15
export const QUERY_TEXT_BYTES_MAX = 256
/** One descriptor's payload. */
export const PAYLOAD_BYTES_MAX = 64 << 10
export const HIT_RESULTS_MAX = 64
export const RESULT_NAME_BYTES_MAX = 255
/** A path inside a share; a longer one is found, and its hit names the share only. */
export const RESULT_PATH_BYTES_MAX = 4_096
/** A kind of file, or one extension. */
export const FILTER_TYPE_BYTES_MAX = 32
/** 0.4 counts files and kilobytes in 32 bits: who has more says so many. */
export const PONG_COUNT_MAX = U32_MAX
/** Nodes on the way of a hit: each hop adds one. */
export const TRACE_PATH_MAX = TTL_HARD_MAX
/** Copies that one node sent on. */
export const TRACE_FORWARDED_MAX = 0xffff
/** Neighbours, as the handshake tells them. */
export const DEGREE_MAX = 0xff

/** Nodes that one query names as having been sent it. */
export const QUERY_ASKED_MAX = 32

/** What the holder of a hit signs under. */
export const HIT_DOMAIN = 'shoal/hit/1'

/** The first 48 bits of a node's id: enough to leave it out, and in vain for nobody whom it matters to. */
export type NodeTag = number & { readonly brand: 'NodeTag' }
export const NODE_TAG_BYTES = 6

export function nodeTag(id: NodeId): NodeTag {
  return Number.parseInt(id.slice(0, 2 * NODE_TAG_BYTES), 16) as NodeTag
}

/** TTL and hops are bytes, and any byte is read: what is too large is judged by who takes the descriptor. */
export interface Header {
  readonly id: DescriptorId
  readonly ttl: number
  readonly hops: number
}

/** What kinds of files by their extension; `wire/control/kinds.ts` has the lists. Or one extension, without its dot, folded. */
export interface SearchFilter {
  readonly type: string | undefined
  readonly minBytes: number | undefined
  readonly maxBytes: number | undefined
}

/** What is searched: words, every one of which a result has (as a prefix of one of its words); or the holders of one content. */
export interface SearchQuery {
  readonly text: string
  readonly content: ContentId | undefined
  readonly filter: SearchFilter
}

export interface SearchResult {
  readonly content: ContentId
  /** Of the share. */
  readonly name: string
  /** Of the file inside it, with `/` between folders; undefined: the share itself. */
  readonly path: string | undefined
  /** Of the file, or of the whole share. */
  readonly bytes: number
}

/** The results of one hit, as they travel: whom they are not for passes them on unread. `resultsOf` reads them. */
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
  /** Every node that takes it answers with a hit, maybe an empty one, that says how many copies it sent on. */
  readonly trace: boolean
  /** Nodes that those on its way have sent it to, the last first: whoever passes it on leaves them out. At most QUERY_ASKED_MAX. */
  readonly asked: readonly NodeTag[]
}

export interface QueryHit extends Header {
  readonly kind: 'query-hit'
  readonly holder: Contact
  readonly page: ResultPage
  /** By the holder, domain HIT_DOMAIN, over `hitClaim`: nobody on the way changes a hit, or makes one up for another. */
  readonly signature: Uint8Array
  /** Present when the query asked for it. Not signed: for people who look, never for decisions. */
  readonly trace: { readonly forwarded: number; readonly path: readonly NodeId[] } | undefined
}

/** Travels the way back that hits of `holder` came: dial `requester`, who cannot dial you, and offer it `content`. */
export interface Push extends Header {
  readonly kind: 'push'
  readonly holder: NodeId
  readonly content: ContentId
  readonly requester: Contact
}

/**
 * Query routing (QRP of the 0.6 draft): which words the sender's own index has. Goes one hop (TTL 1). A table of 2^bits slots travels
 * as patches, in order from 0 to `parts` - 1; a `patch` 0 begins a new table.
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

/** How two members become neighbours, and cease to be. `degree` is the sender's number of neighbours now. */
export type Handshake =
  | { readonly kind: 'connect'; readonly degree: number }
  | { readonly kind: 'accept'; readonly degree: number }
  | { readonly kind: 'refuse'; readonly degree: number }
  | { readonly kind: 'bye' }

export type SearchMessage = Descriptor | Handshake
