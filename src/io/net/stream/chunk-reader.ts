/**
 * The only reader of libp2p streams. It listens from its construction on, keeps arriving chunks in order, and pauses
 * the sender while too many bytes are unread. All other readers (exact lengths, frames, messages) use its chunks.
 *
 * Two pitfalls of the library's streams: 'close' can be emitted while a paused stream still has buffered bytes, and a
 * reset emits 'end' before 'close', so only the status distinguishes it from a graceful end. backpressure.ts handles
 * two more.
 */
import type { MessageStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { joined } from '../../../base/bytes.ts'
import { ShoalError } from '../../../base/errors.ts'
import { Backpressure } from './backpressure.ts'

/** Unread bytes of one stream at which its sender is paused. */
export const UNREAD_BYTES_MAX = 1 << 20

type End = { kind: 'clean' } | { kind: 'broken'; cause: unknown }

/** The error for a stream that ended or broke before the expected bytes arrived. */
export function endedEarly(cause?: unknown): ShoalError {
  return new ShoalError('unreachable', 'the stream ended early', { cause })
}

export class ChunkReader {
  private readonly stream: MessageStream
  private readonly backpressure: Backpressure
  private queue: Uint8Array[] = []
  private next = 0
  private unreadBytes = 0
  private end: End | undefined
  private waiting: PromiseWithResolvers<undefined> | undefined

  constructor(stream: MessageStream) {
    this.stream = stream
    this.backpressure = new Backpressure(stream, () => this.unreadBytes >= UNREAD_BYTES_MAX)
    stream.addEventListener('message', this.onMessage)
    stream.addEventListener('end', this.onEnd)
    stream.addEventListener('close', this.onClose)
    if (stream.readableEnded || isBroken(stream)) this.finish(undefined)
  }

  /**
   * The chunks as they arrive, until the peer closes the stream. Throws ShoalError 'unreachable' when the stream
   * breaks, or the signal's reason. One consumer at a time; a later call continues where the previous one stopped.
   */
  async *chunks(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const onAbort = (): void => this.wake()
    signal?.addEventListener('abort', onAbort)
    try {
      for (;;) {
        signal?.throwIfAborted()
        const chunk = this.take()
        if (chunk !== undefined) yield chunk
        else if (this.end === undefined) await this.more()
        else if (this.end.kind === 'broken') throw endedEarly(this.end.cause)
        else return
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Stops listening and returns `first` and the unread bytes to the stream, for the next listener. */
  release(first: Uint8Array): void {
    this.stream.removeEventListener('message', this.onMessage)
    this.stream.removeEventListener('end', this.onEnd)
    this.stream.removeEventListener('close', this.onClose)
    const unread = joined([first, ...this.queue.slice(this.next)])
    this.queue = []
    this.next = 0
    this.unreadBytes = 0
    const { readStatus } = this.stream as { readStatus?: string }
    if (unread.length > 0 && readStatus !== 'closed' && readStatus !== 'closing') this.stream.unshift(unread)
    this.backpressure.resume()
  }

  private take(): Uint8Array | undefined {
    const chunk = this.queue[this.next]
    if (chunk === undefined) return undefined
    this.next++
    this.unreadBytes -= chunk.length
    if (this.next === this.queue.length) {
      this.queue = []
      this.next = 0
    }
    // Resume while half of the limit is still unread, so that the reader does not run dry for a round trip.
    if (this.unreadBytes <= UNREAD_BYTES_MAX / 2) this.backpressure.resume()
    return chunk
  }

  private more(): Promise<undefined> {
    this.waiting = Promise.withResolvers()
    const { promise } = this.waiting
    this.backpressure.resume()
    return promise
  }

  private wake(): void {
    this.waiting?.resolve(undefined)
    this.waiting = undefined
  }

  private push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.queue.push(chunk)
    this.unreadBytes += chunk.length
  }

  private readonly onMessage = (event: StreamMessageEvent): void => {
    if (event.data instanceof Uint8Array) this.push(event.data)
    else for (const chunk of event.data) this.push(chunk)
    this.backpressure.holdBack()
    this.wake()
  }

  private readonly onEnd = (): void => {
    this.finish(undefined)
  }

  private readonly onClose = (event: StreamCloseEvent): void => {
    // Resuming a paused stream emits its buffered bytes before the end is recorded.
    if (event.error === undefined) this.backpressure.resume()
    this.finish(event.error)
  }

  private finish(cause: unknown): void {
    const broken = cause !== undefined || isBroken(this.stream)
    this.end ??= broken ? { kind: 'broken', cause } : { kind: 'clean' }
    this.wake()
  }
}

function isBroken({ status }: MessageStream): boolean {
  return status === 'reset' || status === 'aborted'
}
