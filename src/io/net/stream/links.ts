/**
 * The message stream to each peer: ordered and lossless between `up` and `down`, as core/machine.ts requires.
 *
 * Each side writes on a stream that it opened itself, so two sides that open at once need no tie-break. A link is the
 * pair of streams and ends as a whole: when either stream breaks, the queue overflows or the queue stalls, both streams
 * are reset and `down` is reported once. Both sides agree on the end, because each of them sees a stream reset.
 *
 * Two random marks, one per side, identify a link, so that streams of different links are never paired. The opener
 * writes its mark first, and the other side answers with its own. A stream with another mark than the one recorded ends
 * the existing link and begins a new one.
 *
 *     none --send--> opening --answer--> up --break--> none, and after a failed dial a pause
 *     none --stream from the peer--> up
 */
import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { LruMap } from '../../../base/bounded.ts'
import { equal } from '../../../base/bytes.ts'
import { ShoalError } from '../../../base/errors.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import { sameAddress, STREAM_MESSAGE_BYTES_MAX, type Address, type Contact } from '../../../wire/common.ts'
import { inBackground } from '../../background.ts'
import { secretBytes } from '../../entropy.ts'
import { within } from '../../deadline.ts'
import { ByteReader } from './byte-reader.ts'
import { ChunkReader } from './chunk-reader.ts'
import { frame, frames, FRAME_HEADER_BYTES } from './frames.ts'
import { writeAll } from './write.ts'
import type { Libp2pHost } from '../host.ts'

export const MESSAGES_PROTOCOL = '/shoal/messages/1'
/**
 * Queued bytes for one peer: several of the largest messages. The link ends on overflow, because the peer is too slow.
 */
export const LINK_QUEUE_BYTES_MAX = 8 * STREAM_MESSAGE_BYTES_MAX
export const LINK_QUEUE_COUNT_MAX = 16_384
/** A link whose queue makes no progress for this long ends. */
export const LINK_STALL_MS = 20_000
/** Deadline for the mark of the other side. */
export const LINK_MARK_MS = 5_000
/** Pause after a failed dial, doubled with each further failure up to the maximum. */
export const LINK_BACKOFF_MS_MIN = 500
export const LINK_BACKOFF_MS_MAX = 30_000
export const LINKS_MAX = 1_024
const MARK_BYTES = 16
/** A peer opens one stream; a second may arrive before the end of the first. */
const INBOUND_STREAMS_MAX = 4
const FAILURES_MAX = 4_096

type Out = { kind: 'none' } | { kind: 'opening' } | { kind: 'open'; stream: Stream }

interface Link {
  readonly peer: NodeId
  readonly mark: Uint8Array
  /** Aborted when the link ends; stops its pending operations. */
  readonly ended: AbortController
  theirMark: Uint8Array | undefined
  up: boolean
  out: Out
  in: Stream | undefined
  readonly queue: Uint8Array[]
  queuedBytes: number
  stall: NodeJS.Timeout | undefined
}

export interface LinksInit {
  readonly host: Libp2pHost
  readonly clock: () => Instant
  readonly onMessage: (peer: NodeId, payload: Uint8Array) => void
  readonly onLink: (peer: NodeId, state: 'up' | 'down') => void
  /** The peer exceeded the limit of a message; its link has ended. */
  readonly onMisbehaved: (peer: NodeId) => void
}

export class PeerLinks {
  private readonly init: LinksInit
  private readonly links = new Map<NodeId, Link>()
  /** Failures of the address that was dialled last; a dial to another address is not delayed. */
  private readonly failures = new LruMap<NodeId, { address: Address; count: number; notBefore: Instant }>(FAILURES_MAX)
  private closed = false

  constructor(init: LinksInit) {
    this.init = init
  }

  async start(): Promise<void> {
    await this.init.host.handle(MESSAGES_PROTOCOL, (peer, stream) => this.accept(peer, stream), INBOUND_STREAMS_MAX)
  }

  /** Number of links that are up. */
  count(): number {
    return [...this.links.values()].filter(link => link.up).length
  }

  /**
   * Queues the message and opens a stream if there is none. Never calls a handler synchronously. Throws RangeError over
   * the limit.
   */
  send(to: Contact, payload: Uint8Array): void {
    if (payload.length > STREAM_MESSAGE_BYTES_MAX) throw new RangeError(`a message of ${payload.length} bytes`)
    if (this.closed || to.id === this.init.host.self) return
    const link = this.links.get(to.id) ?? this.begin(to.id, to.address)
    if (link === undefined) {
      queueMicrotask(() => {
        if (!this.links.has(to.id)) this.init.onLink(to.id, 'down')
      })
      return
    }
    link.queue.push(frame(payload))
    link.queuedBytes += payload.length
    if (link.queuedBytes > LINK_QUEUE_BYTES_MAX || link.queue.length > LINK_QUEUE_COUNT_MAX) {
      this.endSoon(link)
    } else if (link.out.kind === 'none') {
      link.out = { kind: 'opening' }
      inBackground(this.open(link, to))
    } else if (link.out.kind === 'open') {
      this.pump(link)
    }
  }

  close(): void {
    this.closed = true
    for (const link of [...this.links.values()]) this.end(link)
  }

  /** Undefined during the pause after a failed dial, or when there are too many links. */
  private begin(peer: NodeId, dialled: Address | undefined): Link | undefined {
    if (dialled !== undefined && this.init.clock() < this.notBefore(peer, dialled)) return undefined
    if (this.links.size >= LINKS_MAX) return undefined
    const link: Link = {
      peer,
      mark: secretBytes(MARK_BYTES),
      ended: new AbortController(),
      theirMark: undefined,
      up: false,
      out: { kind: 'none' },
      in: undefined,
      queue: [],
      queuedBytes: 0,
      stall: undefined
    }
    this.links.set(peer, link)
    return link
  }

