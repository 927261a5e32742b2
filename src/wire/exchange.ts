/**
 * The messages of the exchange, all on the stream channel between two nodes: availability, requests, choking and bans.
 * The blocks themselves travel on a stream of their own (wire/blocks.ts).
 *
 * `interested` asks what the addressee holds of a content and subscribes to changes. The answer is `have-all`, or
 * `have-bits` followed by `have` for partial pieces, or `not-held`. The protocol is modelled on BEP 3 with the
 * rejections of BEP 6 and the peer exchange of BEP 11. Leaves (16 KiB) take the place of blocks, and a node announces
 * a leaf before its piece is complete.
 */
import {
  bool,
  bytes,
  checked,
  contentIdCodec,
  list,
  oneOf,
  struct,
  u32,
  union,
  upTo,
  type Codec,
  type Decoded
} from './codec/codec.ts'
import { contact } from './common.ts'
import { LEAF_BYTES, PIECE_LENGTH_BYTES_MAX, PIECES_MAX, type LeafRange, type PieceIndex } from './bittorrent/layout.ts'

/** One bit for each of PIECES_MAX pieces; half of STREAM_MESSAGE_BYTES_MAX. */
export const PIECE_BITS_BYTES_MAX = PIECES_MAX / 8
/** Leaves of the largest piece: 64 MiB / 16 KiB. */
export const PIECE_LEAVES_MAX = PIECE_LENGTH_BYTES_MAX / LEAF_BYTES
/** 256 KiB: smaller writes to disk are inefficient. */
export const REQUEST_LEAVES_MAX = 16
/** At most 13 bytes each: under 1 KiB a message. */
export const REQUESTS_PER_MESSAGE_MAX = 64
/** At most 8 bytes each: 32 KiB a message. */
export const HAVE_RANGES_MAX = 4_096
/** BEP 11 sends at most 50. */
export const PEERS_PER_MESSAGE_MAX = 50
/** At most 4 bytes each. A node that lost more pieces sends several messages. */
export const GONE_PIECES_MAX = 4_096

function rangeUpTo(leavesMax: number): Codec<LeafRange> {
  const fields = struct({
    piece: upTo(PIECES_MAX - 1),
    leafStart: upTo(PIECE_LEAVES_MAX - 1),
    leafCount: upTo(leavesMax)
  })
  const sound = checked(fields, range => {
    if (range.leafCount === 0) return 'empty range of leaves'
    return range.leafStart + range.leafCount > PIECE_LEAVES_MAX ? 'leaves past the largest piece' : undefined
  })
  return {
    write: (w, v) => {
      sound.write(w, v)
    },
    read: r => sound.read(r) as LeafRange
  }
}

const piece = upTo(PIECES_MAX - 1) as Codec<PieceIndex>

/** The downloader chooses `request` and never uses a number twice towards one peer. */
export const blockRequest = struct({ request: u32, range: rangeUpTo(REQUEST_LEAVES_MAX), hashes: bool })
export type BlockRequest = Decoded<typeof blockRequest>

/** Why a request is refused. Append only. */
export const rejectReasons = ['busy', 'choked', 'not-held', 'changed', 'failed'] as const
export type RejectReason = (typeof rejectReasons)[number]

/** Why a peer is banned. Append only. */
export const banReasons = ['bad-leaf', 'bad-manifest'] as const
export type BanReason = (typeof banReasons)[number]

/** A number never changes and is never reused. */
const tags = {
  interested: 1,
  'not-interested': 2,
  'have-all': 3,
  'have-bits': 4,
  'not-held': 5,
  have: 6,
  request: 7,
  cancel: 8,
  reject: 9,
  choke: 10,
  unchoke: 11,
  peers: 12,
  banned: 13,
  gone: 14,
  offer: 15
} as const

const requests = list(u32, REQUESTS_PER_MESSAGE_MAX)

export const exchangeMessage = union(tags, {
  /** Asks what the addressee holds of this content, and subscribes to changes. */
  interested: { content: contentIdCodec },
  /** Ends the subscription. The addressee drops queued requests. */
  'not-interested': { content: contentIdCodec },
  'have-all': { content: contentIdCodec },
  /** One bit per piece, set for complete pieces; spare bits are zero. */
  'have-bits': { content: contentIdCodec, pieces: bytes(PIECE_BITS_BYTES_MAX) },
  'not-held': { content: contentIdCodec },
  /** Leaves that the sender verified since its last message. A piece that became complete is one range. */
  have: { content: contentIdCodec, ranges: list(rangeUpTo(PIECE_LEAVES_MAX), HAVE_RANGES_MAX) },
  request: { content: contentIdCodec, requests: list(blockRequest, REQUESTS_PER_MESSAGE_MAX) },
  cancel: { requests },
  reject: { requests, reason: oneOf(rejectReasons) },
  /** The sender accepts no requests until `unchoke`. It drops queued requests without a `reject` for each. */
  choke: {},
  unchoke: {},
  /** Other nodes that hold or fetch this content. */
  peers: { content: contentIdCodec, contacts: list(contact, PEERS_PER_MESSAGE_MAX) },
  /** The addressee sent corrupt data. The sender requests nothing more of this content from it. */
  banned: { content: contentIdCodec, reason: oneOf(banReasons) },
  /** Pieces that the sender no longer holds, because the file on disk changed. */
  gone: { content: contentIdCodec, pieces: list(piece, GONE_PIECES_MAX) },
  /**
   * Answers a push: the addressee could not dial the sender. The sender holds some of this content and serves this
   * link.
   */
  offer: { content: contentIdCodec }
})
export type ExchangeMessage = Decoded<typeof exchangeMessage>
