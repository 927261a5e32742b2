/**
 * The downloader's end of the block streams. A frame must belong to a request that `expect` announced; other frames are
 * dropped and counted. The leaf hashes of a piece are verified against the piece's root, and each leaf against its leaf
 * hash. Verified leaves are written with one write per frame; a wrong leaf fails its request. Unverified leaves are
 * never written.
 *
 * Memory: each stream buffers one frame. The frames that wait for the disk have a common limit; above it no stream is
 * read, and the senders are paused.
 */
import { hash } from 'node:crypto'
import { Bitfield } from '../../base/bitfield.ts'
import { LruMap } from '../../base/bounded.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Partial as PartialResult, RequestId } from '../../core/exchange/contract.ts'
import type { Result } from '../../core/machine.ts'
import { FRAME_LEAVES_MAX, FrameParser, type FrameHead } from '../../wire/blocks.ts'
import { DecodeError } from '../../wire/codec/cursor.ts'
import { LEAF_BYTES, type Layout, type LeafRange } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { inBackground } from '../background.ts'
import type { ByteStream } from '../net/stream/byte-stream.ts'
import type { ContentStore } from '../store/store.ts'
import { BufferPool } from './buffers.ts'
import type { Traffic } from './traffic.ts'

/** Verified bytes that wait for the disk, over all peers. */
export const WRITE_BEHIND_BYTES_MAX = 16 << 20
/** Unrequested bytes of one peer before its stream is closed. Late bytes of a forgotten request do not count. */
export const UNEXPECTED_BYTES_MAX = 4 << 20
/** Ended requests of one peer whose late bytes are still accepted. */
export const ENDED_REQUESTS_MAX = 1_024
/** Streams of one peer: a new stream may arrive before the end of the old one. */
export const STREAMS_PER_PEER_MAX = 2

export interface Expectation {
  readonly token: number
  readonly peer: NodeId
  readonly request: RequestId
  readonly content: ContentId
  readonly range: LeafRange
}

interface Open extends Expectation {
  readonly layout: Layout
  /** The leaf hashes of the piece, once they are known. */
  hashes: Uint8Array | undefined
  /** Resolves once the received leaf hashes are on disk, or the request has failed. Never rejects. */
  keeping: Promise<void> | undefined
  /** Leaves of the range that were verified, and leaves that are on disk. */
  readonly taken: Bitfield
  readonly written: Bitfield
  writing: number
  /** Why the request failed; it is answered once the writes in progress are done. */
  failure: string | undefined
  /** Whether `done` was called: a command is answered once. */
  answered: boolean
  bytesLeft: number
}

interface Peer {
  readonly requests: Map<RequestId, Open>
  /** Ended requests, with the number of late bytes that each may still receive. */
  readonly ended: LruMap<RequestId, number>
  readonly streams: Set<ByteStream>
  unexpectedBytes: number
}

type Frame =
  | { kind: 'hashes' | 'leaves'; head: FrameHead; open: Open; buffer: Buffer; filled: number }
  | { kind: 'dropped'; head: FrameHead }

export interface ReceiverOptions {
  readonly store: ContentStore
  readonly done: (token: number, result: Result) => void
  readonly traffic: Traffic
  /** A peer violated the protocol; its stream is closed. */
  readonly misbehaved: (peer: NodeId, what: string) => void
  readonly signal: AbortSignal
}

export class Receiver {
  private readonly options: ReceiverOptions
  private readonly peers = new Map<NodeId, Peer>()
  private readonly pool = new BufferPool(FRAME_LEAVES_MAX * LEAF_BYTES)
  private writingBytes = 0
  private roomWaiters: Array<() => void> = []

  constructor(options: ReceiverOptions) {
    this.options = options
  }

  /** Announces a request. `layout` is that of its content. */
  expect(expectation: Expectation, layout: Layout): void {
    const peer = this.peerOf(expectation.peer)
    const leaves = expectation.range.leafCount
    peer.requests.set(expectation.request, {
      ...expectation,
      layout,
      hashes: undefined,
      keeping: undefined,
      taken: new Bitfield(leaves),
      written: new Bitfield(leaves),
      writing: 0,
      failure: undefined,
      answered: false,
      bytesLeft: layout.rangeBytes(expectation.range) + layout.leavesOf(expectation.range.piece) * HASH_BYTES
    })
  }

  forget(id: NodeId, request: RequestId): void {
    const open = this.peers.get(id)?.requests.get(request)
    if (open !== undefined) this.fail(open, 'forgotten')
  }

  /** The connection closed: fails the peer's requests with 'link'. */
  peerDown(id: NodeId): void {
    const peer = this.peers.get(id)
    if (peer === undefined) return
    for (const open of [...peer.requests.values()]) this.fail(open, 'link')
    for (const stream of peer.streams) stream.abort(new Error('the connection closed'))
    this.peers.delete(id)
  }

