import { describe, expect, it } from 'vitest'
import { cpuSeconds, residentBytes, Side } from '../../bench/usage.ts'

/** Keeps the processor busy for so much of this process's time. */
function burn(seconds: number): void {
  const startSeconds = cpuSeconds(process.pid)!
  while (cpuSeconds(process.pid)! < startSeconds + seconds);
}

describe('the cost of a process', () => {
  it('counts its processor time from there on, and its peak memory', () => {
    burn(0.05)
    const side = new Side([process.pid])
    burn(0.1)
    const usage = side.stop()
    expect(usage.cpuSeconds).toBeGreaterThan(0.09)
    expect(usage.cpuSeconds).toBeLessThan(cpuSeconds(process.pid)! - 0.04)
    expect(usage.peakBytes).toBeGreaterThanOrEqual(residentBytes(process.pid)! / 2)
  })

  it('knows nothing of a process that is not there', () => {
    expect(cpuSeconds(2 ** 22 + 1)).toBeUndefined()
    expect(residentBytes(2 ** 22 + 1)).toBeUndefined()
  })
})
