/** Each file system call that serves a peer fails in turn. The answer is a result, and no rejection stays unhandled. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { expectDefined } from '../../../../src/base/assert.ts'
import type { NodeId } from '../../../../src/base/ids.ts'
import type { ByteStream } from '../../../../src/io/net/stream/byte-stream.ts'
import type { ExchangeCommand, Prepared, RequestId } from '../../../../src/core/exchange/contract.ts'
import type { Result } from '../../../../src/core/machine.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import type { Made, Place } from './contents.ts'
import { fault } from './faulty-fs.ts'

vi.mock('node:fs', async original => (await import('./faulty-fs.ts')).faultyFs(original))
vi.mock('node:fs/promises', async original => (await import('./faulty-fs.ts')).faultyFsPromises(original))

const { BlockEngine } = await import('../../../../src/io/blocks/engine.ts')
const { bytesOf, leafHashesOf, makeContent, openPlace, randomBytes, startDownload, writePieces } =
  await import('./contents.ts')

vi.setConfig({ testTimeout: 120_000 })

const CODES = ['EIO', 'ENOENT', 'ENOTDIR', 'EMFILE', 'ENOSPC']
/** At the full size every call fails with every error code, otherwise each call with one of the codes in turn. */
const ROUNDS = process.env['SHOAL_TEST_SIZE'] === 'full' ? CODES.length : 1
const codeOf = (round: number, at: number): string => expectDefined(CODES[(round + at) % CODES.length], 'a code')
const rounds = Array.from({ length: ROUNDS }, (_, round) => round)
const PIECE = 64 << 10
const PEER = 'ab'.repeat(32) as NodeId
const P = (piece: number): PieceIndex => piece as PieceIndex

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => {
  rejections.push(reason)
}
beforeAll(() => {
  process.on('unhandledRejection', onRejection)
})
afterAll(() => {
  process.off('unhandledRejection', onRejection)
})

let place: Place
beforeEach(async () => {
  fault.reset()
  place = await openPlace()
})
afterEach(async () => {
  fault.reset()
  await place.remove()
})

function folderContent(): Made {
  return makeContent(
    'folder',
    {
      'large.bin': { bytes: randomBytes('large', 5 * PIECE + 100) },
      'sub/run.sh': { bytes: randomBytes('run', 10), executable: true },
      'sub/empty.txt': { bytes: new Uint8Array(0) },
      'void/': null
    },
    PIECE
  )
}

/** Accepts every write and never receives bytes. */
const stream: ByteStream = {
  isOpen: true,
  chunks: () => {
    throw new Error('an uploader does not read')
  },
  write: () => Promise.resolve(),
  close: () => Promise.resolve(),
  abort: () => undefined
}

/** Runs commands of the exchange on the place's store. Each must be answered exactly once. */
function engineOf({ store }: Place): { run: (command: ExchangeCommand) => Promise<Result> } {
  const waiting = new Map<number, (result: Result) => void>()
  const net = {
    openStream: () => Promise.resolve(stream),
    handle: () => Promise.resolve(),
    addressOf: () => ({ host: '127.0.0.1', port: 1 })
  }
  const done = (token: number, result: Result): void => {
    const resolve = expectDefined(waiting.get(token), `token ${token} is answered once`)
    waiting.delete(token)
    resolve(result)
  }
  const engine = new BlockEngine({ net, store, done, log: { warn: () => undefined } })
  let tokens = 0
  return {
    run: command => {
      const token = ++tokens
      const { promise, resolve } = Promise.withResolvers<Result>()
      waiting.set(token, resolve)
      engine.execute(token, command)
      return promise
    }
  }
}

let requests = 0

/** Requests for a held content: four concurrent uploads and the manifest for a peer, and reads of a local reader. */
async function serve(at: Place, made: Made): Promise<Result[]> {
  const { run } = engineOf(at)
  const content = made.id
  const uploads = [0, 1, 2, 3].map(piece => {
    const range = { piece: P(piece), leafStart: 0, leafCount: 2 }
    return run({ kind: 'upload', peer: PEER, request: ++requests as RequestId, content, range, hashes: true })
  })
  const results = await Promise.all(uploads)
  results.push(await run({ kind: 'manifest', content, peer: { id: PEER, address: { host: '127.0.0.1', port: 1 } } }))
  const range = { piece: P(0), leafStart: 0, leafCount: 1 }
  await at.store.reads.state(content, 0)
  await at.store.reads.here(content, range)
  results.push(await at.store.reads.read(content, range, new Uint8Array(16 << 10)))
  return results
}

