import { expect, it } from 'vitest'
import { TwinWatch } from '../../../../src/daemon/node/twin.ts'

const own = { host: '10.0.0.1', port: 7462 }
const other = { host: '10.0.0.2', port: 7462 }

it('reports a node with this key at another address, for ten minutes after the last sign', () => {
  const watch = new TwinWatch()
  expect(watch.address(0)).toBeUndefined()
  expect(watch.heard({ address: other, own, atMs: 1_000 })).toBe(true)
  expect(watch.address(601_000)).toEqual(other)
  expect(watch.address(601_001)).toBeUndefined()
})

it('takes a claim with its own address for its own past', () => {
  const watch = new TwinWatch()
  expect(watch.heard({ address: { ...own }, own, atMs: 0 })).toBe(false)
  expect(watch.address(0)).toBeUndefined()
})

it('forgets a node that said goodbye', () => {
  const watch = new TwinWatch()
  watch.heard({ address: other, own, atMs: 0 })
  expect(watch.heard({ address: undefined, own, atMs: 1 })).toBe(false)
  expect(watch.address(1)).toBeUndefined()
})
