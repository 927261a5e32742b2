/** Time limits and bounds of the exchange. src/README.md, "Sources of the protocols", says where the constants come from. */
import { LEAF_BYTES } from '../../wire/bittorrent/layout.ts'
import { GONE_PIECES_MAX, REQUEST_LEAVES_MAX } from '../../wire/exchange.ts'

export interface ExchangeSettings {
  /** `cluster`: everybody is served in turn. `open` (tit-for-tat, BEP 3) plugs in at choker.ts. */
  readonly choking: 'cluster'
  /** Sources asked at once for one download, and peers served at once. */
  readonly degree: number
  /** Blocks being read and sent at once, over all peers. */
  readonly uploadsMax: number
  /** Requested or not yet written, over all downloads. */
  readonly inFlightBytesMax: number
}

export const exchangeDefaults: ExchangeSettings = {
  choking: 'cluster',
  degree: 10,
  uploadsMax: 8,
  inFlightBytesMax: 64 << 20
}

export const REQUEST_BYTES_MAX = REQUEST_LEAVES_MAX * LEAF_BYTES

/** Snubs, retries and chokes are looked at this often while anything is under way. */
export const TICK_MS = 250
/** News is gathered this long before it is told. */
export const HAVE_BATCH_MS = 50
export const PEER_EXCHANGE_MS = 1_000
export const PROGRESS_MS = 1_000

/** Contents that a node shares or fetches. */
export const CONTENTS_MAX = 10_000
/** Peers that the exchange remembers something about. */
export const PEERS_MAX = 1_000
/** Contacts known for one content; further ones are dropped. */
export const SOURCES_KNOWN_MAX = 256
/** An answer to `interested`: a dial, a round trip, and a node that is busy. */
export const ANSWER_DEADLINE_MS = 5_000
/** A manifest of 100 MB over a link of 2 MB/s. */
export const MANIFEST_DEADLINE_MS = 60_000
/** Between tries of one source: 1 s, doubled with each failure, at most 60 s. */
export const RETRY_MIN_MS = 1_000
export const RETRY_MAX_MS = 60_000
/** A source that is snubbed, or has nothing to give, makes room for another after this long. */
export const USELESS_MS = 10_000
/** Pieces that a report of what nobody offers lists; the others are counted. */
export const SHORTAGE_PIECES_MAX = 4_096
/** Between questions for providers: 1 s, doubled, at most 60 s. */
export const PROVIDERS_MIN_MS = 1_000
export const PROVIDERS_MAX_MS = 60_000
/** With fewer sources than this, providers are asked for. */
export const SOURCES_ENOUGH = 4

/** A request that a source refused as busy: the source is left in peace for this long. */
export const BUSY_PAUSE_MS = 250
/** No block for max(2 s, 4 x expected) is a snub. */
export const SNUB_MIN_MS = 2_000
export const SNUB_FACTOR = 4
/** Before anything arrived, a block is expected in this time. */
export const EXPECTED_UNKNOWN_MS = 500
/** A block is taken over from a source this many times slower, or more. */
export const TAKEOVER_RATIO = 2
/** In the endgame a block is asked of at most this many at once: the first, and 2 others. */
export const ENDGAME_CLAIMS_MAX = 3
/** Blocks that one source is asked for although another was asked before. */
export const BORROWED_MAX = 4

/** Readers of one content while it is fetched. */
export const READERS_MAX = 64
/** Leaves ahead that one reader may ask for: 8 MiB. What it says beyond is not heard. */
export const READ_AHEAD_LEAVES_MAX = 512
/** The first leaves of a reader's need: for these, others give way. One request of the largest size. */
export const PRESSING_LEAVES = REQUEST_LEAVES_MAX
/** Of what a source was asked for, what will have come within this time does not give way. */
export const GIVE_WAY_AFTER_MS = 100

/** `synced` is recorded this often, or after this much was written. */
export const SYNC_INTERVAL_MS = 2_000
export const SYNC_BYTES = 64 << 20
/** A full disk is tried again after this long. */
export const DISK_RETRY_MS = 5_000
/** Files that were deleted or cut are fetched again so many times before the download waits for the user. */
export const LOSSES_MAX = 3

/** Requests that one peer may have waiting here; 2,048 of one leaf are 32 MiB. */
export const UPLOAD_QUEUE_MAX = 2_048
/** Blocks of one peer being read and sent at once: enough to keep the link full. */
export const UPLOADS_PER_PEER_MAX = 4
/** An upload that takes longer does not count against `uploadsMax`: its peer may have stopped reading. */
export const UPLOAD_SLOW_MS = 2_000
/** An upload that takes longer is given up. */
export const UPLOAD_DEADLINE_MS = 60_000
/** A peer that asks for what others were sent before waits this long at most for those who ask for what is new. */
export const REPEAT_WAIT_MS = 1_000
/** Contents that one peer may be interested in. */
export const INTERESTS_PER_PEER_MAX = 1_024
/**
 * Withdrawn pieces that one peer is told of at once. It is not told of the others by name: they are missing in
 * `have-bits`.
 */
export const GONE_SENT_MAX = 16 * GONE_PIECES_MAX
/** A peer that was served this long makes room for one that waits. */
export const UNCHOKED_MS = 10_000

/** In memory only: a restarted node finds out anew. */
export const BAN_MS = 3_600_000
export const BANS_MAX = 1_024
