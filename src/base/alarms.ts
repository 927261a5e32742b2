/**
 * The timers of a machine: at most one per name. Alarms for the same instant are taken in the order in which they
 * were set.
 */
import { Heap } from './heap.ts'
import type { Instant } from './time.ts'

interface Alarm<K> {
  readonly name: K
  readonly at: Instant
  readonly order: number
}

export class Alarms<K> {
  private readonly heap = new Heap<Alarm<K>>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))
  /** The valid alarm of each name. Any other alarm in the heap was replaced or cleared. */
  private readonly current = new Map<K, Alarm<K>>()
  private order = 0

  get size(): number {
    return this.current.size
  }

  /** Replaces the alarm of this name, if there is one. */
  set(name: K, at: Instant): void {
    const alarm = { name, at, order: this.order++ }
    this.current.set(name, alarm)
    this.heap.push(alarm)
    if (this.heap.size > 64 && this.heap.size > 4 * this.current.size) this.compact()
  }

  clear(name: K): void {
    this.current.delete(name)
  }

  next(): Instant | undefined {
    this.dropStale()
    return this.heap.peek()?.at
  }

  /** Removes the earliest alarm that is due and returns its name. Undefined when none is due. */
  take(now: Instant): K | undefined {
    this.dropStale()
    const first = this.heap.peek()
    if (first === undefined || first.at > now) return undefined
    this.heap.pop()
    this.current.delete(first.name)
    return first.name
  }

  private dropStale(): void {
    for (let top = this.heap.peek(); top !== undefined; top = this.heap.peek()) {
      if (this.current.get(top.name) === top) return
      this.heap.pop()
    }
  }

  private compact(): void {
    while (this.heap.size > 0) this.heap.pop()
    for (const alarm of this.current.values()) this.heap.push(alarm)
  }
}
