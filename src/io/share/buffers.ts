/** Buffers of one size that are used again: memory for reading stays what a few reads take, whenever garbage is collected. */
import { LEAF_BYTES } from '../../wire/bittorrent/layout.ts'
import { assert } from '../../base/assert.ts'

export class ReadBuffers {
  /** Whole leaves. */
  readonly bytes: number
  private readonly free: Buffer[] = []

  constructor(bytes: number) {
    assert(bytes > 0 && bytes % LEAF_BYTES === 0, 'a buffer holds whole leaves')
    this.bytes = bytes
  }

  /** What it holds is anything. */
  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(this.bytes)
  }

  /** Nobody may use it any more. */
  give(buffer: Buffer): void {
    this.free.push(buffer)
  }
}
