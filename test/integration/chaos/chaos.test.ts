/**
 * Six real daemons under drawn faults. No daemon ends by itself, no file has wrong bytes, and what an unharmed owner shares
 * can be fetched by everybody once it is quiet. `SHOAL_TEST_CHAOS_MINUTES` sets how long the faults last.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from '../cluster.ts'
import { ChaosWorld } from './world.ts'

const NODES = 6
const BETWEEN_ACTS_MS = 200
const MINUTES = Number(
  process.env['SHOAL_TEST_CHAOS_MINUTES'] ?? (process.env['SHOAL_TEST_SIZE'] === 'full' ? 1.5 : 0.25)
)
const SEED = process.env['SHOAL_TEST_CHAOS_SEED'] ?? 'chaos'

describe('six daemons that are killed, stopped and robbed of their folders', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.start(NODES)
  })
  afterAll(() => cluster.close())

  it(
    'never end by themselves, never give wrong bytes, and lose nothing',
    async () => {
      const world = new ChaosWorld(cluster, NODES, SEED)
      const end = performance.now() + MINUTES * 60_000
      while (performance.now() < end && world.problems.length === 0) {
        await world.act()
        await sleep(BETWEEN_ACTS_MS)
      }
      await world.settle()
      if (world.problems.length > 0) console.error(world.acts.slice(-100).join('\n'))
      console.error(`chaos: seed ${SEED}, ${MINUTES} minutes, ${JSON.stringify(world.counts)}`)
      expect(world.problems).toEqual([])
    },
    (MINUTES + 15) * 60_000
  )
})
