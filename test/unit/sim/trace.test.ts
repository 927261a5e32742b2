import { describe, expect, it } from 'vitest'
import { drawPlan, unleash } from '../../../src/sim/faults.ts'
import { pinging, two } from './toy-world.ts'

function traceOf(seed: number): { hash: string; count: number; lines: string[] } {
  const world = pinging(5, { seed, network: { loss: 0.2, duplication: 0.1 } })
  unleash(world, drawPlan(world.random, 5, { forMs: 2_000, everyMs: 100, lastsMaxMs: 500 }))
  world.run(2_000)
  world.calm()
  world.run(500)
  return { hash: world.trace.hash, count: world.trace.count, lines: world.trace.lines() }
}

describe('the trace', () => {
  it('is the same for the same seed', () => {
    expect(traceOf(7)).toEqual(traceOf(7))
  })

  it('differs for another seed', () => {
    expect(traceOf(7).hash).not.toBe(traceOf(8).hash)
  })

  it('differs when one byte of one message differs', () => {
    const hashOf = (value: number): string => {
      const { world, a, b } = two()
      world.call(a, toy => {
        toy.stream(b.contact, value)
      })
      world.run(1_000)
      return world.trace.hash
    }
    expect(hashOf(1)).toBe(hashOf(1))
    expect(hashOf(1)).not.toBe(hashOf(2))
  })

  it('keeps the last lines, oldest first', () => {
    const world = pinging(3, { traceLines: 10 })
    world.run(1_000)
    const times = world.trace.lines().map(line => Number(line.trim().split(' ')[0]))
    expect(times).toHaveLength(10)
    expect(times).toEqual(times.toSorted((one, other) => one - other))
    expect(times.at(-1)).toBeGreaterThan(980)
  })
})
