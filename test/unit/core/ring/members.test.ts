import { describe, expect, it } from 'vitest'
import { placeOf } from '../../../../src/base/ids.ts'
import { add } from '../../../../src/base/ring.ts'
import { RingMembers } from '../../../../src/core/ring/members.ts'
import { contacts } from './lone.ts'

const all = contacts(7)
const place = (i: number) => placeOf(all[i]!.id)
const members = (): RingMembers => {
  const some = new RingMembers()
  for (const i of [3, 0, 6, 5, 1, 4, 2]) some.up(all[i]!)
  return some
}

describe('members', () => {
  it('are met in ring order from behind a place, in both directions and around', () => {
    const some = members()
    expect(some.clockwise(place(4), 4).map(({ contact }) => contact)).toEqual([5, 6, 0, 1].map(i => all[i]))
    expect(some.counterclockwise(place(1), 4).map(({ contact }) => contact)).toEqual([0, 6, 5, 4].map(i => all[i]))
    const between = add(place(4), 1n)
    expect(some.clockwise(between, 9).map(({ contact }) => contact)).toEqual([5, 6, 0, 1, 2, 3, 4].map(i => all[i]))
    expect(some.counterclockwise(between, 2).map(({ contact }) => contact)).toEqual([4, 3].map(i => all[i]))
  })

  it('are counted in a range that wraps around', () => {
    const { count, at } = members().range(place(5), place(2))
    expect(Array.from({ length: count }, (_, i) => at(i).contact)).toEqual([5, 6, 0, 1].map(i => all[i]))
    expect(members().range(add(place(5), 1n), place(6)).count).toBe(0)
  })

  it('keep one object while they are up, whatever their address', () => {
    const some = members()
    const before = some.get(all[2]!.id)
    const moved = { id: all[2]!.id, address: { host: '10.9.9.9', port: 1 } }
    expect(some.up(moved)).toBeUndefined()
    expect(some.get(moved.id)).toBe(before)
    expect(before?.contact).toEqual(moved)
  })

  it('that were declared down are remembered as heard of', () => {
    const some = members()
    expect(some.dead(all[2]!.id)?.contact).toEqual(all[2])
    expect(some.dead(all[2]!.id)).toBeUndefined()
    expect(some.size).toBe(6)
    expect(some.heardOf(all[2]!.id)).toBe(true)
    expect(new RingMembers().heardOf(all[2]!.id)).toBe(false)
  })
})
