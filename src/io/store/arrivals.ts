/** Which leaves of a content that is being fetched are checked and written, and who waits for which. */
import type { Bitfield } from '../../base/bitfield.ts'

export class Arrivals {
  private readonly leaves: Bitfield
  /** By leaf, numbered through the content. */
  private readonly waiting = new Map<number, Set<() => void>>()
  private ended = false

  /** `have` is kept and grows. */
  constructor(have: Bitfield) {
    this.leaves = have
  }

  has(leaf: number): boolean {
    return this.leaves.has(leaf)
  }

  /** Leaves side by side that are on disk now, verified before. */
  add(first: number, count: number): void {
    for (let leaf = first; leaf < first + count; leaf++) {
      this.leaves.add(leaf)
      this.wake(leaf)
    }
  }

  private wake(leaf: number): void {
    const waiters = this.waiting.get(leaf)
    this.waiting.delete(leaf)
    for (const resolve of waiters ?? []) resolve()
  }

  /** Resolves when the leaf is here, when nothing arrives here any more, or when the signal aborts: whoever waited looks again. */
  wait(leaf: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (this.ended || this.has(leaf) || signal.aborted) {
        resolve()
        return
      }
      const waiters = this.waiting.get(leaf) ?? new Set()
      this.waiting.set(leaf, waiters)
      const end = (): void => {
        waiters.delete(end)
        if (waiters.size === 0 && this.waiting.get(leaf) === waiters) this.waiting.delete(leaf)
        signal.removeEventListener('abort', end)
        resolve()
      }
      waiters.add(end)
      signal.addEventListener('abort', end)
    })
  }

  /** Those who wait now: for tests. */
  get waiters(): number {
    return [...this.waiting.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** The content is prepared anew, or closed. */
  end(): void {
    this.ended = true
    for (const leaf of [...this.waiting.keys()]) this.wake(leaf)
  }
}
