/**
 * The uploader's end of the block streams: one stream per peer, opened with the first upload. The uploads to a peer
 * take turns, one frame each, so that a small upload never waits for a large one. While one frame is sent, the next
 * ones are read ahead. Peers are served concurrently.
 */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { RequestId } from '../../core/exchange/contract.ts'
import type { Result } from '../../core/machine.ts'
import { BLOCKS_PROTOCOL, FRAME_HEAD_BYTES, FRAME_LEAVES_MAX, frameHead, type FrameHead } from '../../wire/blocks.ts'
import { encode } from '../../wire/codec/codec.ts'
import type { LeafRange } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { inBackground } from '../background.ts'
import { Watchdog, within } from '../deadline.ts'
import type { ByteStream } from '../net/stream/byte-stream.ts'
import type { ContentStore } from '../store/store.ts'
import type { BlockNet } from './block-net.ts'
import type { Traffic } from './traffic.ts'

/** Deadline for opening a block stream to a connected peer. */
export const OPEN_DEADLINE_MS = 10_000
/** The stream ends when the peer does not accept a frame within this time. */
export const STALL_DEADLINE_MS = 30_000
/** Uploads of one peer: more than the exchange machine lets a peer request at once. */
export const UPLOADS_PER_PEER_MAX = 8_192

/** Frames of one peer that are being read or wait to be sent. */
export const FRAMES_AHEAD_MAX = 4

/** The source of an upload's bytes: the store, or in tests a wrapper that corrupts them. */
export type LeafSource = Pick<ContentStore, 'read' | 'leafHashesToSend' | 'layout'>

export interface UploadOrder {
  readonly token: number
  readonly peer: NodeId
  readonly request: RequestId
  readonly content: ContentId
  readonly range: LeafRange
  readonly hashes: boolean
}

interface Upload extends UploadOrder {
  hashesDue: boolean
  /** Leaves of the range that are already in a frame. */
  leavesFramed: number
  stopped: boolean
}

interface Frame {
  readonly upload: Upload
  /** Head and payload, or the reason of the failure. Never rejects: it may settle before anything awaits it. */
  readonly bytes: Promise<Buffer | string>
  readonly last: boolean
}

interface Peer {
  readonly turns: Upload[]
  /** All uploads that are not answered yet. */
  readonly uploads: Map<RequestId, Upload>
  readonly gone: AbortController
  stream: ByteStream | undefined
  running: boolean
}

export interface UploaderOptions {
  readonly net: BlockNet
  readonly source: LeafSource
  readonly done: (token: number, result: Result) => void
  readonly traffic: Traffic
  readonly signal: AbortSignal
}

export class Uploader {
  private readonly options: UploaderOptions
  private readonly peers = new Map<NodeId, Peer>()

  constructor(options: UploaderOptions) {
    this.options = options
  }

  upload(order: UploadOrder): void {
    let peer = this.peers.get(order.peer)
    if (peer === undefined) {
      peer = { turns: [], uploads: new Map(), gone: new AbortController(), stream: undefined, running: false }
      this.peers.set(order.peer, peer)
    }
    if (peer.uploads.size >= UPLOADS_PER_PEER_MAX || peer.uploads.has(order.request)) {
      this.options.done(order.token, { ok: false, reason: 'stopped' })
      return
    }
    const upload: Upload = { ...order, hashesDue: order.hashes, leavesFramed: 0, stopped: false }
    peer.uploads.set(order.request, upload)
    peer.turns.push(upload)
    if (!peer.running) inBackground(this.run(order.peer, peer))
  }

  stop(id: NodeId, request: RequestId): void {
    const peer = this.peers.get(id)
    const upload = peer?.uploads.get(request)
    if (peer === undefined || upload === undefined) return
    upload.stopped = true
    this.answer(peer, upload, { ok: false, reason: 'stopped' })
  }

  peerDown(id: NodeId): void {
    const peer = this.peers.get(id)
    if (peer === undefined) return
    peer.gone.abort(new Error('the connection closed'))
    this.failAll(id, peer)
  }

  /** Sends frames until no upload is left. Never rejects: when the stream fails, all uploads of the peer fail. */
  private async run(id: NodeId, peer: Peer): Promise<void> {
    peer.running = true
    const stall = new Watchdog(STALL_DEADLINE_MS, AbortSignal.any([this.options.signal, peer.gone.signal]))
    try {
      const ahead: Frame[] = []
      for (;;) {
        this.readAhead(peer, ahead)
        const frame = ahead.shift()
        if (frame === undefined) return
        const bytes = await frame.bytes
        this.readAhead(peer, ahead)
        if (typeof bytes === 'string') await this.refuse(id, peer, frame.upload, bytes, stall)
        else await this.send(id, peer, frame, bytes, stall)
      }
    } catch (error) {
      peer.stream?.abort(error instanceof Error ? error : new Error('the block stream failed'))
      this.failAll(id, peer)
    } finally {
      peer.running = false
    }
  }

