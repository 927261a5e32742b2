import { describe, expect, it } from 'vitest'
import { Random } from '../../../src/base/random.ts'
import { ALL_FAULTS, drawPlan, FAULT_DEFAULTS, faultText, unleash, type PlannedFault } from '../../../src/sim/faults.ts'
import { failureText, scenario } from '../../../src/sim/scenario.ts'
import { deal } from '../../simulation/deal.ts'
import { pinging, toyWorld } from './toy-world.ts'

const NODES = 6

function plans(count: number, settings: Parameters<typeof drawPlan>[2] = {}): PlannedFault[][] {
  return Array.from({ length: count }, (_, seed) => [...drawPlan(Random.from(seed), NODES, settings)])
}

describe('a plan of faults', () => {
  it('is the same for the same seed', () => {
    expect(plans(3)).toEqual(plans(3))
  })

  it('draws every kind that has a weight, and no other', () => {
    const kinds = new Set(plans(50).flatMap(plan => plan.map(({ fault }) => fault.kind)))
    expect([...kinds].sort()).toEqual(Object.keys(ALL_FAULTS).sort())
  })

  it('starts and ends all faults within its period', () => {
    for (const { atMs, lastsMs } of plans(50).flat()) {
      expect(atMs + lastsMs).toBeLessThanOrEqual(FAULT_DEFAULTS.forMs + 1e-6)
    }
  })

  it('never has more nodes down at once than allowed, nor a spared one', () => {
    let most = 0
    for (const plan of plans(50, { downMax: 2, spared: [0], everyMs: 500 })) {
      const away = plan.filter(({ fault }) => fault.kind === 'crash' || fault.kind === 'pause')
      for (const { atMs } of away) {
        const absent = away.filter(other => other.atMs <= atMs && atMs < other.atMs + other.lastsMs)
        most = Math.max(most, absent.length)
      }
      for (const { fault } of plan) if ('node' in fault) expect(fault.node).not.toBe(0)
    }
    expect(most).toBe(2)
  })

  it('never exceeds the largest loss', () => {
    for (const { fault } of plans(50, { weights: { loss: 1 }, lossMax: 0.3 }).flat()) {
      expect(fault.kind === 'loss' && fault.share <= 0.3).toBe(true)
    }
  })

  it('has a text for each fault', () => {
    expect(faultText({ kind: 'one-way', from: [0, 2], to: [1] })).toBe('one-way cut: n0 n2 cannot reach n1')
    expect(faultText({ kind: 'crash', node: 3, host: true, move: true })).toBe('host crash of n3, then moves')
  })

  it('is cancelled by calm: all nodes run and reach each other', () => {
    const world = pinging(NODES)
    unleash(world, drawPlan(world.random, NODES, { everyMs: 200, lastsMinMs: 5_000, weights: { crash: 1, split: 1 } }))
    world.run(10_000)
    expect(world.nodes.some(({ isUp }) => !isUp)).toBe(true)
    world.calm()
    const faults = world.faults.length
    world.run(60_000)
    expect(world.nodes.every(({ isUp }) => isUp)).toBe(true)
    expect(world.faults).toHaveLength(faults)
    expect(world.network.isCut(0, 1) || world.network.isCut(1, 0)).toBe(false)
  })
})

describe('a scenario', () => {
  const failing = scenario({
    name: 'failing',
    about: 'fails',
    build: seed => toyWorld({ seed }),
    play: world => {
      world.startMany(2)
      world.fault('as planned')
      world.run(1_500)
      world.require(false, 'never-holds', 'as was to be shown')
    }
  })

  it('that fails reports the property, the time, the faults and the replay command', () => {
    const outcome = failing.run(42)
    expect(outcome.failure).toMatchObject({ property: 'never-holds', atMs: 1_500, faults: ['0.000 s as planned'] })
    const text = failureText(outcome)
    expect(text).toContain('failing, seed 42: never-holds violated at 1.500 s')
    expect(text).toContain('replay: npm run sim -- --scenario failing --seed 42')
  })

  it('gives the same outcome for the same seed', () => {
    expect(failing.run(42)).toEqual(failing.run(42))
    expect(failing.run(42).hash).not.toBe(failing.run(43).hash)
  })

  it('that throws is a failure, not a crash of the runner', () => {
    const wrong = scenario({
      name: 'wrong',
      about: 'uses an unknown node',
      build: seed => toyWorld({ seed }),
      play: world => {
        world.node(7)
      }
    })
    expect(wrong.run(1).failure?.property).toBe('scenario')
  })
})

describe('seeds are dealt', () => {
  const scenarios = [
    { name: 'small', share: 1 },
    { name: 'large', share: 0.1 }
  ]

  it('by share, and each scenario numbers its own', () => {
    const jobs = deal(scenarios, 22, 5)
    const large = jobs.filter(job => job.scenario === 'large')
    expect(large.map(({ seed }) => seed)).toEqual([5, 6])
    expect(jobs.filter(job => job.scenario === 'small').map(({ seed }) => seed)).toEqual(
      Array.from({ length: 20 }, (_, index) => 5 + index)
    )
  })

  it('so that a longer deal starts with the jobs of a shorter one', () => {
    expect(deal(scenarios, 50, 1).slice(0, 20)).toEqual(deal(scenarios, 20, 1))
  })
})
