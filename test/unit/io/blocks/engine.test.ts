import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { expectDefined } from '../../../../src/base/assert.ts'
import type { Partial as PartialResult, RequestId } from '../../../../src/core/exchange/contract.ts'
import type { Result } from '../../../../src/core/machine.ts'
import { STREAMS_PER_PEER_MAX, UNEXPECTED_BYTES_MAX } from '../../../../src/io/blocks/receiver.ts'
import { UPLOADS_PER_PEER_MAX, type LeafSource } from '../../../../src/io/blocks/uploader.ts'
import type { ByteStream } from '../../../../src/io/net/stream/byte-stream.ts'
import { BLOCKS_PROTOCOL, frameHead } from '../../../../src/wire/blocks.ts'
import { encode } from '../../../../src/wire/codec/codec.ts'
import { LEAF_BYTES, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { bytesOf, leafHashesOf, makeContent, randomBytes, type Made } from '../store/contents.ts'
import { begin, connect, share, startNode, transfer, want, type Node } from './nodes.ts'

const PIECE = 256 << 10
const LEAVES = PIECE / LEAF_BYTES
const P = (piece: number): PieceIndex => piece as PieceIndex
const R = (request: number): RequestId => request as RequestId
const signal = new AbortController().signal

const partPath = (node: Node): string => join(node.place.target, 'big.bin.part')
const writtenOf = (result: Result): number[] => [...(result as unknown as { value: PartialResult }).value.written]

function content(pieces = 4): Made {
  return makeContent('big.bin', { 'big.bin': { bytes: randomBytes('big', pieces * PIECE - 5_000) } }, PIECE)
}

/** An uploader, and a downloader that has prepared the content. `corrupt` wraps the uploader's store. */
async function pair(
  made: Made,
  corrupt?: (real: LeafSource) => Partial<LeafSource>
): Promise<{ seed: Node; leech: Node }> {
  const holder: { source?: LeafSource } = {}
  const source = (): LeafSource => expectDefined(holder.source, 'the uploader has started')
  const seed = await startNode({
    source: {
      read: (...args) => source().read(...args),
      leafHashesToSend: (...args) => source().leafHashesToSend(...args),
      layout: id => source().layout(id)
    }
  })
  const { store } = seed.place
  const real: LeafSource = {
    read: (...args) => store.read(...args),
    leafHashesToSend: (...args) => store.leafHashesToSend(...args),
    layout: id => store.layout(id)
  }
  holder.source = { ...real, ...corrupt?.(real) }
  const leech = await startNode()
  await share(seed, made)
  await want(leech, made)
  await connect(seed, leech)
  return { seed, leech }
}

/** Flips one bit of one leaf. */
function flipping(which: { piece: number; leaf: number }): (real: LeafSource) => Partial<LeafSource> {
  return real => ({
    read: async (id, range, into) => {
      const result = await real.read(id, range, into)
      const at = (which.leaf - range.leafStart) * LEAF_BYTES
      if (range.piece === which.piece && at >= 0 && at < into.length) into[at] = (into[at] ?? 0) ^ 1
      return result
    }
  })
}

describe('the block engine', () => {
  it('transfers a complete content from one node to another', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    for (let piece = 0; piece < made.layout.pieces; piece++) {
      expect(await transfer(seed, leech, made, { piece })).toEqual({ up: { ok: true }, down: { ok: true } })
    }
    for (const kind of ['sync', 'finish', 'close'] as const)
      expect(await leech.run({ kind, content: made.id })).toEqual({ ok: true })
    expect(readFileSync(join(leech.place.target, 'big.bin')).equals(expectDefined(made.files[0], 'a file'))).toBe(true)
    const moved = made.layout.bytes + made.layout.leaves * 32
    expect(leech.engine.traffic.ofPeer(seed.id).downBytes).toBe(moved)
    expect(seed.engine.traffic.ofContent(made.id).upBytes).toBe(moved)
    expect(leech.engine.traffic.unexpectedBytes).toBe(0)
    expect(seed.uploads.map(({ range }) => [range.piece, range.leafCount])).toEqual(
      [...Array(4).keys()].map(piece => [piece, 16])
    )
  })

  it('serves leaves of an incomplete piece, with the leaf hashes', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const third = await startNode()
    await want(third, made)
    await connect(leech, third)
    const part = { piece: 1, leafStart: 3, leafCount: 2 }
    expect((await transfer(seed, leech, made, part)).down).toEqual({ ok: true })
    expect((await transfer(leech, third, made, part)).down).toEqual({ ok: true })
    const there = readFileSync(partPath(third)).subarray(PIECE + 3 * LEAF_BYTES)
    expect(there.equals(bytesOf(made, 1, 3, 2))).toBe(true)
  })

  it('reports a wrong leaf, keeps the leaves before it, and drops those after it', async () => {
    const made = content()
    const { seed, leech } = await pair(made, flipping({ piece: 2, leaf: 5 }))
    const { down } = await transfer(seed, leech, made, { piece: 2 })
    expect(down).toMatchObject({ ok: false, reason: 'bad-leaf' })
    expect(writtenOf(down)).toEqual([0, 1, 2, 3, 4])
    const there = readFileSync(partPath(leech))
    expect(there.length).toBe(2 * PIECE + 5 * LEAF_BYTES)
    expect(there.subarray(2 * PIECE).equals(bytesOf(made, 2, 0, 5))).toBe(true)
    expect((await transfer(seed, leech, made, { piece: 0 })).down).toEqual({ ok: true })
  })

  it('refuses leaf hashes that are not those of the piece', async () => {
    const made = content()
    const { seed, leech } = await pair(made, () => ({ leafHashesToSend: () => Promise.resolve(leafHashesOf(made, 1)) }))
    expect((await transfer(seed, leech, made, { piece: 0 })).down).toMatchObject({ ok: false, reason: 'bad-leaf' })
    expect(existsSync(partPath(leech))).toBe(false)
  })

  it('needs the leaf hashes once per piece, and refuses leaves without them', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    expect((await transfer(seed, leech, made, { piece: 0, leafCount: 1 })).down).toEqual({ ok: true })
    expect((await transfer(seed, leech, made, { piece: 0, leafStart: 1, hashes: false })).down).toEqual({ ok: true })
    const without = await transfer(seed, leech, made, { piece: 1, hashes: false })
    expect(without.down).toMatchObject({ ok: false, reason: 'refused' })
    expect(writtenOf(without.down)).toEqual([])
  })

  it('answers a forgotten request at once, and does not count its late bytes as unexpected', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const { request, up, down } = begin(seed, leech, made, { piece: 0 })
    expect(await leech.run({ kind: 'forget', peer: seed.id, request })).toEqual({ ok: true })
    expect(await down).toMatchObject({ ok: false, reason: 'forgotten' })
    expect(await up).toEqual({ ok: true })
    expect((await transfer(seed, leech, made, { piece: 1 })).down).toEqual({ ok: true })
    expect(leech.engine.traffic.unexpectedBytes).toBe(0)
  })

  it('stops an upload before its turn', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const first = begin(seed, leech, made, { piece: 0 })
    const second = begin(seed, leech, made, { piece: 1 })
    expect(await seed.run({ kind: 'stop-upload', peer: leech.id, request: second.request })).toEqual({ ok: true })
    expect(await second.up).toEqual({ ok: false, reason: 'stopped' })
    expect(await first.down).toEqual({ ok: true })
    await leech.run({ kind: 'forget', peer: seed.id, request: second.request })
    expect(await second.down).toMatchObject({ ok: false, reason: 'forgotten' })
  })

  it('finishes a small upload before a large one that began earlier', async () => {
    const made = makeContent('big.bin', { 'big.bin': { bytes: randomBytes('big', 8 << 20) } }, 8 << 20)
    const { seed, leech } = await pair(made)
    const order: string[] = []
    const large = begin(seed, leech, made, { piece: 0, leafCount: 500 })
    const small = begin(seed, leech, made, { piece: 0, leafStart: 500, leafCount: 1 })
    await Promise.all([large.down.then(() => order.push('large')), small.down.then(() => order.push('small'))])
    expect(order).toEqual(['small', 'large'])
    expect([await large.down, await small.down]).toEqual([{ ok: true }, { ok: true }])
  })

  it('limits the waiting uploads of one peer', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const range = { piece: P(0), leafStart: 0, leafCount: 1 }
    const results = Array.from({ length: UPLOADS_PER_PEER_MAX + 1 }, (_, n) =>
      seed.run({ kind: 'upload', peer: leech.id, request: R(n), content: made.id, range, hashes: false })
    )
    expect(await results.at(-1)).toEqual({ ok: false, reason: 'stopped' })
    seed.engine.peerDown(leech.id)
    expect((await Promise.all(results.slice(0, -1))).filter(result => !result.ok && result.reason !== 'link')).toEqual(
      []
    )
  })

  it('fails the request on both ends when the shared file has changed', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    writeFileSync(join(seed.place.folder, 'big.bin'), 'another')
    const { up, down } = await transfer(seed, leech, made, { piece: 0 })
    expect(up).toEqual({ ok: false, reason: 'changed' })
    expect(down).toMatchObject({ ok: false, reason: 'refused' })
  })

  it('answers a request once when its last write fails or the store rejects', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const { store } = leech.place
    const failures: Array<() => Promise<Result>> = [
      () => Promise.resolve({ ok: false, reason: 'disk-full' }),
      () => Promise.reject(new Error('a fault of the store'))
    ]
    for (const [piece, fails] of failures.entries()) {
      const write = vi.spyOn(store, 'write').mockImplementation(fails)
      // One frame: its only write is also the last. A second answer throws (nodes.ts).
      const { down } = await transfer(seed, leech, made, { piece, leafCount: 4 })
      expect(down).toMatchObject({ ok: false, reason: piece === 0 ? 'disk-full' : 'disk' })
      write.mockRestore()
      expect((await transfer(seed, leech, made, { piece })).down).toEqual({ ok: true })
    }
    const keep = vi.spyOn(store, 'keepLeafHashes').mockImplementation(() => Promise.reject(new Error('a fault')))
    const { down } = await transfer(seed, leech, made, { piece: 3 })
    expect(down).toMatchObject({ ok: false, reason: 'disk' })
    keep.mockRestore()
  })

  it('answers every upload when all reads ahead fail at once', async () => {
    const made = content()
    const broken = (): Promise<never> => Promise.reject(new Error('a fault of the store'))
    const { seed, leech } = await pair(made, () => ({ layout: broken, leafHashesToSend: broken }))
    const all = [0, 1, 2, 3].map(piece => begin(seed, leech, made, { piece, hashes: piece % 2 === 0 }))
    for (const { up, down } of all) {
      expect(await up).toEqual({ ok: false, reason: 'disk' })
      expect(await down).toMatchObject({ ok: false, reason: 'refused' })
    }
  })

  it('fails requests and uploads when the connection closes', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    expect((await transfer(seed, leech, made, { piece: 0 })).down).toEqual({ ok: true })
    const range = { piece: P(1), leafStart: 0, leafCount: 1 }
    const waiting = leech.run({ kind: 'expect', peer: seed.id, request: R(999_999), content: made.id, range })
    await seed.net.close()
    expect(await waiting).toMatchObject({ ok: false, reason: 'link' })
    const back = { piece: P(0), leafStart: 0, leafCount: 1 }
    const up = leech.run({ kind: 'upload', peer: seed.id, request: R(1), content: made.id, hashes: false, range: back })
    expect(await up).toEqual({ ok: false, reason: 'link' })
  })

  it('fails the requests to a peer without a stream when its connection closes', async () => {
    const made = content()
    const leech = await startNode()
    await want(leech, made)
    const peer = 'ab'.repeat(32) as Node['id']
    const range = { piece: P(1), leafStart: 0, leafCount: 1 }
    const waiting = leech.run({ kind: 'expect', peer, request: R(1), content: made.id, range })
    leech.engine.peerDown(peer)
    expect(await waiting).toMatchObject({ ok: false, reason: 'link' })
  })

  it('transfers many small files at once', async () => {
    const names = Array.from({ length: 80 }, (_, n) => `f${n}`)
    const files = Object.fromEntries(names.map((name, n) => [name, { bytes: randomBytes(name, 100 + n * 700) }]))
    const made = makeContent('small', files, 16 << 10)
    const { seed, leech } = await pair(made)
    const all = Array.from({ length: made.layout.pieces }, (_, piece) => transfer(seed, leech, made, { piece }))
    expect((await Promise.all(all)).every(({ up, down }) => up.ok && down.ok)).toBe(true)
    expect(await leech.run({ kind: 'finish', content: made.id })).toEqual({ ok: true })
    for (const [name, { bytes }] of Object.entries(files)) {
      expect(readFileSync(join(leech.place.target, 'small', name)).equals(bytes)).toBe(true)
    }
  })
})

