/**
 * A downloader that is killed again and again. What its state database calls synced is read after each kill, from copies,
 * and compared with what the source is asked for afterwards.
 */
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bitfield } from '../../src/base/bitfield.ts'
import type { ContentId } from '../../src/base/ids.ts'
import { Random } from '../../src/base/random.ts'
import { decodeSynced, syncedKey } from '../../src/core/exchange/download/synced.ts'
import { LEAF_BYTES } from '../../src/wire/bittorrent/layout.ts'
import { Cluster, until, type Daemon } from './cluster.ts'
import { makeFile, sha256, size } from './content.ts'

/** Long enough for some records (one every 2 s) and short enough for some kills without a new one. */
const ALIVE_MS_MAX = 4_000
/** At most so much of the file by the last kill: it must not be complete before. */
const BYTES_PER_SECOND = size.bigBytes / ((size.kills * ALIVE_MS_MAX) / 1_000)

describe(`a downloader that is killed at ${size.kills} random moments`, () => {
  let cluster: Cluster
  let requests: string
  let file: string
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    requests = cluster.folder('requests')
    file = makeFile(cluster.folder('big.bin'), size.bigBytes)
    await cluster.join('source', { peer: ['--rate', String(BYTES_PER_SECOND), '--count', requests] })
    await cluster.converged()
  })
  afterAll(() => cluster.close())

  it('asks for no leaf again that was recorded as synced before a kill, and ends up equal', async () => {
    const [downloader, source] = [cluster.node(1), cluster.node(2)]
    const random = Random.from('moments')
    const { shares } = await source.ask('share', { paths: [file] })
    const { id, pieceLengthBytes } = shares[0]!
    const leavesPerPiece = pieceLengthBytes / LEAF_BYTES
    const target = cluster.folder('fetched')
    const first = downloader.begin(['get', id, '-o', target])
    let synced = new Bitfield(size.bigBytes / LEAF_BYTES)
    const syncedAtKills: number[] = []
    let readTo = 0
    for (let kill = 0; kill <= size.kills; kill++) {
      const before = await until('it is being fetched', async () => {
        const row = await downloader.transfer(id)
        return row?.state === 'fetching' && row
      })
      expect(before.reusedBytes, 'what was synced is there again').toBeGreaterThanOrEqual(synced.count * LEAF_BYTES)
      if (kill === size.kills) break
      await new Promise(resolve => setTimeout(resolve, random.below(ALIVE_MS_MAX)))
      expect((await downloader.transfer(id))?.state, 'the kill is in the middle').toBe('fetching')
      await downloader.kill('SIGKILL')
      expect(askedAgain(requests, { from: readTo, synced, leavesPerPiece })).toEqual([])
      // What the source had read of the old requests by now may still begin: those leaves had not arrived.
      readTo = fs.statSync(requests).size
      synced = syncedLeaves(downloader, id as ContentId) ?? synced
      syncedAtKills.push(synced.count)
      await downloader.start()
    }
    await first.answer
    const done = await downloader.ok('get', [id, '-o', target])
    expect(askedAgain(requests, { from: readTo, synced, leavesPerPiece })).toEqual([])
    expect(sha256(done.path)).toBe(sha256(file))
    expect(syncedAtKills, 'the record grows').toEqual(syncedAtKills.toSorted((a, b) => a - b))
    expect(syncedAtKills.at(-1), 'there was something to ask for again').toBeGreaterThan(0)
  })
})

/** Undefined when nothing was recorded yet. The copies are opened, so what the killed one left stays as it is. */
function syncedLeaves({ home }: Daemon, content: ContentId): Bitfield | undefined {
  const copy = fs.mkdtempSync(`${home}-state-`)
  for (const name of fs.readdirSync(home))
    if (name.startsWith('state.db')) fs.copyFileSync(path.join(home, name), path.join(copy, name))
  const db = new DatabaseSync(path.join(copy, 'state.db'))
  const row = db.prepare('SELECT value FROM state WHERE key = ?').get(`node/exchange/${syncedKey(content)}`)
  db.close()
  fs.rmSync(copy, { recursive: true })
  return row === undefined ? undefined : decodeSynced(row['value'] as Uint8Array)
}

/** Synced leaves among the requests that the source counted from this place of its file on. */
function askedAgain(requests: string, init: { from: number; synced: Bitfield; leavesPerPiece: number }): number[] {
  const again: number[] = []
  for (const line of fs.readFileSync(requests).subarray(init.from).toString().split('\n')) {
    const [piece, leafStart, leafCount] = line.split(' ').slice(1).map(Number)
    if (piece === undefined) continue
    const first = piece * init.leavesPerPiece + leafStart!
    for (let leaf = first; leaf < first + leafCount!; leaf++) if (init.synced.has(leaf)) again.push(leaf)
  }
  return again
}
