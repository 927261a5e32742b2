import { describe, expect, it } from 'vitest'
import { eachOf } from '../../../../src/io/share/pool.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a pool', () => {
  it('does every item once, and no more at once than it may', async () => {
    const done: number[] = []
    let running = 0
    let most = 0
    await eachOf(
      Array.from({ length: 20 }, (_, i) => i),
      { limit: 3, signal: never },
      async item => {
        most = Math.max(most, ++running)
        await turn()
        running--
        done.push(item)
      }
    )
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(most).toBe(3)
  })

  it('throws the first failure after what ran has ended, and begins nothing else', async () => {
    const begun: number[] = []
    let stopped = false
    const run = eachOf([0, 1, 2, 3, 4, 5], { limit: 2, signal: never }, async (item, signal) => {
      begun.push(item)
      if (item === 1) throw new Error('one')
      await turn()
      await turn()
      stopped = signal.aborted
    })
    await expect(run).rejects.toThrow('one')
    expect({ begun, stopped }).toEqual({ begun: [0, 1], stopped: true })
  })

  it('ends with the reason of its signal', async () => {
    const controller = new AbortController()
    const begun: number[] = []
    const run = eachOf([0, 1, 2, 3], { limit: 1, signal: controller.signal }, async item => {
      begun.push(item)
      if (item === 1) controller.abort(new Error('enough'))
      await turn()
    })
    await expect(run).rejects.toThrow('enough')
    expect(begun).toEqual([0, 1])
  })

  it('does nothing for nothing', async () => {
    await eachOf([], { limit: 4, signal: never }, () => Promise.reject(new Error('called')))
  })
})
