/** Backpressure of a reader, on a stream that pauses and resumes like the library's streams. */
import type { MessageStream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../../../../src/io/net/stream/byte-reader.ts'
import { ChunkReader, UNREAD_BYTES_MAX } from '../../../../../src/io/net/stream/chunk-reader.ts'
import { KeepingStream } from '../../keeping-stream.ts'

const CHUNK_BYTES = UNREAD_BYTES_MAX / 4

function reading(): { stream: KeepingStream; next: () => Promise<number> } {
  const stream = new KeepingStream()
  const reader = new ChunkReader(stream as unknown as MessageStream)
  const chunks = reader.chunks(AbortSignal.timeout(10_000))
  const next = async (): Promise<number> => {
    const chunk = await chunks.next()
    return chunk.done === true ? 0 : chunk.value.length
  }
  return { stream, next }
}

describe('a slow reader', () => {
  it('pauses the sender at the limit, and resumes it before all bytes are read', async () => {
    const { stream, next } = reading()
    stream.arrive(4, CHUNK_BYTES)
    expect(stream.flowing).toBe(false)
    await next()
    expect(stream.flowing).toBe(false)
    await next()
    expect(stream.flowing).toBe(true)
  })

  it('pauses the sender again when the bytes buffered by the stream reach the limit', async () => {
    const { stream, next } = reading()
    stream.arrive(4, CHUNK_BYTES)
    stream.arrive(4, CHUNK_BYTES)
    for (let i = 0; i < 8; i++) {
      expect(await next()).toBe(CHUNK_BYTES)
      // A sender that sends while the stream is paused overflows its buffer.
      expect(stream.flowing).toBe(stream.readStatus === 'readable')
    }
    expect(stream.flowing).toBe(true)
  })
})

describe('a reader of exact lengths', () => {
  it('pauses the sender while it reads lengths of half the limit', async () => {
    const stream = new KeepingStream()
    const chunks = new ChunkReader(stream as unknown as MessageStream)
    const reader = new ByteReader(chunks.chunks(AbortSignal.timeout(10_000)))
    const half = UNREAD_BYTES_MAX / 2
    stream.arrive(2, half)
    stream.arrive(3, half)
    for (let i = 0; i < 5; i++) {
      expect(await reader.read(half)).toHaveLength(half)
      // A sender that sends while the stream is paused overflows its buffer.
      expect(stream.flowing).toBe(stream.readStatus === 'readable')
    }
  })

  it('returns unread bytes to the stream in order', async () => {
    const stream = new KeepingStream()
    const given: Uint8Array[] = []
    Object.assign(stream, { unshift: (bytes: Uint8Array) => given.push(bytes) })
    const chunks = new ChunkReader(stream as unknown as MessageStream)
    const reader = new ByteReader(chunks.chunks())
    stream.dispatchEvent(Object.assign(new Event('message'), { data: [Uint8Array.of(1, 2, 3), Uint8Array.of(4)] }))
    expect(await reader.read(2)).toEqual(Uint8Array.of(1, 2))
    chunks.release(reader.unread())
    expect(given).toEqual([Uint8Array.of(3, 4)])
  })
})

describe('the end of a stream', () => {
  it.each([
    ['by a close is no error', 'closed', 'ends'],
    ['by a reset, which also emits end, is an error', 'reset', 'unreachable']
  ])('%s', async (_claim, status, outcome) => {
    const stream = new KeepingStream()
    const chunks = new ChunkReader(stream as unknown as MessageStream)
    stream.status = status
    stream.dispatchEvent(new Event('end'))
    const read = chunks.chunks().next()
    if (outcome === 'ends') expect(await read).toMatchObject({ done: true })
    else await expect(read).rejects.toMatchObject({ code: outcome })
  })
})
