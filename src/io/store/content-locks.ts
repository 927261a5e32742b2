/**
 * One readers-writer lock per content: work on a content runs concurrently, and a removal is exclusive. A removal waits
 * for all running work, and later work waits for the removal. An unused lock takes no memory.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'

/** How long a removal waits for running work. When work takes longer, the disk is stuck. */
export const QUIET_MS_MAX = 60_000

export class ContentLocks {
  private readonly working = new Map<ContentId, { count: number; onQuiet?: () => void }>()
  private readonly removing = new Map<ContentId, Promise<unknown>>()
  private readonly quietMs: number

  /** `quietMs` is the limit of that wait; tests set it. */
  constructor(quietMs = QUIET_MS_MAX) {
    this.quietMs = quietMs
  }

  /** `act` must not wait for other work on the same content: a removal in between would be a deadlock. */
  async work<T>(content: ContentId, act: () => Promise<T>): Promise<T> {
    for (let before; (before = this.removing.get(content)) !== undefined;) await before
    const worked = this.working.get(content) ?? { count: 0 }
    this.working.set(content, worked)
    worked.count++
    try {
      return await act()
    } finally {
      worked.count--
      if (worked.count === 0) {
        this.working.delete(content)
        worked.onQuiet?.()
      }
    }
  }

  /** Throws ShoalError 'timeout' when the running work does not end in time, and whatever `act` throws. */
  async remove<T>(content: ContentId, act: () => Promise<T>): Promise<T> {
    for (let before; (before = this.removing.get(content)) !== undefined;) await before
    const removal = this.quiet(content).then(act)
    const settled = removal.catch(() => undefined)
    this.removing.set(content, settled)
    try {
      return await removal
    } finally {
      this.removing.delete(content)
    }
  }

  private async quiet(content: ContentId): Promise<void> {
    const worked = this.working.get(content)
    if (worked === undefined) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new ShoalError('timeout', `${content} is still being written after ${this.quietMs / 1_000} s`, {
            hint: 'the disk may be stuck: run `shoal doctor`, then try again'
          })
        )
      }, this.quietMs)
      worked.onQuiet = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
