/**
 * The formats of the block stream (`/shoal/blocks/1`) and of the manifest stream (`/shoal/manifest/2`).
 *
 * Blocks: the uploader opens one stream per peer and only writes; the downloader only reads. A frame is a head of fixed
 * size and a payload. The downloader numbers its requests, and a frame belongs to the content of its request; frames of
 * unknown requests are ignored. A request ends when all of its leaves have arrived, or with `failed`. There is no frame
 * for the end, because the range of the request already determines it.
 *
 * Manifests: the requester writes a content id and nothing else. The answer is a head, the lineage (lineage.ts; it
 * may be empty), the raw info dictionary, and the piece layers of the files of more than one piece, in the order of
 * the files. The status `unlisted` is `ok` for a content that its holder keeps out of indexes and listings; a node
 * that fetches it must do the same.
 */
import { checked, contentIdCodec, decode, oneOf, struct, u16, u32, type Decoded } from './codec/codec.ts'
import { LEAF_BYTES, PIECE_LENGTH_BYTES_MAX, PIECES_MAX } from './bittorrent/layout.ts'
import { LINEAGE_BYTES_MAX } from './lineage.ts'
import { HASH_BYTES } from './bittorrent/merkle.ts'
import { INFO_BYTES_MAX } from './bittorrent/metainfo.ts'

export const BLOCKS_PROTOCOL = '/shoal/blocks/1'
export const MANIFEST_PROTOCOL = '/shoal/manifest/2'

/** Leaves of one frame. Uploads to one peer are interleaved frame by frame, and a frame is written to disk at once. */
export const FRAME_LEAVES_MAX = 16
export const PIECE_LEAVES_MAX = PIECE_LENGTH_BYTES_MAX / LEAF_BYTES
/** kind 1, request 4, leafStart 2, leafCount 2, payloadBytes 4. */
export const FRAME_HEAD_BYTES = 13

const frameFields = struct({
  kind: oneOf(['hashes', 'leaves', 'failed']),
  request: u32,
  leafStart: u16,
  leafCount: u16,
  payloadBytes: u32
})

/**
 * `hashes`: all `leafCount` leaf hashes of the piece. `leaves`: `leafCount` leaves of the piece from `leafStart` on;
 * only the last leaf of a file may be short. `failed`: the uploader aborts the request; no more frames of it follow.
 */
export const frameHead = checked(frameFields, ({ kind, leafStart, leafCount, payloadBytes }) => {
  switch (kind) {
    case 'hashes':
      if (leafStart !== 0 || leafCount < 1 || leafCount > PIECE_LEAVES_MAX) return `hashes of ${leafCount} leaves`
      return payloadBytes === leafCount * HASH_BYTES ? undefined : `${payloadBytes} bytes for ${leafCount} hashes`
    case 'leaves':
      if (leafCount < 1 || leafCount > FRAME_LEAVES_MAX) return `a frame of ${leafCount} leaves`
      if (leafStart + leafCount > PIECE_LEAVES_MAX) return `leaves past leaf ${PIECE_LEAVES_MAX} of a piece`
      if (payloadBytes > leafCount * LEAF_BYTES || payloadBytes <= (leafCount - 1) * LEAF_BYTES) {
        return `${payloadBytes} bytes for ${leafCount} leaves`
      }
      return undefined
    case 'failed':
      return leafStart === 0 && leafCount === 0 && payloadBytes === 0 ? undefined : 'failed frame with a payload'
  }
})
export type FrameHead = Decoded<typeof frameHead>

export type FrameEvent =
  | { kind: 'head'; head: FrameHead }
  /** A view of the chunk that was passed to `feed`. */
  | { kind: 'payload'; bytes: Uint8Array }
  | { kind: 'end' }

/** Splits a byte stream into frames. It passes payloads on as they arrive and buffers only the head of a frame. */
export class FrameParser {
  private readonly head = new Uint8Array(FRAME_HEAD_BYTES)
  private headBytes = 0
  private payloadLeft = 0

  /** Whether the parser is between two frames. A stream that ends elsewhere is truncated. */
  get between(): boolean {
    return this.headBytes === 0 && this.payloadLeft === 0
  }

  /** Throws DecodeError for an invalid head; the stream is unusable from there on. Events yielded before are valid. */
  *feed(chunk: Uint8Array): Generator<FrameEvent> {
    let rest = chunk
    while (rest.length > 0) {
      if (this.payloadLeft > 0) {
        const bytes = rest.subarray(0, this.payloadLeft)
        rest = rest.subarray(bytes.length)
        this.payloadLeft -= bytes.length
        yield { kind: 'payload', bytes }
        if (this.payloadLeft === 0) yield { kind: 'end' }
        continue
      }
      const part = rest.subarray(0, FRAME_HEAD_BYTES - this.headBytes)
      rest = rest.subarray(part.length)
      this.head.set(part, this.headBytes)
      this.headBytes += part.length
      if (this.headBytes < FRAME_HEAD_BYTES) return
      this.headBytes = 0
      const head = decode(frameHead, this.head)
      this.payloadLeft = head.payloadBytes
      yield { kind: 'head', head }
      if (this.payloadLeft === 0) yield { kind: 'end' }
    }
  }
}

/** One hash for each of PIECES_MAX pieces: more than any content that wire/bittorrent/metainfo.ts accepts. */
export const MANIFEST_LAYER_BYTES_MAX = PIECES_MAX * HASH_BYTES
/** status 1, lineageBytes 2, infoBytes 4, layerBytes 4. */
export const MANIFEST_HEAD_BYTES = 11

export const manifestRequest = struct({ content: contentIdCodec })
export const MANIFEST_REQUEST_BYTES = 32

export const manifestHead = checked(
  struct({ status: oneOf(['ok', 'not-held', 'unlisted']), lineageBytes: u16, infoBytes: u32, layerBytes: u32 }),
  ({ status, lineageBytes, infoBytes, layerBytes }) => {
    if (status === 'not-held')
      return lineageBytes === 0 && infoBytes === 0 && layerBytes === 0 ? undefined : 'status not-held with a manifest'
    if (lineageBytes > LINEAGE_BYTES_MAX) return `a lineage of ${lineageBytes} bytes`
    if (infoBytes === 0 || infoBytes > INFO_BYTES_MAX) return `an info dictionary of ${infoBytes} bytes`
    if (layerBytes % HASH_BYTES !== 0 || layerBytes > MANIFEST_LAYER_BYTES_MAX)
      return `piece layers of ${layerBytes} bytes`
    return undefined
  }
)
export type ManifestHead = Decoded<typeof manifestHead>
