/**
 * The messages of the exchange, all on the stream channel between two nodes. Blocks themselves travel elsewhere
 * (wire/blocks.ts): here it is said who has what, who wants what, and who may not.
 *
 * `interested` asks what the other holds of a content and wants to be told of news; the answer is `have-all`, `have-bits`
 * followed by `have` for pieces that are partly there, or `not-held`. Modelled on BEP 3 with BEP 6's rejections and BEP 11's
 * peer exchange; leaves (16 KiB) take the place of blocks, and they are announced before their piece is whole.
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
/** 256 KiB, the least that a disk likes to write. */
export const REQUEST_LEAVES_MAX = 16
/** At most 13 bytes each: under 1 KiB a message. */
export const REQUESTS_PER_MESSAGE_MAX = 64
/** At most 8 bytes each: 32 KiB a message. */
export const HAVE_RANGES_MAX = 4_096
/** BEP 11 sends at most 50. */
export const PEERS_PER_MESSAGE_MAX = 50
/** At most 4 bytes each; more are told in further messages. */
export const GONE_PIECES_MAX = 4_096

function rangeUpTo(leavesMax: number): Codec<LeafRange> {
  const fields = struct({
    piece: upTo(PIECES_MAX - 1),
    leafStart: upTo(PIECE_LEAVES_MAX - 1),
    leafCount: upTo(leavesMax)
  })
  const sound = checked(fields, range => {
    if (range.leafCount === 0) return 'an empty range of leaves'
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

/** `request` numbers are the downloader's and never used twice towards one peer. */
export const blockRequest = struct({ request: u32, range: rangeUpTo(REQUEST_LEAVES_MAX), hashes: bool })
export type BlockRequest = Decoded<typeof blockRequest>

/** Why a request is refused. Append only. */
export const rejectReasons = ['busy', 'choked', 'not-held', 'changed', 'failed'] as const
export type RejectReason = (typeof rejectReasons)[number]

/** Why a peer is banned. Append only. */
export const banReasons = ['bad-leaf', 'bad-manifest'] as const
export type BanReason = (typeof banReasons)[number]

/** Never reused, never moved. */
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
  /** Tell me what you hold of this, and tell me of news. */
  interested: { content: contentIdCodec },
  /** No more news, please; requests that are queued are forgotten. */
  'not-interested': { content: contentIdCodec },
  'have-all': { content: contentIdCodec },
  /** A bit for each piece that is whole; spare bits are zero. */
  'have-bits': { content: contentIdCodec, pieces: bytes(PIECE_BITS_BYTES_MAX) },
  'not-held': { content: contentIdCodec },
  /** News: leaves that were verified since. A piece that became whole is one range over all of it. */
  have: { content: contentIdCodec, ranges: list(rangeUpTo(PIECE_LEAVES_MAX), HAVE_RANGES_MAX) },
  request: { content: contentIdCodec, requests: list(blockRequest, REQUESTS_PER_MESSAGE_MAX) },
  cancel: { requests },
  reject: { requests, reason: oneOf(rejectReasons) },
  /** No request of yours is taken until `unchoke`; those that are queued are forgotten without a `reject` each. */
  choke: {},
  unchoke: {},
  /** Peers that hold or fetch this content. */
  peers: { content: contentIdCodec, contacts: list(contact, PEERS_PER_MESSAGE_MAX) },
  /** What you sent was wrong; nothing more of this content is asked of you. */
  banned: { content: contentIdCodec, reason: oneOf(banReasons) },
  /** Pieces that are no longer held: the file on disk has changed. */
  gone: { content: contentIdCodec, pieces: list(piece, GONE_PIECES_MAX) },
  /** You could not dial me and asked by others to be dialled: I hold some of this, ask over this link. */
  offer: { content: contentIdCodec }
})
export type ExchangeMessage = Decoded<typeof exchangeMessage>