/** A whole download, until a step fails. */
async function fetchAll(at: Place, made: Made): Promise<Result[]> {
  const { run } = engineOf(at)
  const content = made.id
  const results = [await run({ kind: 'prepare', content, synced: undefined })]
  const prepared = results[0]?.ok === true ? (results[0].value as Prepared) : undefined
  if (prepared === undefined) return results
  for (const piece of prepared.wanted) {
    if (prepared.have.has(made.layout.firstLeafOf(P(piece)))) continue
    results.push(await at.store.keepLeafHashes(content, P(piece), leafHashesOf(made, piece)))
    results.push(await at.store.write(content, { piece: P(piece), leafStart: 0 }, bytesOf(made, piece)))
  }
  if (!results.every(({ ok }) => ok)) return results
  for (const kind of ['sync', 'finish'] as const) results.push(await run({ kind, content }))
  results.push(await run({ kind: 'close', content }))
  return results
}

function expectWhole(made: Made): void {
  const top = join(place.target, 'folder')
  expect(new Uint8Array(readFileSync(join(top, 'large.bin')))).toEqual(made.files[0])
  expect(readdirSync(top).sort()).toEqual(['large.bin', 'sub', 'void'])
  expect(readdirSync(join(top, 'sub')).sort()).toEqual(['empty.txt', 'run.sh'])
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const oddities = (results: readonly Result[]): unknown[] =>
  results.filter(result => !result.ok && !REASONS.has(result.reason))
const REASONS: ReadonlySet<string> = new Set([
  'disk',
  'disk-full',
  'changed',
  'conflict',
  'lost',
  'no-manifest',
  'link'
])

describe('serving a peer', () => {
  it.each(rounds)('answers every request when any call fails, round %d', async round => {
    const made = folderContent()
    await startDownload(place, made)
    await fetchAll(place, made)
    fault.reset()
    await place.restart()
    await serve(place, made)
    const calls = fault.calls.length
    expect(calls).toBeGreaterThan(10)
    for (let at = 0; at < calls; at++) {
      fault.reset()
      await place.restart()
      const code = codeOf(round, at)
      Object.assign(fault, { calls: [], at, code })
      const results = await serve(place, made)
      await turn()
      expect([code, at, fault.calls[at], oddities(results), rejections]).toEqual([code, at, fault.calls[at], [], []])
    }
    fault.reset()
    expect((await serve(place, made)).every(({ ok }) => ok)).toBe(true)
  })

  it('answers when the folder of a download is missing after a restart, and serves again when it is back', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await fetchAll(place, made)
    await place.restart()
    renameSync(place.target, `${place.target}-away`)
    const results = await serve(place, made)
    await turn()
    expect(results.slice(0, 4)).toEqual(Array(4).fill({ ok: false, reason: 'changed' }))
    expect(rejections).toEqual([])
    expect(await place.store.reads.state(made.id, 0)).toBe('absent')
    renameSync(`${place.target}-away`, place.target)
    expect((await serve(place, made)).every(({ ok }) => ok)).toBe(true)
  })
})

describe('a download', () => {
  it.each(rounds)('answers every command when any call fails, and the next try completes it, round %d', async round => {
    const made = folderContent()
    await startDownload(place, made)
    fault.reset()
    await fetchAll(place, made)
    const calls = fault.calls.length
    expectWhole(made)
    for (let at = 0; at < calls; at++) {
      fault.reset()
      await place.store.remove(made.id, { deleteFiles: true })
      rmSync(place.target, { recursive: true, force: true })
      await startDownload(place, made)
      const code = codeOf(round, at)
      Object.assign(fault, { calls: [], at, code })
      const results = await fetchAll(place, made)
      await turn()
      expect([at, fault.calls[at], oddities(results), rejections]).toEqual([at, fault.calls[at], [], []])
      // A state database whose sync failed refuses writes until it is opened again.
      const isDatabase = fault.calls[at] === 'fdatasync'
      fault.reset()
      if (isDatabase) await place.restart()
      const again = await fetchAll(place, made)
      const problem = place.store.problem(made.id)?.cause
      expect([at, again.filter(({ ok }) => !ok), problem]).toEqual([at, [], undefined])
      expectWhole(made)
    }
  })
})

