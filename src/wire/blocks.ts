/**
 * What io puts on the block stream (`/shoal/blocks/1`) and on the manifest stream (`/shoal/manifest/2`).
 *
 * Blocks: the uploader opens one stream per peer and only writes; the downloader only reads. A frame is a head of fixed size
 * and its payload. Which content a frame belongs to follows from the request, which the downloader numbered: leaves that it
 * did not ask for mean nothing. A request is over when all of its leaves have come, or with `failed`. There is no frame for
 * the end: it would only repeat what the range says.
 *
 * Manifests: the asker writes a content id and nothing else; the answer is a head, then the publisher's
 * claim which contents it replaces (lineage.ts; it may be empty), the raw info dictionary, and the piece layers of the files of
 * more than one piece, in the order of the files. `unlisted` is `ok` of a content that its holder
 * keeps out of indexes and listings: whoever fetches it does so too.
 */
import { checked, contentIdCodec, decode, oneOf, struct, u16, u32, type Decoded } from './codec/codec.ts'
import { LEAF_BYTES, PIECE_LENGTH_BYTES_MAX, PIECES_MAX } from './bittorrent/layout.ts'
import { LINEAGE_BYTES_MAX } from './lineage.ts'
import { HASH_BYTES } from './bittorrent/merkle.ts'
import { INFO_BYTES_MAX } from './bittorrent/metainfo.ts'

export const BLOCKS_PROTOCOL = '/shoal/blocks/1'
export const MANIFEST_PROTOCOL = '/shoal/manifest/2'

/** Leaves of one frame: what interleaves uploads to one peer, and what is written to disk at once. */
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
 * `hashes`: the leaf hashes of the whole piece, `leafCount` of them. `leaves`: so many leaves from `leafStart` on, counted inside
 * the piece; only the last leaf of a file is short. `failed`: the uploader gives up; nothing more comes of this request.
 */
export const frameHead = checked(frameFields, ({ kind, leafStart, leafCount, payloadBytes }) => {
  switch (kind) {
    case 'hashes':
      if (leafStart !== 0 || leafCount < 1 || leafCount > PIECE_LEAVES_MAX) return `hashes of ${leafCount} leaves`
      return payloadBytes === leafCount * HASH_BYTES ? undefined : `${payloadBytes} bytes for ${leafCount} hashes`
    case 'leaves':
      if (leafCount < 1 || leafCount > FRAME_LEAVES_MAX) return `a frame of ${leafCount} leaves`
      if (leafStart + leafCount > PIECE_LEAVES_MAX) return `leaves past ${PIECE_LEAVES_MAX}`
      if (payloadBytes > leafCount * LEAF_BYTES || payloadBytes <= (leafCount - 1) * LEAF_BYTES) {
        return `${payloadBytes} bytes for ${leafCount} leaves`
      }
      return undefined
    case 'failed':
      return leafStart === 0 && leafCount === 0 && payloadBytes === 0 ? undefined : 'a failure with a payload'
  }
})
export type FrameHead = Decoded<typeof frameHead>

export type FrameEvent =
  | { kind: 'head'; head: FrameHead }
  /** A view of the chunk that was fed. */
  | { kind: 'payload'; bytes: Uint8Array }
  | { kind: 'end' }

/** Cuts a byte stream into frames. Payloads are passed on as they come: nothing but a head is ever held. */
export class FrameParser {
  private readonly head = new Uint8Array(FRAME_HEAD_BYTES)
  private headBytes = 0
  private payloadLeft = 0

  /** Whether a stream may end here without having been cut. */
  get between(): boolean {
    return this.headBytes === 0 && this.payloadLeft === 0
  }

  /** Throws DecodeError: the stream cannot be read any further. What was yielded before stands. */
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

/** Every piece of every file: more than any content that wire/bittorrent/metainfo.ts lets through. */
export const MANIFEST_LAYER_BYTES_MAX = PIECES_MAX * HASH_BYTES
/** status 1, lineageBytes 2, infoBytes 4, layerBytes 4. */
export const MANIFEST_HEAD_BYTES = 11

export const manifestRequest = struct({ content: contentIdCodec })
export const MANIFEST_REQUEST_BYTES = 32

export const manifestHead = checked(
  struct({ status: oneOf(['ok', 'not-held', 'unlisted']), lineageBytes: u16, infoBytes: u32, layerBytes: u32 }),
  ({ status, lineageBytes, infoBytes, layerBytes }) => {
    if (status === 'not-held')
      return lineageBytes === 0 && infoBytes === 0 && layerBytes === 0 ? undefined : 'no manifest, but its bytes'
    if (lineageBytes > LINEAGE_BYTES_MAX) return `a lineage of ${lineageBytes} bytes`
    if (infoBytes === 0 || infoBytes > INFO_BYTES_MAX) return `an info dictionary of ${infoBytes} bytes`
    if (layerBytes % HASH_BYTES !== 0 || layerBytes > MANIFEST_LAYER_BYTES_MAX)
      return `piece layers of ${layerBytes} bytes`
    return undefined
  }
)
export type ManifestHead = Decoded<typeof manifestHead>
