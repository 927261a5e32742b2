/**
 * Pauses a libp2p stream while its reader has too many unread bytes. The library does not pause a stream by itself:
 * without a pause its buffer overflows. A pause during `resume()` is undone when the resume ends, so it is delayed
 * until then.
 */
import type { MessageStream } from '@libp2p/interface'

export class Backpressure {
  private readonly stream: MessageStream
  private readonly isFull: () => boolean
  private resuming = false

  constructor(stream: MessageStream, isFull: () => boolean) {
    this.stream = stream
    this.isFull = isFull
  }

  /** Call when bytes have arrived. */
  holdBack(): void {
    if (this.isFull() && this.readStatus === 'readable' && !this.resuming) this.stream.pause()
  }

  /** Call when bytes were read. */
  resume(): void {
    if (this.readStatus !== 'paused' || this.resuming) return
    this.resuming = true
    try {
      this.stream.resume()
    } catch {
      // The stream emits its buffered bytes before it calls the muxer. A closed muxer throws, and the 'close' event
      // follows.
    }
    this.resuming = false
    // Only now: the stream emits its buffered bytes first and then resumes the muxer, even if it was paused in between.
    this.holdBack()
  }

  private get readStatus(): string | undefined {
    return (this.stream as { readStatus?: string }).readStatus
  }
}
