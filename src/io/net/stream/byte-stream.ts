/**
 * A stream of bytes to one peer, in both directions, ordered and lossless until it ends. Code outside io/net uses this
 * interface and never libp2p's types.
 */
import type { Stream } from '@libp2p/interface'
import { ChunkReader } from './chunk-reader.ts'
import { writeAll } from './write.ts'

export interface ByteStream {
  /** False once either side closed or aborted it. */
  readonly isOpen: boolean
  /**
   * The chunks as they arrive, until the peer closes the stream. Throws ShoalError 'unreachable' when the stream
   * breaks, or the signal's reason. Bytes that arrive before the call are kept. The sender is paused while too many
   * bytes are unread.
   */
  chunks(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined>
  /**
   * Resolves when the stream can take more. Throws ShoalError 'unreachable' or the signal's reason. One call at a time.
   */
  write(chunk: Uint8Array, signal: AbortSignal): Promise<void>
  /** Resolves when all written bytes and the end of the stream were sent. */
  close(signal: AbortSignal): Promise<void>
  /** Ends both directions at once; unsent bytes are lost. */
  abort(reason: Error): void
}

export class Libp2pByteStream implements ByteStream {
  private readonly stream: Stream
  private readonly reader: ChunkReader

  constructor(stream: Stream) {
    this.stream = stream
    this.reader = new ChunkReader(stream)
  }

  get isOpen(): boolean {
    return this.stream.status === 'open'
  }

  chunks(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    return this.reader.chunks(signal)
  }

  write(chunk: Uint8Array, signal: AbortSignal): Promise<void> {
    return writeAll(this.stream, chunk, signal)
  }

  close(signal: AbortSignal): Promise<void> {
    return this.stream.close({ signal })
  }

  abort(reason: Error): void {
    this.stream.abort(reason)
  }
}
