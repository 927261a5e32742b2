import { describe, expect, it } from 'vitest'
import { settled, systemClock, type WallClock } from '../../../../src/io/share/cache.ts'

const MS = 1_000_000n
const NOW = 1_800_000_000_123_000_000n
const { signal } = new AbortController()

/** A clock that moves only while somebody sleeps, and wakes the first so many ms `early`. */
function clockAt(now: bigint, early = 0): WallClock & { slept: number } {
  let nowNs = now
  let rest = early
  return {
    slept: 0,
    nowNs: () => nowNs,
    async sleep(ms) {
      this.slept += ms - rest
      nowNs += BigInt(ms - rest) * MS
      rest = 0
    }
  }
}

async function trust(mtimeNs: bigint): Promise<{ trusted: boolean; slept: number }> {
  const clock = clockAt(NOW)
  const trusted = await settled({ sizeBytes: 1, mtimeNs, inode: 1n }, clock, signal)
  return { trusted, slept: clock.slept }
}

describe('the hash of a file may be kept', () => {
  it('at once when the tick of its last change is over', async () => {
    expect(await trust(NOW - 21n * MS)).toEqual({ trusted: true, slept: 0 })
    expect(await trust(NOW - 3_600_000n * MS)).toEqual({ trusted: true, slept: 0 })
  })

  it('after the rest of the tick when it has just changed', async () => {
    expect(await trust(NOW - 20n * MS)).toEqual({ trusted: true, slept: 1 })
    expect(await trust(NOW)).toEqual({ trusted: true, slept: 21 })
    expect(await trust(NOW + 900_000n)).toEqual({ trusted: true, slept: 21 })
    expect(await trust(NOW + 20n * MS)).toEqual({ trusted: true, slept: 41 })
  })

  it('also when the timer fires early, but not when time stands still', async () => {
    const stamp = { sizeBytes: 1, mtimeNs: NOW, inode: 1n }
    expect(await settled(stamp, clockAt(NOW, 1), signal)).toBe(true)
    const stuck: WallClock = { nowNs: () => NOW, sleep: () => Promise.resolve() }
    expect(await settled(stamp, stuck, signal)).toBe(false)
  })

  it('not at all when its time is in the future', async () => {
    expect(await trust(NOW + 21n * MS)).toEqual({ trusted: false, slept: 0 })
    expect(await trust(NOW + 3_600_000n * MS)).toEqual({ trusted: false, slept: 0 })
  })

  it('only after two seconds where times have no fraction, without waiting for them', async () => {
    const whole = 1_800_000_000_000_000_000n
    expect(await trust(whole)).toEqual({ trusted: false, slept: 0 })
    expect(await trust(whole - 1_000n * MS)).toEqual({ trusted: false, slept: 0 })
    expect(await trust(whole - 2_000n * MS)).toEqual({ trusted: true, slept: 0 })
  })

  it('and a wait ends with the reason of the signal', async () => {
    const controller = new AbortController()
    const sleeping = systemClock.sleep(60_000, controller.signal)
    controller.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
  })
})
