/** Frames on a stream: a 32-bit length, then the payload. */
import { concat } from '../../../base/bytes.ts'
import { ShoalError } from '../../../base/errors.ts'
import { ByteReader } from './byte-reader.ts'

export const FRAME_HEADER_BYTES = 4

export function frame(payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, payload.length)
  return concat(header, payload)
}

/**
 * A pipeline stage that turns chunks into the payloads of frames, until the source ends between two frames. Throws
 * ShoalError 'limit' for a frame of more than `maxBytes`, before it is read, and 'unreachable' when the source ends
 * within a frame. A payload may be a view of a larger buffer: copy it if it is kept for long.
 */
export function frames({ maxBytes }: { maxBytes: number }) {
  return async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = new ByteReader(source)
    for (;;) {
      const header = await reader.readOrEnd(FRAME_HEADER_BYTES)
      if (header === undefined) return
      const length = frameLength(header)
      if (length > maxBytes) throw new ShoalError('limit', `a frame of ${length} bytes, the limit is ${maxBytes}`)
      yield await reader.read(length)
    }
  }
}

/** The length that a frame's header states. */
export function frameLength(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(0)
}
