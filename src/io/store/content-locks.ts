/**
 * Who works on a content, and who removes it: a removal waits for all work on that content, and work that comes meanwhile waits for the
 * removal. Work goes side by side (a readers-writer lock a content, in which the removal writes). Nothing is kept of a content that nobody
 * works on.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'

/** A disk that takes longer to end what was asked of it is stuck. */
export const QUIET_MS_MAX = 60_000

export class ContentLocks {
  private readonly working = new Map<ContentId, { count: number; onQuiet?: () => void }>()
  private readonly removing = new Map<ContentId, Promise<unknown>>()
  private readonly quietMs: number

  /** `quietMs`: for tests. */
  constructor(quietMs = QUIET_MS_MAX) {
    this.quietMs = quietMs
  }

  /** Work must not wait for other work on the same content: a removal may stand between. */
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

  /** Throws ShoalError 'timeout' when the work before it does not end, and what `act` throws. */
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
            hint: 'its disk may be stuck: `shoal doctor` looks; then try again'
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
