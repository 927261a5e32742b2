/** One download from four holders, three of which fail it in three ways while it is under way. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ResultOf } from '../../src/wire/control/methods.ts'
import { LEAF_BYTES } from '../../src/wire/bittorrent/layout.ts'
import { Cluster, errorOf, until, type Daemon } from './cluster.ts'
import { makeFile, sha256, size } from './content.ts'

/** So that the download takes some seconds, and is under way while the others fail; 1 GiB in half a minute. */
const FAST = String(Math.min(size.bigBytes / 8, 40e6))
const SLOW = String(Math.min(size.bigBytes / 10, 30e6))

describe('of four holders one is killed, one stopped, one sends flipped bits, one is honest and slow', () => {
  let cluster: Cluster
  let file: string
  let id: string
  let target: string
  let downloader: Daemon
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    const behaviours = {
      killed: ['--rate', FAST],
      stopped: ['--rate', FAST],
      flipping: ['--flip'],
      slow: ['--rate', SLOW]
    }
    for (const [name, peer] of Object.entries(behaviours)) await cluster.join(name, { peer })
    await cluster.converged()
    file = makeFile(cluster.folder('big.bin'), size.bigBytes)
    for (const holder of [2, 3, 4, 5]) {
      const { shares } = await cluster.node(holder).ask('share', { paths: [file] })
      id = shares[0]!.id
    }
    downloader = cluster.node(1)
    target = cluster.folder('fetched')
  })
  afterAll(() => cluster.close())

  it('completes', async () => {
    const [killed, stopped] = [cluster.node(2), cluster.node(3)]
    const getting = downloader.run(['get', id, '-o', target])
    const hasSent = (one: Daemon): Promise<unknown> =>
      until(`${one.name} has sent something`, async () => {
        const row = await downloader.transfer(id)
        if (row?.state === 'complete') throw new Error('it was over before all had failed')
        return row?.sources.some(source => source.id === one.id && source.bytes > 0)
      })
    await hasSent(killed)
    await killed.kill('SIGKILL')
    await hasSent(stopped)
    await stopped.kill('SIGSTOP')
    await until('the one that flips bits is banned', async () => {
      const { banned } = await downloader.ask('status', {})
      return banned.length > 0
    })
    expect(wrongLeaves(`${target}/big.bin.part`, file)).toEqual([])
    const { code, lines } = await getting
    expect(code).toBe(0)
    const { sources } = lines.at(-1) as unknown as ResultOf<'get'>
    const bytesBy = Object.fromEntries(sources.map(({ name, bytes }) => [name, bytes]))
    expect(Object.keys(bytesBy).toSorted()).toEqual(['killed', 'slow', 'stopped'])
    expect(Object.values(bytesBy).reduce((sum, bytes) => sum + bytes, 0)).toBe(size.bigBytes)
  })

  it('nothing wrong is on the disk', () => {
    expect(sha256(`${target}/big.bin`)).toBe(sha256(file))
    expect(fs.readdirSync(target)).toEqual(['big.bin'])
  })

  it('status names the banned one, and only that', async () => {
    const { banned } = await downloader.ok('status')
    expect(banned.map(({ name, content }) => ({ name, content }))).toEqual([{ name: 'flipping', content: id }])
  })
})

/** Leaves of an unfinished file of which a byte is neither missing (zero) nor right. */
function wrongLeaves(part: string, file: string): number[] {
  const [got, right] = [fs.readFileSync(part), fs.readFileSync(file)]
  const wrong = new Set<number>()
  for (let at = 0; at < got.length; at++)
    if (got[at] !== 0 && got[at] !== right[at]) wrong.add(Math.floor(at / LEAF_BYTES))
  return [...wrong]
}

describe('the only holder sends flipped bits', () => {
  let cluster: Cluster
  let file: string
  let id: string
  let downloader: Daemon
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    await cluster.join('flipping', { peer: ['--flip'] })
    await cluster.converged()
    downloader = cluster.node(1)
    file = makeFile(cluster.folder('film.bin'), 3_000_000)
    ;({ id } = (await cluster.node(2).ask('share', { paths: [file] })).shares[0]!)
  })
  afterAll(() => cluster.close())

  it('get ends with 12 and says what to do, and so does the next one', async () => {
    for (let i = 0; i < 2; i++) {
      const answer = await downloader.run(['get', id, '-o', cluster.folder('fetched')])
      expect([answer.code, errorOf(answer)]).toEqual([
        12,
        {
          code: 'integrity',
          message: `every holder of ${id} is banned for sending corrupt data`,
          hint: '`shoal status` names them; the download goes on when another one holds it, and `shoal rm` forgets it'
        }
      ])
    }
  })

  it('the download goes on when an honest one holds it too', async () => {
    const honest = await cluster.join('honest')
    await cluster.converged()
    await honest.ask('share', { paths: [file] })
    const { path } = await downloader.ok('get', [id, '-o', cluster.folder('fetched')])
    expect(sha256(path)).toBe(sha256(file))
  })
})