  /** The handler of the protocol. Resolves when the stream ends. */
  async accept(id: NodeId, stream: ByteStream): Promise<void> {
    const peer = this.peerOf(id)
    if (peer.streams.size >= STREAMS_PER_PEER_MAX) {
      stream.abort(new Error('too many block streams'))
      return
    }
    peer.streams.add(stream)
    try {
      await this.readAll(id, peer, stream)
    } catch (error) {
      if (error instanceof DecodeError) this.options.misbehaved(id, `block stream: ${error.message}`)
      stream.abort(error instanceof Error ? error : new Error('the block stream failed'))
    } finally {
      peer.streams.delete(stream)
      if (peer.streams.size === 0) for (const open of [...peer.requests.values()]) this.fail(open, 'link')
      if (peer.streams.size === 0 && this.peers.get(id) === peer && peer.requests.size === 0) this.peers.delete(id)
    }
  }

  private peerOf(id: NodeId): Peer {
    let peer = this.peers.get(id)
    if (peer === undefined) {
      peer = { requests: new Map(), ended: new LruMap(ENDED_REQUESTS_MAX), streams: new Set(), unexpectedBytes: 0 }
      this.peers.set(id, peer)
    }
    return peer
  }

  private async readAll(id: NodeId, peer: Peer, stream: ByteStream): Promise<void> {
    const parser = new FrameParser()
    let frame: Frame | undefined
    try {
      for await (const chunk of stream.chunks(this.options.signal)) {
        for (const event of parser.feed(chunk)) {
          if (event.kind === 'head') frame = this.begin(id, peer, event.head)
          else if (frame !== undefined && event.kind === 'payload') fill(frame, event.bytes)
          else if (frame !== undefined) {
            const ended = frame
            frame = undefined
            await this.completed(ended)
          }
        }
        if (this.writingBytes > WRITE_BEHIND_BYTES_MAX) await this.waitForRoom()
      }
    } finally {
      if (frame !== undefined) await this.truncated(frame)
    }
  }

  private begin(id: NodeId, peer: Peer, head: FrameHead): Frame {
    const open = peer.requests.get(head.request as RequestId)
    if (open === undefined || !fits(open, head)) {
      this.unexpected(id, peer, head)
      return { kind: 'dropped', head }
    }
    open.bytesLeft -= head.payloadBytes
    if (head.kind === 'failed') {
      this.fail(open, 'refused')
      return { kind: 'dropped', head }
    }
    this.options.traffic.received(open.peer, open.content, head.payloadBytes)
    return { kind: head.kind, head, open, buffer: this.pool.take(head.payloadBytes), filled: 0 }
  }

  /** Throws DecodeError when the peer has sent too many unrequested bytes. */
  private unexpected(id: NodeId, peer: Peer, head: FrameHead): void {
    const request = head.request as RequestId
    const lateBytesLeft = peer.ended.get(request) ?? 0
    if (lateBytesLeft >= head.payloadBytes) {
      if (head.payloadBytes > 0) peer.ended.set(request, lateBytesLeft - head.payloadBytes)
      return
    }
    peer.unexpectedBytes += head.payloadBytes
    this.options.traffic.unexpected(id, head.payloadBytes)
    if (peer.unexpectedBytes > UNEXPECTED_BYTES_MAX) throw new DecodeError(`${peer.unexpectedBytes} unrequested bytes`)
  }

  private async completed(frame: Frame): Promise<void> {
    if (frame.kind === 'dropped') return
    if (frame.kind === 'leaves') {
      await this.leaves(frame)
      return
    }
    const { open, buffer } = frame
    if (open.failure === undefined && open.hashes === undefined) this.takeHashes(open, buffer)
    this.pool.give(buffer)
  }

  /** Does not wait for the disk: the store writes the hashes before any leaf of the piece. */
  private takeHashes(open: Open, buffer: Buffer): void {
    const { content, range } = open
    const kept = orDiskFailure(this.options.store.keepLeafHashes(content, range.piece, Uint8Array.from(buffer)))
    open.keeping = kept.then(result => {
      if (!result.ok) this.fail(open, result.reason)
    })
    inBackground(open.keeping)
  }

  private async leaves(frame: Frame & { kind: 'hashes' | 'leaves' }): Promise<void> {
    const { open, head, buffer, filled } = frame
    if (open.failure === undefined) open.hashes ??= await this.options.store.leafHashes(open.content, open.range.piece)
    // Received hashes that are wrong or cannot be written fail the request with their own reason.
    if (open.hashes === undefined) await open.keeping
    const hashes = open.hashes
    // The hashes are neither on disk nor did the uploader send them before the leaves.
    if (open.failure === undefined && hashes === undefined) this.fail(open, 'refused')
    if (open.failure !== undefined || hashes === undefined) {
      this.pool.give(buffer)
      return
    }
    const whole = filled === head.payloadBytes ? head.leafCount : Math.floor(filled / LEAF_BYTES)
    const right = countRight(buffer.subarray(0, filled), hashes.subarray(head.leafStart * HASH_BYTES), whole)
    if (right > 0) this.write(open, head, buffer, right)
    else this.pool.give(buffer)
    if (right < whole) this.fail(open, 'bad-leaf')
  }

