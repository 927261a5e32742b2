/** How a writer waits, on a stream that behaves like the library's streams with a slow peer. */
import type { MessageStream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { writeAll } from '../../../../../src/io/net/stream/write.ts'

/** Accepts `room` bytes. Emits 'drain' even when only other streams of the connection can continue. */
class SlowStream extends EventTarget {
  status = 'open'
  writableNeedsDrain = false
  writeBufferLength = 0
  room = 0

  send(chunk: Uint8Array): boolean {
    this.writeBufferLength += chunk.length
    return this.flush()
  }

  /** The connection can send again: `bytes` of this stream. */
  drain(bytes: number): void {
    this.room += bytes
    this.writableNeedsDrain = false
    this.dispatchEvent(new Event('drain'))
    this.flush()
  }

  private flush(): boolean {
    const taken = Math.min(this.room, this.writeBufferLength)
    this.room -= taken
    this.writeBufferLength -= taken
    this.writableNeedsDrain = this.writeBufferLength > 0
    return !this.writableNeedsDrain
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function writing(room: number): { slow: SlowStream; outcome: () => string; stop: AbortController } {
  const slow = new SlowStream()
  slow.room = room
  const stop = new AbortController()
  let outcome = 'waits'
  writeAll(slow as unknown as MessageStream, new Uint8Array(100), stop.signal).then(
    () => (outcome = 'written'),
    (error: unknown) => (outcome = error instanceof Error ? error.message : String(error))
  )
  return { slow, outcome: () => outcome, stop }
}

describe('a write', () => {
  it('resolves at once when the stream accepts all bytes', async () => {
    const { outcome } = writing(100)
    await turn()
    expect(outcome()).toBe('written')
  })

  it('waits through every drain until its last byte is accepted', async () => {
    const { slow, outcome } = writing(10)
    for (const bytes of [0, 0, 30, 59]) {
      slow.drain(bytes)
      await turn()
      expect(outcome()).toBe('waits')
    }
    slow.drain(1)
    await turn()
    expect(outcome()).toBe('written')
  })

  it('rejects when the stream closes and when the signal aborts', async () => {
    const first = writing(10)
    first.slow.status = 'closed'
    first.slow.dispatchEvent(new Event('close'))
    const second = writing(10)
    second.stop.abort(new Error('enough'))
    await turn()
    expect([first.outcome(), second.outcome()]).toEqual(['the stream ended early', 'enough'])
  })
})
