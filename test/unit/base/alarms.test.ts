import { describe, expect, it } from 'vitest'
import { Alarms } from '../../../src/base/alarms.ts'
import { instant } from '../../../src/base/time.ts'

describe('alarms', () => {
  it('are taken in the order of time, and at equal times in the order of set', () => {
    const alarms = new Alarms<string>()
    for (const [name, at] of [
      ['b', 5],
      ['c', 5],
      ['a', 1],
      ['d', 9]
    ] as const)
      alarms.set(name, instant(at))
    const rung = []
    for (let name = alarms.take(instant(5)); name !== undefined; name = alarms.take(instant(5))) rung.push(name)
    expect(rung).toEqual(['a', 'b', 'c'])
    expect(alarms.next()).toBe(9)
  })

  it('keep only the last time set for a name', () => {
    const alarms = new Alarms<string>()
    alarms.set('a', instant(1))
    alarms.set('a', instant(7))
    expect(alarms.next()).toBe(7)
    expect(alarms.take(instant(6))).toBeUndefined()
    expect(alarms.take(instant(7))).toBe('a')
    expect(alarms.next()).toBeUndefined()
  })

  it('are not taken once cleared', () => {
    const alarms = new Alarms<string>()
    alarms.set('a', instant(1))
    alarms.clear('a')
    expect(alarms.next()).toBeUndefined()
    expect(alarms.take(instant(2))).toBeUndefined()
  })

  it('use bounded memory when one name is set again and again', () => {
    const alarms = new Alarms<string>()
    for (let i = 0; i < 10_000; i++) alarms.set('a', instant(i))
    expect(alarms.size).toBe(1)
    expect((alarms as unknown as { heap: { size: number } }).heap.size).toBeLessThan(100)
    expect(alarms.take(instant(10_000))).toBe('a')
  })
})
