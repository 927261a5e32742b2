/** How a reader holds a sender back, on a stream that pauses and resumes as the library's do. */
import type { MessageStream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { chunksOf, UNREAD_BYTES_MAX } from '../../../../src/io/blocks/streams.ts'
import { KeepingStream } from '../keeping-stream.ts'

const CHUNK_BYTES = UNREAD_BYTES_MAX / 4

function reading(): { stream: KeepingStream; next: () => Promise<number> } {
  const stream = new KeepingStream()
  const chunks = chunksOf(stream as unknown as MessageStream, AbortSignal.timeout(10_000))
  const next = async (): Promise<number> => {
    const chunk = await chunks.next()
    return chunk.done === true ? 0 : chunk.value.length
  }
  return { stream, next }
}

describe('a reader that is slow', () => {
  it('holds the sender back at its bound, and lets it go on before nothing is left', async () => {
    const { stream, next } = reading()
    stream.arrive(4, CHUNK_BYTES)
    expect(stream.flowing).toBe(false)
    await next()
    expect(stream.flowing).toBe(false)
    await next()
    expect(stream.flowing).toBe(true)
  })

  it('holds the sender back when what the stream had kept fills it again', async () => {
    const { stream, next } = reading()
    stream.arrive(4, CHUNK_BYTES)
    stream.arrive(4, CHUNK_BYTES)
    for (let i = 0; i < 8; i++) {
      expect(await next()).toBe(CHUNK_BYTES)
      // A sender that goes on while the stream is paused fills it until it breaks.
      expect(stream.flowing).toBe(stream.readStatus === 'readable')
    }
    expect(stream.flowing).toBe(true)
  })
})
