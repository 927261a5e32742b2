import { describe, expect, test } from 'vitest'
import { Bitfield } from '../../../src/base/bitfield.ts'
import { LruMap } from '../../../src/base/bounded.ts'
import { Heap } from '../../../src/base/heap.ts'
import { IndexedMap } from '../../../src/base/indexed-map.ts'
import { Random } from '../../../src/base/random.ts'

describe('heap', () => {
  test('pops the items in order', () => {
    const random = Random.from('heap')
    const heap = new Heap<number>((a, b) => a < b)
    const items = Array.from({ length: 300 }, () => random.below(100))
    for (const item of items) heap.push(item)
    const popped: number[] = []
    while (heap.size > 0) popped.push(heap.pop() ?? -1)
    expect(popped).toEqual(items.toSorted((a, b) => a - b))
    expect(heap.pop()).toBeUndefined()
  })
})

describe('bitfield', () => {
  test('counts its bits, and writes bit 0 as the highest bit of byte 0', () => {
    const field = new Bitfield(10)
    expect(field.add(0)).toBe(true)
    expect(field.add(0)).toBe(false)
    expect(field.add(9)).toBe(true)
    expect(field.encode()).toEqual(Uint8Array.of(0x80, 0x40))
    expect([...field]).toEqual([0, 9])
    expect(field.count).toBe(2)
    expect(field.delete(0)).toBe(true)
    expect(field.delete(0)).toBe(false)
    expect(field.count).toBe(1)
    expect(field.fill().full).toBe(true)
  })

  test('decode refuses another number of bytes, and a set spare bit', () => {
    expect(Bitfield.decode(Uint8Array.of(0xff), 9)).toBeUndefined()
    expect(Bitfield.decode(Uint8Array.of(0xff), 7)).toBeUndefined()
    expect(Bitfield.decode(Uint8Array.of(0xfe), 7)?.full).toBe(true)
  })

  test('has returns false outside the range, add throws', () => {
    const field = new Bitfield(3)
    expect(field.has(-1)).toBe(false)
    expect(field.has(3)).toBe(false)
    expect(() => field.add(3)).toThrow(RangeError)
  })
})

describe('a bounded map', () => {
  test('drops the least recently used entry, and returns it', () => {
    const map = new LruMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.touch('a')
    expect(map.set('c', 3)).toEqual({ key: 'b', value: 2 })
    expect([...map.keys()]).toEqual(['a', 'c'])
  })
})

describe('an indexed map', () => {
  test('agrees with a plain map under random operations, and lists each value once', () => {
    const random = Random.from('indexed map')
    const map = new IndexedMap<number, string>()
    const plain = new Map<number, string>()
    for (let step = 0; step < 2_000; step++) {
      const key = random.below(20)
      if (random.chance(0.6)) {
        map.set(key, `${key}/${step}`)
        plain.set(key, `${key}/${step}`)
      } else {
        expect(map.delete(key)).toBe(plain.delete(key))
      }
      expect(map.size).toBe(plain.size)
      expect(map.get(key)).toBe(plain.get(key))
      expect(map.values.toSorted()).toEqual([...plain.values()].toSorted())
    }
  })

  test('moves the last value into the gap', () => {
    const map = new IndexedMap<string, number>()
    for (const [key, value] of [
      ['a', 1],
      ['b', 2],
      ['c', 3]
    ] as const)
      map.set(key, value)
    map.delete('a')
    expect(map.values).toEqual([3, 2])
  })
})
