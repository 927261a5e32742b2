/** Buffers of one size that are used again: at hundreds of megabytes a second the collector would not keep up with them. */

/** Kept for the next one. */
const KEPT_BYTES_MAX = 8 << 20
/** Smaller ones are cheap to make, and would waste most of a large one. */
const SMALL_PART = 4

export class BufferPool {
  private readonly bytes: number
  private readonly free: Buffer[] = []

  constructor(bytes: number) {
    this.bytes = bytes
  }

  /** `length` bytes, uninitialised. */
  take(length: number): Buffer {
    if (length > this.bytes || length <= this.bytes / SMALL_PART) return Buffer.allocUnsafe(length)
    return (this.free.pop() ?? Buffer.allocUnsafeSlow(this.bytes)).subarray(0, length)
  }

  /** Nobody uses it any more. */
  give(buffer: Buffer): void {
    const { buffer: whole } = buffer
    if (whole.byteLength !== this.bytes || this.free.length * this.bytes >= KEPT_BYTES_MAX) return
    this.free.push(Buffer.from(whole))
  }
}
