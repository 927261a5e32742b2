import { expect, it } from 'vitest'
import { LogRateLimiter, MUFFLE_MS } from '../../../../src/daemon/process/log-rate-limiter.ts'

it('tells of a subject once in a while, and how often it was silent about it', () => {
  let nowMs = 0
  const told: Array<[string, number]> = []
  const logLimiter = new LogRateLimiter(() => nowMs)
  const say = (subject: string): void => logLimiter.say(subject, suppressed => told.push([subject, suppressed]))
  say('cod')
  say('cod')
  say('eel')
  nowMs = MUFFLE_MS - 1
  say('cod')
  nowMs = MUFFLE_MS
  say('cod')
  expect(told).toEqual([
    ['cod', 0],
    ['eel', 0],
    ['cod', 2]
  ])
})
