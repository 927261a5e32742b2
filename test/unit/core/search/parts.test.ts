import { describe, expect, it } from 'vitest'
import { instant } from '../../../../src/base/time.ts'
import { BACKLOG_EVERY_MS, BACKLOG_MS, Bucket } from '../../../../src/core/search/graph/bucket.ts'
import { Generations } from '../../../../src/core/search/flood/generations.ts'
import { reachedBy } from '../../../../src/core/search/tables/horizon.ts'

describe('a bucket', () => {
  it('allows its burst at once and then its rate', () => {
    const bucket = new Bucket({ perSecond: 10, burst: 3 }, instant(0))
    expect([1, 2, 3, 4].map(() => bucket.spend(instant(0)))).toEqual([true, true, true, false])
    expect([100, 110].map(ms => bucket.spend(instant(ms)))).toEqual([true, false])
  })

  it('counts requests beyond the rate as debt, so that sending faster gains nothing', () => {
    const bucket = new Bucket({ perSecond: 10, burst: 1 }, instant(0))
    for (let i = 0; i < 2; i++) bucket.take(instant(0))
    for (let i = 0; i < 6; i++) bucket.take(instant(BACKLOG_MS))
    expect(bucket.debt).toBe(5)
    expect(bucket.take(instant(BACKLOG_MS + 500))).toBe(false)
    expect(bucket.take(instant(BACKLOG_MS + 2_000))).toBe(true)
    expect(bucket.debt).toBe(0)
  })

  it('refuses a backlog beyond the rate, and adds it to the debt only when backlogs are frequent', () => {
    const bucket = new Bucket({ perSecond: 10, burst: 1 }, instant(0))
    const takeMany = (ms: number): number => {
      let taken = 0
      for (let i = 0; i < 100; i++) if (bucket.take(instant(ms))) taken++
      return taken
    }
    expect(takeMany(0)).toBe(1)
    expect(takeMany(BACKLOG_MS - 1)).toBe(1)
    expect(bucket.debt).toBe(0)
    expect(takeMany(BACKLOG_EVERY_MS)).toBe(1)
    expect(bucket.debt).toBe(0)
    expect(takeMany(2 * BACKLOG_EVERY_MS - 1)).toBe(1)
    expect(bucket.debt).toBe(99)
  })
})

describe('generations', () => {
  it('keep an entry for one to two times their duration', () => {
    const map = new Generations<string, number>(10, 1_000)
    map.set('a', 1, instant(0))
    map.set('b', 2, instant(900))
    expect(map.get('a', instant(999))).toBe(1)
    expect(map.get('a', instant(1_500))).toBe(1)
    expect([map.get('a', instant(2_000)), map.get('b', instant(2_000))]).toEqual([undefined, undefined])
    map.set('c', 3, instant(10_000))
    expect(map.get('c', instant(10_900))).toBe(3)
    expect(map.get('c', instant(20_000))).toBeUndefined()
  })

  it('hold at most two times their limit, and always the latest entries', () => {
    const map = new Generations<number, number>(10, 1_000)
    for (let i = 0; i < 1_000; i++) {
      map.set(i, i, instant(0))
      expect(map.size).toBeLessThanOrEqual(20)
      for (let last = Math.max(0, i - 9); last <= i; last++) expect(map.get(last, instant(0))).toBe(last)
    }
  })
})

describe('the horizon', () => {
  const shoal = { nodes: 1_000, degree: 6.5 }

  it('grows about fivefold with each hop at first, and ends at all nodes', () => {
    const rings = [1, 2, 3, 4, 5, 6].map(ttl => reachedBy(shoal, 6.5, ttl))
    expect(rings[0]).toBeCloseTo(6.5, 0)
    expect(rings[1]! / rings[0]!).toBeGreaterThan(5)
    expect(rings[3]).toBeLessThan(900)
    expect(rings[4]).toBeGreaterThan(995)
    expect(rings[5]).toBeLessThanOrEqual(999)
  })

  it('is all nodes after one hop where all are neighbours, and none for a lone node', () => {
    expect(reachedBy({ nodes: 7, degree: 6 }, 6, 2)).toBeCloseTo(6, 1)
    expect(reachedBy({ nodes: 1, degree: 1 }, 0, 7)).toBe(0)
  })

  it('is smaller through one neighbour', () => {
    expect(reachedBy(shoal, 1, 3)).toBeLessThan(reachedBy(shoal, 6.5, 3) / 5)
  })
})
