import { expect, test } from 'vitest'
import { Random } from '../../../src/base/random.ts'

test('a seed determines the sequence; forks with other labels differ', () => {
  const draw = (random: Random): number[] => Array.from({ length: 5 }, () => random.u32())
  expect(draw(Random.from(1))).toEqual(draw(Random.from(1)))
  expect(draw(Random.from(1))).not.toEqual(draw(Random.from(2)))
  expect(draw(Random.from(1).fork('a'))).not.toEqual(draw(Random.from(1).fork('b')))
})

test('the sequence of a seed never changes, so that seeds of old failures stay valid', () => {
  const random = Random.from('golden')
  expect([random.u32(), random.u32(), random.u32()]).toEqual([894227474, 1641815666, 1383334495])
})

test('integers below n are uniform: chi squared over 16 cells', () => {
  const random = Random.from('even')
  const cells = new Array<number>(16).fill(0)
  const draws = 16_000
  for (let i = 0; i < draws; i++) {
    const cell = random.below(16)
    cells[cell] = (cells[cell] ?? 0) + 1
  }
  const expected = draws / 16
  const chi = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  expect(chi).toBeLessThan(37.7) // 15 degrees of freedom, p = 0.001
})

test('a sample has distinct items and does not change the array; a shuffle keeps all items', () => {
  const random = Random.from('sample')
  const items = [1, 2, 3, 4, 5, 6]
  const sample = random.sample(items, 4)
  expect(new Set(sample).size).toBe(4)
  expect(random.sample(items, 9)).toHaveLength(6)
  expect(items).toEqual([1, 2, 3, 4, 5, 6])
  expect(random.shuffle(items.slice()).toSorted()).toEqual(items)
})
