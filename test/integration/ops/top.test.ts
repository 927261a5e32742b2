/** The frames of `shoal top`, from real daemons: a slow giver, so that there is something to see. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TOP_CELLS, TOP_LEVELS, type TopTransfer } from '../../../src/wire/control/top.ts'
import { Cluster, until, type Answer, type Daemon } from '../cluster.ts'

const MIB = 2 ** 20
const BYTES_PER_SECOND = 4 * MIB

let cluster: Cluster
let taker: Daemon
let giver: Daemon
let id: string
let fetched: Promise<Answer>

beforeAll(async () => {
  cluster = await Cluster.empty()
  taker = await cluster.found('n1')
  giver = await cluster.join('slow', { peer: ['--rate', String(BYTES_PER_SECOND)] })
  await cluster.converged()
  const file = cluster.folder('file')
  fs.writeFileSync(file, Buffer.alloc(48 * MIB, 'shoal'))
  const into = cluster.folder('into')
  fs.mkdirSync(into)
  id = (await giver.ok('share', [file])).id
  fetched = taker.run(['get', id, '-o', into])
})
afterAll(() => cluster.close())

const rowOf = async (daemon: Daemon): Promise<TopTransfer | undefined> =>
  (await daemon.ask('top', {})).transfers.find(row => row.id === id)

describe('shoal top tells', () => {
  it('rates, sources and the pieces that are here, while they come', async () => {
    const row = await until('a part of it is here', async () => {
      const seen = await rowOf(taker)
      return seen?.state === 'fetching' && seen.downBytesPerSecond > 0 && seen.cells.some(cell => cell > 0) && seen
    })
    expect(row).toMatchObject({ name: 'file', bytes: 48 * MIB, sources: 1, upBytesPerSecond: 0 })
    expect(row.haveBytes).toBeLessThan(row.bytes)
    expect(row.cells).toHaveLength(TOP_CELLS)
    expect(row.cells.some(cell => cell < TOP_LEVELS)).toBe(true)
  })

  it('what a member moves, on the other side too', async () => {
    const frame = await until('the giver gives', async () => {
      const seen = await giver.ask('top', {})
      return seen.upBytesPerSecond > 0 && seen
    })
    const member = frame.members.find(row => row.id === taker.id)
    expect(member?.upBytesPerSecond).toBeGreaterThan(0)
    expect(frame.transfers).toMatchObject([{ id, state: 'seeding', sources: 0 }])
    expect(frame.states.alive).toBe(2)
    expect(frame.members[0]?.self).toBe(true)
  })

  it('all of it when it is done, and that nothing moves', async () => {
    expect((await fetched).code).toBe(0)
    const row = await until('it rests', async () => {
      const seen = await rowOf(taker)
      return seen?.downBytesPerSecond === 0 && seen
    })
    expect(row).toMatchObject({ state: 'complete', haveBytes: 48 * MIB })
    expect(new Set(row.cells)).toEqual(new Set([TOP_LEVELS]))
  })
})
