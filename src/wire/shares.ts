/**
 * Lists the shares of another node: one request and one answer on a stream of `/shoal/shares/1`. A `name` in the
 * request restricts the answer to shares with exactly that name, a `content` to that content.
 */
import { bool, contentIdCodec, list, optional, struct, text, upTo, varint, type Decoded } from './codec/codec.ts'
import { FILES_MAX, PIECE_LENGTH_BYTES_MAX } from './bittorrent/layout.ts'

export const SHARES_PROTOCOL = '/shoal/shares/1'
/** Shares in one answer. A node that has more sets `more`. */
export const SHARES_MAX = 2_000
export const SHARE_NAME_BYTES_MAX = 255
/** An upper bound for the size of an answer. */
export const SHARES_ANSWER_BYTES_MAX = SHARES_MAX * (SHARE_NAME_BYTES_MAX + 64)

export const sharesRequest = struct({ name: optional(text(SHARE_NAME_BYTES_MAX)), content: optional(contentIdCodec) })
export type SharesRequest = Decoded<typeof sharesRequest>

export const shareSummary = struct({
  content: contentIdCodec,
  name: text(SHARE_NAME_BYTES_MAX),
  bytes: varint,
  files: upTo(FILES_MAX),
  pieceLengthBytes: upTo(PIECE_LENGTH_BYTES_MAX),
  complete: bool
})
export type ShareSummary = Decoded<typeof shareSummary>

export const sharesAnswer = struct({ shares: list(shareSummary, SHARES_MAX), more: bool })
export type SharesAnswer = Decoded<typeof sharesAnswer>
