/**
 * Holds the sender of a libp2p stream back while its reader has more than it wants. A stream that nobody reads is not held back by
 * itself: it must be paused before its buffer is full. And a pause while it resumes is undone by the end of the resume.
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

  /** To be called when bytes have arrived. */
  holdBack(): void {
    if (this.isFull() && this.readStatus === 'readable' && !this.resuming) this.stream.pause()
  }

  /** To be called when bytes were taken. */
  resume(): void {
    if (this.readStatus !== 'paused' || this.resuming) return
    this.resuming = true
    try {
      this.stream.resume()
    } catch {
      // Bytes that waited were given before the muxer was told; that it is gone shows as the end.
    }
    this.resuming = false
    // Not before: the stream hands out what it kept first and tells the muxer to go on after that, whatever was said meanwhile.
    this.holdBack()
  }

  private get readStatus(): string | undefined {
    return (this.stream as { readStatus?: string }).readStatus
  }
}
