import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { LinkEpochs, NO_LINK } from '../../../src/core/link-epochs.ts'

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)] as [NodeId, NodeId]

describe('the epoch of a link', () => {
  it('grows with each link that comes up, and is named again when that link ends', () => {
    const epochs = new LinkEpochs()
    const [first, other] = [epochs.changed(a, 'up'), epochs.changed(b, 'up')]
    expect(epochs.changed(a, 'down')).toBe(first)
    const second = epochs.changed(a, 'up')
    expect([first > NO_LINK, other > first, second > other]).toEqual([true, true, true])
    expect(epochs.changed(a, 'down')).toBe(second)
    expect(epochs.changed(b, 'down')).toBe(other)
  })

  it('is NO_LINK for a dial that failed', () => {
    const epochs = new LinkEpochs()
    expect(epochs.changed(a, 'down')).toBe(NO_LINK)
    epochs.changed(a, 'up')
    epochs.changed(a, 'down')
    expect(epochs.changed(a, 'down')).toBe(NO_LINK)
  })
})
