/** Streams between two real nodes: order, ends, and memory use with a slow reader. */
import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../src/base/random.ts'
import type { ByteStream } from '../../../src/io/net/stream/byte-stream.ts'
import { UNREAD_BYTES_MAX } from '../../../src/io/net/stream/chunk-reader.ts'
import { frame, frames } from '../../../src/io/net/stream/frames.ts'
import { STREAM_WINDOW_BYTES_MAX, STREAM_WINDOW_BYTES_MIN } from '../../../src/io/net/host.ts'
import { startNode, type Node } from './shoal.ts'

const PROTOCOL = '/test/frames/1'
const CHUNK = 64 << 10
const signal = AbortSignal.timeout(120_000)

/** The two ends of one stream; the acceptor's comes first. */
async function streamBetween(a: Node, b: Node, protocol = PROTOCOL): Promise<[ByteStream, ByteStream]> {
  const accepted = Promise.withResolvers<ByteStream>()
  await b.net.handle(protocol, (_, stream) => accepted.resolve(stream))
  const opened = await a.net.openStream(b.contact, protocol, signal)
  return [await accepted.promise, opened]
}

/** The library's stream, for counters that only it has. */
function inner(stream: ByteStream): Stream {
  return (stream as unknown as { stream: Stream }).stream
}

function framed(stream: ByteStream, options: { maxBytes: number; signal: AbortSignal }): AsyncGenerator<Uint8Array> {
  return pipe(stream.chunks(options.signal), frames(options))
}

describe('frames', () => {
  it('arrive as sent, whatever their lengths, until the stream ends', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const [reader, writer] = await streamBetween(a, b)
    const random = Random.from('frames')
    const sent = [0, 1, 70_000, 300_000, 0, 1 << 20, 5].map(length => random.bytes(length))
    const write = async (): Promise<void> => {
      for (const payload of sent) await writer.write(frame(payload), signal)
      await writer.close(signal)
    }
    const written = write()
    const got: Uint8Array[] = []
    for await (const payload of framed(reader, { maxBytes: 1 << 20, signal })) got.push(payload.slice())
    await written
    expect(got.map(one => one.length)).toEqual(sent.map(one => one.length))
    expect(got.every((one, i) => Buffer.compare(one, sent[i]!) === 0)).toBe(true)
  })

  it('over the limit are refused before they are read', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const [reader, writer] = await streamBetween(a, b)
    await writer.write(frame(new Uint8Array(1_001)), signal)
    const read = framed(reader, { maxBytes: 1_000, signal }).next()
    await expect(read).rejects.toMatchObject({ code: 'limit' })
  })

  it('that are cut short are refused', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const [reader, writer] = await streamBetween(a, b)
    await writer.write(frame(new Uint8Array(1_000)).subarray(0, 500), signal)
    await writer.close(signal)
    await expect(framed(reader, { maxBytes: 1_000, signal }).next()).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('end when the stream is reset and when the signal aborts', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const [reader, writer] = await streamBetween(a, b)
    const read = framed(reader, { maxBytes: 1_000, signal }).next()
    writer.abort(new Error('enough'))
    await expect(read).rejects.toMatchObject({ code: 'unreachable' })

    const [second] = await streamBetween(a, b, '/test/second/1')
    const stop = new AbortController()
    const waiting = framed(second, { maxBytes: 1_000, signal: stop.signal }).next()
    stop.abort(new Error('no more'))
    await expect(waiting).rejects.toThrow('no more')
  })
})

describe('credit for a sender', () => {
  const MESSAGE = frame(new Uint8Array(1_000))
  const QUARTER = STREAM_WINDOW_BYTES_MIN / 4

  it.each([
    ['is not sent for each message', Math.floor(QUARTER / 2 / MESSAGE.length), [1, QUARTER]],
    ['is sent when a quarter of the window is used', Math.ceil(QUARTER / MESSAGE.length), [0, MESSAGE.length]]
  ])('%s', async (_claim, messages, [least, most]) => {
    const [a, b] = [await startNode(), await startNode()]
    const [reader, writer] = await streamBetween(a, b)
    const window = inner(writer) as unknown as { sendWindowCapacity: number }
    const grantedBytes = window.sendWindowCapacity
    const got = framed(reader, { maxBytes: 1 << 20, signal })
    let updates = 0
    for (let i = 0; i < messages; i++) {
      const beforeBytes = window.sendWindowCapacity
      await writer.write(MESSAGE, signal)
      await got.next()
      if (window.sendWindowCapacity > beforeBytes - MESSAGE.length) updates++
    }
    await sleep(50)
    const usedBytes = Math.max(0, grantedBytes - window.sendWindowCapacity)
    expect(usedBytes).toBeGreaterThanOrEqual(least!)
    expect(usedBytes).toBeLessThanOrEqual(most!)
    expect(updates).toBeLessThanOrEqual(1)
  })
})

describe('a reader that reads nothing', () => {
  it('pauses the writer, bounds the memory, and loses nothing', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const [reader, writer] = await streamBetween(a, b)
    const arriving = framed(reader, { maxBytes: CHUNK, signal })
    await writer.write(frame(new Uint8Array(1)), signal)
    expect((await arriving.next()).value).toHaveLength(1)

    const payload = frame(new Uint8Array(CHUNK - 4))
    expect(payload.length).toBe(CHUNK)
    let written = 0
    let stopped = false
    const write = async (): Promise<void> => {
      while (!stopped) {
        await writer.write(payload, signal)
        written += payload.length
      }
      await writer.close(signal)
    }
    const writing = write()
    for (let turn = 0, moved = 0; turn < moved + 500; turn++) {
      const before = written
      await new Promise(resolve => setImmediate(resolve))
      if (written !== before) moved = turn
    }
    expect(written).toBeLessThanOrEqual(UNREAD_BYTES_MAX + 2 * STREAM_WINDOW_BYTES_MAX)
    expect(inner(writer).writeBufferLength).toBeLessThanOrEqual(CHUNK)
    expect(inner(reader).readBufferLength).toBeLessThanOrEqual(STREAM_WINDOW_BYTES_MAX)
    stopped = true
    let read = 0
    for await (const one of arriving) read += one.length + 4
    await writing
    expect(read).toBe(written)
  })
})
