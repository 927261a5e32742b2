/**
 * A stream of bytes to one peer, in both directions, ordered and lossless until it ends. This interface is what the rest of
 * the program sees: the types of libp2p stay inside io/net.
 */
import type { Stream } from '@libp2p/interface'
import { ChunkReader } from './chunk-reader.ts'
import { writeAll } from './write.ts'

export interface ByteStream {
  /** False once either side closed or aborted it. */
  readonly isOpen: boolean
  /**
   * The chunks as they arrive, until the peer ends the stream in good order. Throws ShoalError 'unreachable' when the stream
   * breaks, or the signal's reason. Nothing that arrives before the call is lost; a sender is held back while much is unread.
   */
  chunks(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined>
  /** Resolves when there is room for more. Throws ShoalError 'unreachable' or the signal's reason. One call at a time. */
  write(chunk: Uint8Array, signal: AbortSignal): Promise<void>
  /** Resolves when everything written was sent and the peer knows that no more comes. */
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
