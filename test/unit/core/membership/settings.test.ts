import { expect, test } from 'vitest'
import { pingTimeoutMs, suspicionBoundsMs, suspicionMs } from '../../../../src/core/membership/settings.ts'

test('suspicion bounds: 4 * max(1, log10 N) periods, and six times that', () => {
  expect(suspicionBoundsMs(5, 1_000)).toEqual({ minMs: 4_000, maxMs: 24_000 })
  expect(suspicionBoundsMs(100, 200)).toEqual({ minMs: 1_600, maxMs: 9_600 })
})

test('each confirmation shortens a suspicion, by the logarithm, down to the shortest', () => {
  const ms = [0, 1, 2, 3].map(confirmations => suspicionMs({ members: 100, periodMs: 1_000, confirmations }))
  // 48 - 40 * ln 2 / ln 3 = 22.76
  expect(ms.map(Math.round)).toEqual([48_000, 22_763, 8_000, 8_000])
})

test('with nobody who could confirm it a suspicion is short from the start', () => {
  expect(suspicionMs({ members: 3, periodMs: 1_000, confirmations: 0 })).toBe(4_000)
  expect(suspicionMs({ members: 4, periodMs: 1_000, confirmations: 0 })).toBe(24_000)
})

test('the ping timeout follows the round trip, between a tenth and half of the period', () => {
  expect(pingTimeoutMs(undefined, 1_000)).toBe(500)
  expect(pingTimeoutMs({ meanMs: 1, varianceMs: 0.5 }, 1_000)).toBe(100)
  expect(pingTimeoutMs({ meanMs: 120, varianceMs: 20 }, 1_000)).toBe(200)
  expect(pingTimeoutMs({ meanMs: 400, varianceMs: 200 }, 1_000)).toBe(500)
})
