/** Tracks which leaves of a download are verified and written, and wakes the readers that wait for them. */
import type { Bitfield } from '../../base/bitfield.ts'

export class Arrivals {
  private readonly leaves: Bitfield
  /** Waiters by leaf; leaves are numbered through the content. */
  private readonly waiting = new Map<number, Set<() => void>>()
  private ended = false

  /** Takes ownership of `have` and adds leaves to it. */
  constructor(have: Bitfield) {
    this.leaves = have
  }

  has(leaf: number): boolean {
    return this.leaves.has(leaf)
  }

  /** Records contiguous leaves that were verified and are now on disk. */
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

  /** Resolves when the leaf is on disk, after `end`, or when the signal aborts. The caller must check `has` again. */
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

  /** Number of waiters, for tests. */
  get waiters(): number {
    return [...this.waiting.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** Wakes all waiters: the content is prepared again, or closed. */
  end(): void {
    this.ended = true
    for (const leaf of [...this.waiting.keys()]) this.wake(leaf)
  }
}