describe('a hostile uploader', () => {
  const leafFrame = (request: number, leafStart = 0, bytes: Uint8Array = new Uint8Array(LEAF_BYTES)): Buffer => {
    const head = encode(frameHead, { kind: 'leaves', request, leafStart, leafCount: 1, payloadBytes: bytes.length })
    return Buffer.concat([head, bytes])
  }
  const hashFrame = (request: number, hashes: Uint8Array): Buffer => {
    const head = encode(frameHead, {
      kind: 'hashes',
      request,
      leafStart: 0,
      leafCount: LEAVES,
      payloadBytes: hashes.length
    })
    return Buffer.concat([head, hashes])
  }

  it('is disconnected when it sends unrequested bytes, and none of them is kept', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const stream = await seed.net.openStream(leech.contact, BLOCKS_PROTOCOL, signal)
    const flood = async (): Promise<void> => {
      for (let sent = 0; sent <= 8 * UNEXPECTED_BYTES_MAX; sent += LEAF_BYTES) {
        await stream.write(leafFrame(7), AbortSignal.timeout(5_000))
      }
    }
    await expect(flood()).rejects.toThrow()
    expect(leech.misbehaved).toEqual([expect.stringContaining('unrequested bytes')])
    expect(leech.engine.traffic.unexpectedBytes).toBeGreaterThan(UNEXPECTED_BYTES_MAX)
    expect(leech.engine.traffic.unexpectedBytes).toBeLessThan(2 * UNEXPECTED_BYTES_MAX)
    expect(existsSync(partPath(leech))).toBe(false)
  })

  it('is disconnected for a frame over the limits', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const stream = await seed.net.openStream(leech.contact, BLOCKS_PROTOCOL, signal)
    const head = encode(frameHead, { kind: 'leaves', request: 1, leafStart: 0, leafCount: 1, payloadBytes: 1 })
    head[8] = 200
    await stream.write(head, signal)
    await endOf(stream)
    expect(leech.misbehaved).toEqual([expect.stringContaining('200 leaves')])
  })

  it('may open only a limited number of streams', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const opened = []
    for (let n = 0; n <= STREAMS_PER_PEER_MAX; n++)
      opened.push(await seed.net.openStream(leech.contact, BLOCKS_PROTOCOL, signal))
    const last = expectDefined(opened.at(-1), 'a stream')
    await endOf(last)
    expect(opened.map(({ isOpen }) => isOpen)).toEqual([true, true, false])
  })

  it('cannot store leaves outside of the request, of a wrong length, or sent twice', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const request = 77_777
    const range = { piece: P(0), leafStart: 2, leafCount: 2 }
    const down = leech.run({ kind: 'expect', peer: seed.id, request: R(request), content: made.id, range })
    const stream = await seed.net.openStream(leech.contact, BLOCKS_PROTOCOL, signal)
    const leaf = (n: number): Uint8Array => bytesOf(made, 0, n, 1)
    const frames = [
      hashFrame(request, leafHashesOf(made, 0)),
      leafFrame(request, 1, leaf(1)),
      leafFrame(request, 4, leaf(4)),
      leafFrame(request, 2, leaf(2).subarray(1)),
      leafFrame(request, 2, leaf(2)),
      leafFrame(request, 2, leaf(3)),
      leafFrame(request, 3, leaf(3))
    ]
    for (const frame of frames) await stream.write(frame, signal)
    expect(await down).toEqual({ ok: true })
    expect(leech.engine.traffic.unexpectedBytes).toBe(4 * LEAF_BYTES - 1)
    expect(
      readFileSync(partPath(leech))
        .subarray(2 * LEAF_BYTES)
        .equals(bytesOf(made, 0, 2, 2))
    ).toBe(true)
  })

  it('that ends within a frame leaves its complete leaves', async () => {
    const made = content()
    const { seed, leech } = await pair(made)
    const request = 88_888
    const range = { piece: P(0), leafStart: 0, leafCount: 4 }
    const down = leech.run({ kind: 'expect', peer: seed.id, request: R(request), content: made.id, range })
    const stream = await seed.net.openStream(leech.contact, BLOCKS_PROTOCOL, signal)
    await stream.write(hashFrame(request, leafHashesOf(made, 0)), signal)
    const head = encode(frameHead, {
      kind: 'leaves',
      request,
      leafStart: 0,
      leafCount: 4,
      payloadBytes: 4 * LEAF_BYTES
    })
    await stream.write(head, signal)
    await stream.write(bytesOf(made, 0, 0, 4).subarray(0, 2 * LEAF_BYTES + 100), signal)
    await stream.close(signal)
    const result = await down
    expect(result).toMatchObject({ ok: false, reason: 'link' })
    expect(writtenOf(result)).toEqual([0, 1])
  })
})

/** Resolves when the peer has closed or reset the stream. */
async function endOf(stream: ByteStream): Promise<void> {
  try {
    for await (const _ of stream.chunks(signal));
  } catch {
    signal.throwIfAborted()
  }
}
