/** Members find each other again, whatever way they went; who says goodbye is not called dead. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster, until, type Daemon } from './cluster.ts'

const COUNT = 4

describe(`an overlay of ${COUNT}`, () => {
  let cluster: Cluster
  let all: Daemon[]
  beforeAll(async () => {
    cluster = await Cluster.start(COUNT)
    all = Array.from({ length: COUNT }, (_, i) => cluster.node(i + 1))
  })
  afterAll(() => cluster.close())

  const becomes = (other: Daemon, state: string, of: Daemon[]): Promise<unknown> =>
    Promise.all(
      of.map(one => until(`${one.name} sees ${other.name} as ${state}`, async () => (await one.sees(other)) === state))
    )

  it('is whole again after kill -9 of all but one, without tickets', async () => {
    const [last, ...killed] = all
    await Promise.all(killed.map(one => one.kill('SIGKILL')))
    for (const one of killed) await becomes(one, 'dead', [last!])
    await Promise.all(killed.map(one => one.start()))
    await cluster.converged()
  })

  it('is whole again after kill -9 of all at once', async () => {
    await Promise.all(all.map(one => one.kill('SIGKILL')))
    await Promise.all(all.map(one => one.start()))
    await cluster.converged()
  })

  it('finds one again that came back on another port', async () => {
    const [mover, ...others] = [all[1]!, all[0]!, all[2]!, all[3]!]
    const before = mover.address
    await mover.kill('SIGKILL')
    await mover.start({ listen: '127.0.0.1:0' })
    expect(mover.address).not.toBe(before)
    await cluster.converged()
    for (const other of others) {
      const { members } = await other.ok('members')
      expect(members.find(({ id }) => id === mover.id)).toMatchObject({ address: mover.address, state: 'alive' })
    }
  })

  it('sees one that was stopped as left, never as dead', async () => {
    const [leaver, ...others] = [all[3]!, all[0]!, all[1]!, all[2]!]
    const heard = (one: Daemon): unknown[] => one.logged('member').filter(({ id }) => id === leaver.id)
    const before = others.map(other => heard(other).length)
    await leaver.stop()
    await becomes(leaver, 'left', others)
    for (const [i, other] of others.entries()) {
      expect(heard(other).slice(before[i])).toEqual([expect.objectContaining({ was: 'alive', state: 'left' })])
    }
    await leaver.start()
    await cluster.converged()
  })
})
