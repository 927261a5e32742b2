/** Reads exact lengths from chunks of any size. One read at a time. */
import { EMPTY_BYTES } from '../../../base/bytes.ts'
import { endedEarly } from './chunk-reader.ts'

export class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>
  private rest: Uint8Array = EMPTY_BYTES

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  /**
   * Exactly `length` bytes, possibly a view of a chunk. Throws ShoalError 'unreachable' when the source ends before.
   */
  async read(length: number): Promise<Uint8Array> {
    const bytes = await this.readOrEnd(length)
    if (bytes === undefined) throw endedEarly()
    return bytes
  }

  /** As read, but undefined when the source ends before the first byte. */
  async readOrEnd(length: number): Promise<Uint8Array | undefined> {
    if (length <= this.rest.length) return this.take(length)
    if (this.rest.length === 0) {
      if (!(await this.pull())) return undefined
      if (length <= this.rest.length) return this.take(length)
    }
    // Untouched pages use no memory: a large stated length uses memory only as its bytes arrive.
    const bytes = Buffer.allocUnsafeSlow(length)
    for (let filled = 0; ;) {
      const part = this.take(Math.min(this.rest.length, length - filled))
      bytes.set(part, filled)
      filled += part.length
      if (filled === length) return bytes
      if (!(await this.pull())) throw endedEarly()
    }
  }

  /** Takes the bytes that arrived and were not read. */
  unread(): Uint8Array {
    return this.take(this.rest.length)
  }

  /** The unread bytes as chunks, until the source ends. */
  async *remaining(): AsyncGenerator<Uint8Array, void, undefined> {
    do {
      if (this.rest.length > 0) yield this.unread()
    } while (await this.pull())
  }

  private take(length: number): Uint8Array {
    const bytes = this.rest.subarray(0, length)
    this.rest = this.rest.subarray(length)
    return bytes
  }

  /** Waits for the next chunk that is not empty; false at the end of the source. */
  private async pull(): Promise<boolean> {
    for (;;) {
      const next = await this.source.next()
      if (next.done === true) return false
      this.rest = next.value
      if (this.rest.length > 0) return true
    }
  }
}