  /** Answers all uploads of the peer with 'link'. The next upload opens a new stream. */
  private failAll(id: NodeId, peer: Peer): void {
    if (this.peers.get(id) === peer) this.peers.delete(id)
    peer.turns.length = 0
    peer.stream?.abort(new Error('the connection closed'))
    for (const upload of [...peer.uploads.values()]) {
      upload.stopped = true
      this.answer(peer, upload, { ok: false, reason: 'link' })
    }
  }

  private answer(peer: Peer, upload: Upload, result: Result): void {
    if (peer.uploads.get(upload.request) !== upload) return
    peer.uploads.delete(upload.request)
    this.options.done(upload.token, result)
  }

  private async send(id: NodeId, peer: Peer, frame: Frame, bytes: Buffer, stall: Watchdog): Promise<void> {
    const { upload, last } = frame
    if (upload.stopped) return
    const stream = await this.streamTo(id, peer, stall.signal)
    await stall.during(() => stream.write(bytes, stall.signal))
    this.options.traffic.sent(id, upload.content, bytes.length - FRAME_HEAD_BYTES)
    if (last) this.answer(peer, upload, { ok: true })
  }

  /** Answers the upload with `reason`, and sends the peer a `failed` frame. */
  private async refuse(id: NodeId, peer: Peer, upload: Upload, reason: string, stall: Watchdog): Promise<void> {
    if (upload.stopped) return
    upload.stopped = true
    this.answer(peer, upload, { ok: false, reason })
    const head = headOf({ kind: 'failed', request: upload.request, leafStart: 0, leafCount: 0, payloadBytes: 0 })
    const stream = await this.streamTo(id, peer, stall.signal)
    await stall.during(() => stream.write(head, stall.signal))
  }

  private async streamTo(id: NodeId, peer: Peer, signal: AbortSignal): Promise<ByteStream> {
    if (peer.stream?.isOpen === true) return peer.stream
    const address = this.options.net.addressOf(id)
    if (address === undefined) throw new Error('the peer is not connected')
    peer.stream = await this.options.net.openStream({ id, address }, BLOCKS_PROTOCOL, within(OPEN_DEADLINE_MS, signal))
    return peer.stream
  }

  private readAhead(peer: Peer, ahead: Frame[]): void {
    while (ahead.length < FRAMES_AHEAD_MAX) {
      const frame = this.nextFrame(peer)
      if (frame === undefined) return
      ahead.push(frame)
    }
  }

  /** Starts reading the frame of the next upload. */
  private nextFrame(peer: Peer): Frame | undefined {
    for (let upload = peer.turns.shift(); upload !== undefined; upload = peer.turns.shift()) {
      if (upload.stopped) continue
      if (upload.hashesDue) {
        upload.hashesDue = false
        // The peer needs the hashes before the leaves, so this upload goes next again.
        peer.turns.unshift(upload)
        return { upload, bytes: bytesOrFailure(this.readHashes(upload)), last: false }
      }
      const { piece, leafStart, leafCount } = upload.range
      const start = upload.leavesFramed
      upload.leavesFramed = Math.min(leafCount, start + FRAME_LEAVES_MAX)
      const last = upload.leavesFramed === leafCount
      if (!last) peer.turns.push(upload)
      const range = { piece, leafStart: leafStart + start, leafCount: upload.leavesFramed - start }
      return { upload, bytes: bytesOrFailure(this.readLeaves(upload, range)), last }
    }
    return undefined
  }

  private async readHashes(upload: Upload): Promise<Buffer | string> {
    const hashes = await this.options.source.leafHashesToSend(upload.content, upload.range.piece)
    if (hashes === undefined) return 'changed'
    const leafCount = hashes.length / HASH_BYTES
    const head = headOf({
      kind: 'hashes',
      request: upload.request,
      leafStart: 0,
      leafCount,
      payloadBytes: hashes.length
    })
    return Buffer.concat([head, hashes])
  }

  /** Reads the payload into the frame's buffer, behind the head, without a copy. */
  private async readLeaves(upload: Upload, range: LeafRange): Promise<Buffer | string> {
    const layout = await this.options.source.layout(upload.content)
    if (layout?.holds(range) !== true) return 'changed'
    const payloadBytes = layout.rangeBytes(range)
    const frame = Buffer.allocUnsafeSlow(FRAME_HEAD_BYTES + payloadBytes)
    const { leafStart, leafCount } = range
    frame.set(headOf({ kind: 'leaves', request: upload.request, leafStart, leafCount, payloadBytes }))
    const result = await this.options.source.read(upload.content, range, frame.subarray(FRAME_HEAD_BYTES))
    return result.ok ? frame : result.reason
  }
}

/** The source returns failures as results. An unexpected rejection counts as a disk failure. */
function bytesOrFailure(bytes: Promise<Buffer | string>): Promise<Buffer | string> {
  return bytes.catch(() => 'disk')
}

function headOf(head: FrameHead): Uint8Array {
  return encode(frameHead, head)
}