  /** Never rejects: a failure ends the link. */
  private async open(link: Link, to: Contact): Promise<void> {
    const { signal } = link.ended
    let stream: Stream | undefined
    try {
      stream = await this.init.host.open(to, MESSAGES_PROTOCOL, signal)
      const deadline = within(LINK_MARK_MS, signal)
      await writeAll(stream, link.mark, deadline)
      const chunks = new ChunkReader(stream)
      const reader = new ByteReader(chunks.chunks(deadline))
      const mark = await reader.read(MARK_BYTES)
      chunks.release(reader.unread())
      if (link.theirMark !== undefined && !equal(link.theirMark, mark))
        throw new Error('the mark belongs to another link')
      link.theirMark = mark
      link.out = { kind: 'open', stream }
      stream.addEventListener('close', () => this.endSoon(link))
      // The peer writes messages on its own stream. Writing here after its mark violates the protocol.
      stream.addEventListener('message', () => this.end(link))
      stream.addEventListener('drain', () => this.pump(link))
      if (stream.status !== 'open') throw new Error('the stream closed during setup')
      this.failures.delete(link.peer)
      this.rise(link)
      this.pump(link)
    } catch (error) {
      stream?.abort(error instanceof Error ? error : new Error(String(error)))
      if (!signal.aborted) this.failed(to)
      this.end(link)
    }
  }

  private async accept(peer: NodeId, stream: Stream): Promise<void> {
    const chunks = new ChunkReader(stream)
    const reader = new ByteReader(chunks.chunks(AbortSignal.timeout(LINK_MARK_MS)))
    const mark = await reader.read(MARK_BYTES)
    const old = this.links.get(peer)
    const isOtherLink = old?.theirMark !== undefined && !equal(old.theirMark, mark)
    if (old !== undefined && (old.in !== undefined || isOtherLink)) this.end(old)
    const link = this.links.get(peer) ?? this.begin(peer, undefined)
    if (link === undefined || this.closed) throw new Error('too many links')
    link.theirMark = mark
    link.in = stream
    // The peer is reachable now, over the connection that it opened.
    this.failures.delete(peer)
    stream.send(link.mark)
    this.rise(link)
    await this.receive(link, stream, prepended(reader.unread(), chunks.chunks(link.ended.signal)))
  }

  /** Delivers the messages of the peer's stream in order, and ends the link after the last one. */
  private async receive(link: Link, stream: Stream, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await pipe(chunks, frames({ maxBytes: STREAM_MESSAGE_BYTES_MAX }), async payloads => {
        for await (const payload of payloads) {
          if (link.in !== stream) return
          this.init.onMessage(link.peer, payload)
        }
      })
      this.end(link)
    } catch (error) {
      // The link may have ended already and a new one may exist: `end` affects only this link.
      const overLimit = error instanceof ShoalError && error.code === 'limit' && !link.ended.signal.aborted
      this.end(link)
      if (overLimit) this.init.onMisbehaved(link.peer)
    }
  }

  private pump(link: Link): void {
    if (link.out.kind !== 'open' || link.ended.signal.aborted) return
    const { stream } = link.out
    let moved = false
    try {
      while (link.queue.length > 0 && !stream.writableNeedsDrain && stream.writeBufferLength === 0) {
        const next = link.queue.shift()
        if (next === undefined) break
        link.queuedBytes -= next.length - FRAME_HEADER_BYTES
        moved = true
        stream.send(next)
      }
    } catch {
      this.endSoon(link)
      return
    }
    if (moved || link.queue.length === 0) {
      clearTimeout(link.stall)
      link.stall = undefined
    }
    if (link.queue.length > 0 && link.stall === undefined) {
      link.stall = setTimeout(() => this.end(link), LINK_STALL_MS)
      link.stall.unref()
    }
  }

  private rise(link: Link): void {
    if (link.up) return
    link.up = true
    this.init.onLink(link.peer, 'up')
  }

  /** Ends the link in a later turn: send() may be on the call stack, and arrived messages are delivered first. */
  private endSoon(link: Link): void {
    setImmediate(() => this.end(link))
  }

  /** Aborts both streams and reports `down`. Does nothing when the link has ended already. */
  private end(link: Link): void {
    if (link.ended.signal.aborted) return
    const reason = new Error('the link ended')
    link.ended.abort(reason)
    clearTimeout(link.stall)
    this.links.delete(link.peer)
    const streams = [link.in, link.out.kind === 'open' ? link.out.stream : undefined]
    link.in = undefined
    link.out = { kind: 'none' }
    for (const stream of streams) stream?.abort(reason)
    if (!this.closed) this.init.onLink(link.peer, 'down')
  }

  private notBefore(peer: NodeId, dialled: Address): number {
    const failure = this.failures.get(peer)
    return failure !== undefined && sameAddress(failure.address, dialled) ? failure.notBefore : 0
  }

  private failed({ id, address }: Contact): void {
    const before = this.failures.get(id)
    const count = before !== undefined && sameAddress(before.address, address) ? before.count + 1 : 1
    const pauseMs = Math.min(LINK_BACKOFF_MS_MAX, LINK_BACKOFF_MS_MIN * 2 ** (count - 1))
    this.failures.set(id, { address, count, notBefore: after(this.init.clock(), pauseMs) })
  }
}

async function* prepended(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  if (first.length > 0) yield first
  yield* rest
}