describe('a leaf that counts as synced', () => {
  const part = (): string => join(place.target, 'folder', 'large.bin.part')
  const prepare = async (made: Made, synced?: Bitfield): Promise<number[]> => {
    const result = await place.store.prepare(made.id, synced)
    if (!result.ok) throw new Error(result.reason)
    return [...(result.value as Prepared).have]
  }

  it('is synced by this process even when an earlier process wrote it', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepare(made)
    await writePieces(place, made, [0])
    await place.restart()
    expect(await prepare(made)).toEqual([0, 1, 2, 3])
    fault.reset()
    expect(await place.store.sync(made.id)).toEqual({ ok: true })
    expect(fault.calls.filter(name => name === 'fdatasync').length).toBe(2)
  })

  it('was not written before a failed sync, also after a restart', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepare(made)
    await writePieces(place, made, [0])
    expect(await place.store.sync(made.id)).toEqual({ ok: true })
    const synced = new Bitfield(made.layout.leaves)
    for (const leaf of [0, 1, 2, 3]) synced.add(leaf)
    await writePieces(place, made, [1])
    // The sync of the leaf hashes comes first.
    let syncs = 0
    fault.when = name => name === 'fdatasync' && ++syncs === 2
    expect(await place.store.sync(made.id)).toEqual({ ok: false, reason: 'disk' })
    fault.reset()
    expect(await prepare(made, synced)).toEqual([0, 1, 2, 3])
    await place.restart()
    expect(await prepare(made, synced)).toEqual([0, 1, 2, 3])
    await writePieces(place, made, [1])
    expect(await place.store.sync(made.id)).toEqual({ ok: true })
    await place.restart()
    expect(await prepare(made, synced)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('is not a hole in a file that was truncated or deleted while no process ran, even repeatedly', async () => {
    for (const harm of [() => truncateSync(part(), PIECE), () => rmSync(part())]) {
      const made = folderContent()
      await startDownload(place, made)
      await prepare(made)
      await writePieces(place, made, [0, 1, 2, 3])
      expect(await place.store.sync(made.id)).toEqual({ ok: true })
      const stale = new Bitfield(made.layout.leaves)
      for (let leaf = 0; leaf < 16; leaf++) stale.add(leaf)
      await place.restart()
      harm()
      const left = await prepare(made, stale)
      expect(left.every(leaf => leaf < 4)).toBe(true)
      await writePieces(place, made, [3])
      // The store has synced; the exchange has not recorded it when the process is killed.
      expect(await place.store.sync(made.id)).toEqual({ ok: true })
      await place.restart()
      expect(await prepare(made, stale)).toEqual([...left, 12, 13, 14, 15])
      await fetchAll(place, made)
      expectWhole(made)
      await place.store.remove(made.id, { deleteFiles: true })
    }
  })

  it('is not in a file that was deleted or truncated during the download, and the rest is kept', async () => {
    const harms: Array<[string, () => void]> = [
      ['deleted', () => rmSync(part())],
      ['the whole folder deleted', () => rmSync(place.target, { recursive: true })],
      ['cut', () => truncateSync(part(), 1_000)]
    ]
    for (const [how, harm] of harms) {
      const made = folderContent()
      await startDownload(place, made)
      await prepare(made)
      await writePieces(place, made, [0, 1, 2, 3, 4, 5])
      harm()
      expect([how, await place.store.sync(made.id)]).toEqual([how, { ok: false, reason: 'lost' }])
      expect(place.store.problem(made.id)?.message).toMatch(/was (deleted|truncated) during the download/)
      const results = await fetchAll(place, made)
      expect([how, results.filter(({ ok }) => !ok)]).toEqual([how, []])
      expectWhole(made)
      await place.store.remove(made.id, { deleteFiles: true })
    }
  })

  it('is not in a file with a hole that has its full length again', async () => {
    const made = folderContent()
    await startDownload(place, made)
    const { layout } = made
    await prepare(made)
    await writePieces(place, made, [...Array(layout.pieces).keys()])
    expect(await place.store.sync(made.id)).toEqual({ ok: true })
    const synced = new Bitfield(layout.leaves).fill()
    truncateSync(part(), 1_000)
    truncateSync(part(), layout.fileLengths[0] ?? 0)
    expect(await place.store.finish(made.id)).toEqual({ ok: false, reason: 'lost' })
    expect(existsSync(join(place.target, 'folder', 'large.bin'))).toBe(false)
    expect((await prepare(made, synced)).length).toBeLessThan(layout.leaves)
    expect((await fetchAll(place, made)).filter(({ ok }) => !ok)).toEqual([])
    expectWhole(made)
  })

  it('is not in a file that was replaced by another one, which is not touched', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepare(made)
    await writePieces(place, made, [0])
    expect(await place.store.sync(made.id)).toEqual({ ok: true })
    await place.restart()
    writeFileSync(`${part()}.mine`, Buffer.alloc(2 * PIECE, 1))
    renameSync(`${part()}.mine`, part())
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    expect(readFileSync(part()).length).toBe(2 * PIECE)
  })
})

describe('removing a complete download with its files', () => {
  it('keeps an unfinished file of another program', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await fetchAll(place, made)
    const foreign = join(place.target, 'folder', 'large.bin.part')
    mkdirSync(join(place.target, 'folder'), { recursive: true })
    writeFileSync(foreign, 'of another program')
    await place.store.remove(made.id, { deleteFiles: true })
    expect(readFileSync(foreign, 'utf8')).toBe('of another program')
  })
})