  /** A frame that the end of its stream cut short: its complete leaves are kept. */
  private async truncated(frame: Frame): Promise<void> {
    if (frame.kind === 'leaves') await this.leaves(frame)
    else if (frame.kind === 'hashes') this.pool.give(frame.buffer)
  }

  /** Writes verified leaves and returns the buffer to the pool afterwards. */
  private write(open: Open, head: FrameHead, buffer: Buffer, leaves: number): void {
    const bytes = buffer.subarray(0, Math.min(head.payloadBytes, leaves * LEAF_BYTES))
    const first = head.leafStart - open.range.leafStart
    for (let i = 0; i < leaves; i++) open.taken.add(first + i)
    open.writing++
    this.writingBytes += buffer.length
    const { piece } = open.range
    const written = orDiskFailure(this.options.store.write(open.content, { piece, leafStart: head.leafStart }, bytes))
    inBackground(
      written.then(result => {
        this.writingBytes -= buffer.length
        this.pool.give(buffer)
        this.makeRoom()
        open.writing--
        if (result.ok) for (let i = 0; i < leaves; i++) open.written.add(first + i)
        else open.failure ??= this.failed(open, result.reason)
        this.settle(open)
      })
    )
  }

  private waitForRoom(): Promise<void> {
    return new Promise(resolve => this.roomWaiters.push(resolve))
  }

  private makeRoom(): void {
    if (this.writingBytes > WRITE_BEHIND_BYTES_MAX / 2 || this.roomWaiters.length === 0) return
    const waiters = this.roomWaiters
    this.roomWaiters = []
    for (const resolve of waiters) resolve()
  }

  /** Fails the request; it is answered after its last write. */
  private fail(open: Open, reason: string): void {
    open.failure ??= this.failed(open, reason)
    this.settle(open)
  }

  /** Stops accepting bytes for the request, and returns `reason`. */
  private failed(open: Open, reason: string): string {
    this.remove(open)
    return reason
  }

  /** Answers the request when all leaves are written, or when it has failed and no write is in progress. */
  private settle(open: Open): void {
    if (open.writing > 0 || open.answered) return
    if (open.failure === undefined && !open.written.full) return
    open.answered = true
    if (open.failure !== undefined) {
      const value: PartialResult = { written: open.written }
      this.options.done(open.token, { ok: false, reason: open.failure, value })
    } else {
      this.remove(open)
      this.options.done(open.token, { ok: true })
    }
  }

  private remove(open: Open): void {
    const peer = this.peers.get(open.peer)
    if (peer?.requests.get(open.request) !== open) return
    peer.requests.delete(open.request)
    if (open.bytesLeft > 0) peer.ended.set(open.request, open.bytesLeft)
  }
}

/** The store returns failures as results. An unexpected rejection counts as a disk failure. */
function orDiskFailure(result: Promise<Result>): Promise<Result> {
  return result.catch((): Result => ({ ok: false, reason: 'disk' }))
}

function fill(frame: Frame, bytes: Uint8Array): void {
  if (frame.kind === 'dropped') return
  frame.buffer.set(bytes, frame.filled)
  frame.filled += bytes.length
}

/** Whether the frame belongs to the request and its leaves were not received before. */
function fits(open: Open, head: FrameHead): boolean {
  const { range, layout } = open
  switch (head.kind) {
    case 'failed':
      return true
    case 'hashes':
      return head.leafCount === layout.leavesOf(range.piece)
    case 'leaves': {
      const first = head.leafStart - range.leafStart
      if (first < 0 || first + head.leafCount > range.leafCount) return false
      for (let i = 0; i < head.leafCount; i++) if (open.taken.has(first + i)) return false
      const { piece } = range
      return head.payloadBytes === layout.rangeBytes({ piece, leafStart: head.leafStart, leafCount: head.leafCount })
    }
  }
}

/** The number of leading leaves that match their hashes. */
function countRight(bytes: Uint8Array, hashes: Uint8Array, leaves: number): number {
  for (let leaf = 0; leaf < leaves; leaf++) {
    const found = hash('sha256', bytes.subarray(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES), 'buffer')
    if (found.compare(hashes, leaf * HASH_BYTES, (leaf + 1) * HASH_BYTES) !== 0) return leaf
  }
  return leaves
}
