/** A pool of buffers of one size. At hundreds of megabytes a second the garbage collector would not keep up. */

/** Bytes of unused buffers in the pool. */
const KEPT_BYTES_MAX = 8 << 20
/**
 * Requests up to 1/SMALL_PART of the size are allocated anew: that is cheap, and a pooled buffer would be mostly
 * unused.
 */
const SMALL_PART = 4

export class BufferPool {
  private readonly bytes: number
  private readonly free: Buffer[] = []

  constructor(bytes: number) {
    this.bytes = bytes
  }

  /** A buffer of `length` bytes, uninitialised. */
  take(length: number): Buffer {
    if (length > this.bytes || length <= this.bytes / SMALL_PART) return Buffer.allocUnsafe(length)
    return (this.free.pop() ?? Buffer.allocUnsafeSlow(this.bytes)).subarray(0, length)
  }

  /** Returns a buffer to the pool. The caller must not use it afterwards. */
  give(buffer: Buffer): void {
    const { buffer: whole } = buffer
    if (whole.byteLength !== this.bytes || this.free.length * this.bytes >= KEPT_BYTES_MAX) return
    this.free.push(Buffer.from(whole))
  }
}
