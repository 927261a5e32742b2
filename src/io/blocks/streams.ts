/** What the block engine needs of the network, and how it reads a libp2p stream chunk by chunk while holding the sender back. */
import type { MessageStream, Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { NodeId } from '../../base/ids.ts'
import type { Address, Contact } from '../../wire/common.ts'
import { Backpressure } from '../net/stream/backpressure.ts'

/** Bytes of one stream that arrived and wait: above that the sender is held back. */
export const UNREAD_BYTES_MAX = 1 << 20

/** The part of the network that blocks and manifests need. */
export interface BlockNet {
  openStream(to: Contact, protocol: string, signal: AbortSignal): Promise<Stream>
  handle(
    protocol: string,
    handler: (peer: NodeId, stream: Stream) => void | Promise<void>,
    options?: { maxInbound?: number }
  ): Promise<void>
  addressOf(peer: NodeId): Address | undefined
}

/**
 * The chunks as they arrive, unchanged, until the stream ends in good order. Throws when it breaks or the signal aborts.
 * Listens from the call on: what arrives before the first chunk is asked for is not lost.
 */
export function chunksOf(stream: MessageStream, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  return drain(new Inbox(stream), signal)
}

async function* drain(inbox: Inbox, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const onAbort = (): void => {
    inbox.wake()
  }
  signal.addEventListener('abort', onAbort)
  try {
    for (;;) {
      signal.throwIfAborted()
      const chunk = inbox.take()
      if (chunk !== undefined) yield chunk
      else if (inbox.end === undefined) await inbox.more()
      else if (inbox.end.error !== undefined) throw inbox.end.error
      else return
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    inbox.detach()
  }
}

class Inbox {
  private readonly stream: MessageStream
  private chunks: Uint8Array[] = []
  private next = 0
  private bytes = 0
  private waiting: PromiseWithResolvers<void> | undefined
  private readonly backpressure: Backpressure
  end: { readonly error: Error | undefined } | undefined

  constructor(stream: MessageStream) {
    this.stream = stream
    this.backpressure = new Backpressure(stream, () => this.bytes >= UNREAD_BYTES_MAX)
    stream.addEventListener('message', this.onMessage)
    stream.addEventListener('end', this.onEnd)
    stream.addEventListener('close', this.onClose)
    if (stream.readableEnded) this.end = { error: undefined }
    else if (stream.status === 'aborted' || stream.status === 'reset')
      this.end = { error: new Error(`the stream was ${stream.status}`) }
  }

  take(): Uint8Array | undefined {
    const chunk = this.chunks[this.next]
    if (chunk === undefined) return undefined
    this.next++
    this.bytes -= chunk.length
    if (this.next === this.chunks.length) {
      this.chunks = []
      this.next = 0
    }
    // Before nothing is left: the sender would stand still until what it sends next is here.
    if (this.bytes <= UNREAD_BYTES_MAX / 2) this.backpressure.resume()
    return chunk
  }

  more(): Promise<void> {
    this.waiting = Promise.withResolvers()
    const { promise } = this.waiting
    this.backpressure.resume()
    return promise
  }

  wake(): void {
    this.waiting?.resolve()
    this.waiting = undefined
  }

  detach(): void {
    this.stream.removeEventListener('message', this.onMessage)
    this.stream.removeEventListener('end', this.onEnd)
    this.stream.removeEventListener('close', this.onClose)
  }

  private push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.chunks.push(chunk)
    this.bytes += chunk.length
  }

  private readonly onMessage = (event: StreamMessageEvent): void => {
    if (event.data instanceof Uint8Array) this.push(event.data)
    else for (const chunk of event.data) this.push(chunk)
    this.backpressure.holdBack()
    this.wake()
  }

  private readonly onEnd = (): void => {
    this.end ??= { error: undefined }
    this.wake()
  }

  private readonly onClose = (event: StreamCloseEvent): void => {
    // Bytes that a paused stream kept come out now, before the end.
    if (event.error === undefined) this.backpressure.resume()
    this.end ??= { error: event.error }
    this.wake()
  }
}

/** A signal that aborts after so long, or with the other one. */
export function within(ms: number, signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)])
}

/** A deadline for steps of one kind that follow each other: one timer and one signal for all of them. */
export class Watchdog {
  readonly signal: AbortSignal
  private readonly ms: number
  private readonly controller = new AbortController()
  private timer: NodeJS.Timeout | undefined

  constructor(ms: number, signal: AbortSignal) {
    this.ms = ms
    this.signal = AbortSignal.any([signal, this.controller.signal])
  }

  /** Runs a step, which must watch the signal. */
  async during<T>(step: () => Promise<T>): Promise<T> {
    this.timer ??= setTimeout(() => {
      this.controller.abort(new Error(`nothing moved for ${this.ms} ms`))
    }, this.ms)
    this.timer.refresh()
    try {
      return await step()
    } finally {
      clearTimeout(this.timer)
      this.timer = undefined
    }
  }
}
