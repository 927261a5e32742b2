import { describe, expect, test } from 'vitest'
import { add, between, clockwiseFrom, distance, inArc } from '../../../src/base/ring.ts'
import type { Key } from '../../../src/base/ids.ts'
import { Random } from '../../../src/base/random.ts'

const key = (digits: string): Key => digits.padEnd(64, '0') as Key

describe('arcs', () => {
  const [a, b, c] = [key('1'), key('8'), key('f')]

  test('an open arc excludes both ends, and may contain zero', () => {
    expect(between(a, b, c)).toBe(true)
    expect(between(a, a, c)).toBe(false)
    expect(between(a, c, c)).toBe(false)
    expect(between(c, a, b)).toBe(true)
    expect(between(c, key('0'), a)).toBe(true)
    expect(between(b, a, c)).toBe(false)
  })

  test('the arc from a key to itself is the whole ring: a lone node owns every key', () => {
    expect(inArc(a, b, a)).toBe(true)
    expect(inArc(a, a, a)).toBe(true)
    expect(between(a, b, a)).toBe(true)
    expect(between(a, a, a)).toBe(false)
  })

  test('agree with distances for random keys', () => {
    const random = Random.from('arcs')
    const draw = (): Key => Buffer.from(random.bytes(32)).toString('hex') as Key
    for (let i = 0; i < 500; i++) {
      const [from, x, to] = [draw(), draw(), draw()]
      expect(inArc(from, x, to)).toBe(distance(from, x) <= distance(from, to))
      expect(add(from, distance(from, to))).toBe(to)
      expect([x, to, from].sort(clockwiseFrom(from)).at(-1)).toBe(from)
      expect(clockwiseFrom(from)(x, to) < 0).toBe(distance(from, x) < distance(from, to))
    }
  })

  test('addition wraps both ways', () => {
    expect(add(key('f').replaceAll('0', 'f') as Key, 1n)).toBe(key('0'))
    expect(add(key('0'), -1n)).toBe('f'.repeat(64))
  })
})
