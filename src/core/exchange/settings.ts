/** Time limits and bounds of the exchange. Their sources are in src/README.md, "Sources of the protocols". */
import { LEAF_BYTES } from '../../wire/bittorrent/layout.ts'
import { GONE_PIECES_MAX, REQUEST_LEAVES_MAX } from '../../wire/exchange.ts'

export interface ExchangeSettings {
  /** `cluster` serves all peers in turn. Tit-for-tat (BEP 3) would be another choker in choker.ts. */
  readonly choking: 'cluster'
  /** Sources that one download uses at once, and peers that are unchoked at once. */
  readonly degree: number
  /** Blocks that are read and sent at once, over all peers. */
  readonly uploadsMax: number
  /** Bytes that are requested and not yet written, over all downloads. */
  readonly inFlightBytesMax: number
}

export const exchangeDefaults: ExchangeSettings = {
  choking: 'cluster',
  degree: 10,
  uploadsMax: 8,
  inFlightBytesMax: 64 << 20
}

export const REQUEST_BYTES_MAX = REQUEST_LEAVES_MAX * LEAF_BYTES

/** Interval of the checks for snubs, retries and chokes while a download or an upload is active. */
export const TICK_MS = 250
/** Time for which new leaves are collected into one `have` message. */
export const HAVE_BATCH_MS = 50
export const PEER_EXCHANGE_MS = 1_000
export const PROGRESS_MS = 1_000

/** Contents that a node shares or fetches at once. */
export const CONTENTS_MAX = 10_000
/** Peers for which the exchange keeps state. */
export const PEERS_MAX = 1_000
/** Contacts known for one content; further ones are dropped. */
export const SOURCES_KNOWN_MAX = 256
/** Deadline of the answer to `interested`. It covers a dial, a round trip, and a busy node. */
export const ANSWER_DEADLINE_MS = 5_000
/** Deadline of a manifest: 100 MB over a link of 2 MB/s, with room. */
export const MANIFEST_DEADLINE_MS = 60_000
/** Pause between attempts at one source: 1 s, doubled with each failure, at most 60 s. */
export const RETRY_MIN_MS = 1_000
export const RETRY_MAX_MS = 60_000
/** A source that is snubbed or delivers nothing for this long is replaced by another one. */
export const USELESS_MS = 10_000
/** Missing pieces that a shortage report lists. Further ones are only counted. */
export const SHORTAGE_PIECES_MAX = 4_096
/** Pause between requests for providers: 1 s, doubled with each request, at most 60 s. */
export const PROVIDERS_MIN_MS = 1_000
export const PROVIDERS_MAX_MS = 60_000
/** Providers are requested while a download has fewer open sources than this. */
export const SOURCES_ENOUGH = 4

/** Pause before the next request to a source that refused one as `busy`. */
export const BUSY_PAUSE_MS = 250
/** A source is snubbed when no block arrives for max(2 s, 4 x expected time). */
export const SNUB_MIN_MS = 2_000
export const SNUB_FACTOR = 4
/** Expected time of a block while the rate of the source is unknown. */
export const EXPECTED_UNKNOWN_MS = 500
/** A source takes a block over from another one that is at least this many times slower. */
export const TAKEOVER_RATIO = 2
/** In the endgame a block is requested from at most this many sources at once. */
export const ENDGAME_CLAIMS_MAX = 3
/** Open requests of one source for blocks that were first requested from another source. */
export const BORROWED_MAX = 4

/** Readers of one content that is being fetched. */
export const READERS_MAX = 64
/** Leaves that one reader may need ahead: 8 MiB. Further ones are ignored. */
export const READ_AHEAD_LEAVES_MAX = 512
/** The first leaves of a reader's need, for which other requests are cancelled: one request of the largest size. */
export const PRESSING_LEAVES = REQUEST_LEAVES_MAX
/** Requests that are expected to arrive within this time are not cancelled for a reader. */
export const GIVE_WAY_AFTER_MS = 100

/** The synced leaves are recorded at this interval, or after this many written bytes. */
export const SYNC_INTERVAL_MS = 2_000
export const SYNC_BYTES = 64 << 20
/** Pause before a full disk is tried again. */
export const DISK_RETRY_MS = 5_000
/** How often deleted or truncated files are fetched again before the download waits for the user. */
export const LOSSES_MAX = 3

/** Queued requests of one peer: 2,048 of one leaf are 32 MiB. */
export const UPLOAD_QUEUE_MAX = 2_048
/** Blocks that are read and sent at once for one peer: enough to keep the link full. */
export const UPLOADS_PER_PEER_MAX = 4
/** After this time an upload no longer counts against `uploadsMax`: its peer may have stopped reading. */
export const UPLOAD_SLOW_MS = 2_000
/** After this time an upload is stopped. */
export const UPLOAD_DEADLINE_MS = 60_000
/** Longest time for which requests for leaves that were sent before yield to requests for unsent leaves. */
export const REPEAT_WAIT_MS = 1_000
/** Contents that one peer may be interested in at once. */
export const INTERESTS_PER_PEER_MAX = 1_024
/**
 * Withdrawn pieces that one peer is sent by number. Further ones are only missing in `have-bits`.
 */
export const GONE_SENT_MAX = 16 * GONE_PIECES_MAX
/** After this time an unchoked peer yields its slot to one that waits. */
export const UNCHOKED_MS = 10_000

/** Duration of a ban. Bans are in memory only, so they end when the node restarts. */
export const BAN_MS = 3_600_000
export const BANS_MAX = 1_024
