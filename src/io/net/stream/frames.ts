/**
 * Reading and writing libp2p streams with a bound on what is in memory.
 *
 * Two traps of the library's streams are behind this, two more behind backpressure.ts. `onDrain` keeps its first promise for
 * ever, so it waits only once: here the 'drain' event is awaited, and again while bytes are left. And a 'close' can come while a
 * paused stream still has bytes.
 */
import type { MessageStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { concat, EMPTY_BYTES } from '../../../base/bytes.ts'
import { ShoalError } from '../../../base/errors.ts'
import { Backpressure } from './backpressure.ts'

export const FRAME_HEADER_BYTES = 4
/** Bytes that arrived and nobody asked for yet; above that the sender is held back. */
export const UNREAD_BYTES_MAX = 512 << 10

/** The stream ended or broke before what was asked for had arrived. */
function ended(cause?: unknown): ShoalError {
  return new ShoalError('unreachable', 'the stream ended early', { cause })
}

/**
 * Resolves when the muxer has taken all of `chunk` and wants more. At most one call at a time a stream. Throws when the
 * stream ends or the signal aborts; then it is not known how much was sent.
 */
export async function writeAll(stream: MessageStream, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (stream.send(chunk)) return
  while (stream.writableNeedsDrain || stream.writeBufferLength > 0) {
    if (stream.status !== 'open') throw ended()
    await drained(stream, signal)
  }
}

function drained(stream: MessageStream, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  const onDrain = (): void => resolve(undefined)
  const onClose = (event: StreamCloseEvent): void => reject(ended(event.error))
  const onAbort = (): void => reject(signal.reason as Error)
  stream.addEventListener('drain', onDrain)
  stream.addEventListener('close', onClose)
  signal.addEventListener('abort', onAbort)
  return promise.finally(() => {
    stream.removeEventListener('drain', onDrain)
    stream.removeEventListener('close', onClose)
    signal.removeEventListener('abort', onAbort)
  })
}

/** A length of 32 bits, then the payload. */
export function frame(payload: Uint8Array): Uint8Array {
  const head = new Uint8Array(FRAME_HEADER_BYTES)
  new DataView(head.buffer).setUint32(0, payload.length)
  return concat(head, payload)
}

/** The length that a frame's header says. */
export function frameLength(head: Uint8Array): number {
  return new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(0)
}

/** Takes chunks in and exact lengths out. What it gives may be a view of what it was given. */
export class ByteQueue {
  private readonly chunks: Uint8Array[] = []
  /** Bytes that wait. */
  length = 0

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.chunks.push(chunk)
    this.length += chunk.length
  }

  /** Undefined, and nothing taken, while fewer bytes wait. */
  take(length: number): Uint8Array | undefined {
    if (length > this.length) return undefined
    const parts: Uint8Array[] = []
    let missing = length
    while (missing > 0) {
      const first = this.chunks[0] ?? EMPTY_BYTES
      const part = first.subarray(0, missing)
      if (part.length === first.length) this.chunks.shift()
      else this.chunks[0] = first.subarray(part.length)
      parts.push(part)
      missing -= part.length
    }
    this.length -= length
    return parts.length === 1 ? parts[0] : concat(...parts)
  }
}

type End = { kind: 'clean' } | { kind: 'broken'; cause: unknown }

/** Reads exact lengths off a stream, and holds the sender back meanwhile. One read at a time. */
export class ByteReader {
  private readonly stream: MessageStream
  private readonly queue = new ByteQueue()
  private wantedBytes = 0
  private readonly backpressure: Backpressure
  private end: End | undefined
  private arrived = Promise.withResolvers<undefined>()

  constructor(stream: MessageStream) {
    this.stream = stream
    this.backpressure = new Backpressure(
      stream,
      () => this.queue.length >= Math.max(UNREAD_BYTES_MAX, this.wantedBytes)
    )
    stream.addEventListener('message', this.onMessage)
    stream.addEventListener('end', this.onEnd)
    stream.addEventListener('close', this.onClose)
    if (stream.readableEnded || stream.status === 'aborted' || stream.status === 'reset') this.finish(undefined)
  }

  /** Exactly `length` bytes. Throws ShoalError 'unreachable' when the stream ends before, or what the signal says. */
  async read(length: number, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.readOrEnd(length, signal)
    if (bytes === undefined) throw ended()
    return bytes
  }

  /** As read, but undefined when the stream ends in good order before the first byte. */
  async readOrEnd(length: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const onAbort = (): void => this.arrived.reject(signal.reason as Error)
    this.wantedBytes = length
    this.arrived = Promise.withResolvers()
    signal.addEventListener('abort', onAbort)
    try {
      for (;;) {
        signal.throwIfAborted()
        const bytes = this.queue.take(length)
        if (bytes !== undefined) return bytes
        if (this.end?.kind === 'clean' && this.queue.length === 0) return undefined
        if (this.end !== undefined) throw ended(this.end.kind === 'broken' ? this.end.cause : undefined)
        this.backpressure.resume()
        await this.arrived.promise
        this.arrived = Promise.withResolvers()
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.arrived.resolve(undefined)
      this.wantedBytes = 0
    }
  }

  /** Leaves the stream as if nothing had been read but what was: the next listener gets what is left. */
  release(): void {
    this.stream.removeEventListener('message', this.onMessage)
    this.stream.removeEventListener('end', this.onEnd)
    this.stream.removeEventListener('close', this.onClose)
    const rest = this.queue.take(this.queue.length) ?? EMPTY_BYTES
    const { readStatus } = this.stream as { readStatus?: string }
    if (rest.length > 0 && readStatus !== 'closed' && readStatus !== 'closing') this.stream.unshift(rest)
    this.backpressure.resume()
  }

  private readonly onMessage = (event: StreamMessageEvent): void => {
    if (event.data instanceof Uint8Array) this.queue.push(event.data)
    else for (const chunk of event.data) this.queue.push(chunk)
    this.backpressure.holdBack()
    if (this.queue.length >= this.wantedBytes) this.arrived.resolve(undefined)
  }

  private readonly onEnd = (): void => {
    this.finish(undefined)
  }

  private readonly onClose = (event: StreamCloseEvent): void => {
    // Bytes that a paused stream kept come out now, before the end.
    if (event.error === undefined) this.backpressure.resume()
    this.finish(event.error)
  }

  /** A reset tells 'end' too, before 'close': the status says which it was. */
  private finish(cause: unknown): void {
    const { status } = this.stream
    const broken = cause !== undefined || status === 'reset' || status === 'aborted'
    this.end ??= broken ? { kind: 'broken', cause } : { kind: 'clean' }
    this.arrived.resolve(undefined)
  }
}

/**
 * The payloads of the frames on a stream, in order, until it ends between two frames. Throws ShoalError 'limit' for a
 * frame of more than `maxBytes`, before it is read, and 'unreachable' for a stream that ends within one. A payload may be
 * a view of a larger buffer: copy what is kept for long.
 */
export async function* framed(
  stream: MessageStream,
  options: { maxBytes: number; signal: AbortSignal }
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(stream)
  try {
    for (;;) {
      const head = await reader.readOrEnd(FRAME_HEADER_BYTES, options.signal)
      if (head === undefined) return
      const length = frameLength(head)
      if (length > options.maxBytes) {
        throw new ShoalError('limit', `a frame of ${length} bytes, the limit is ${options.maxBytes}`)
      }
      yield await reader.read(length, options.signal)
    }
  } finally {
    reader.release()
  }
}
