/** Future events, ordered by virtual time; events at the same instant are in the order of `put`. */
import { Heap } from '../base/heap.ts'

/** An event. Frequent events are classes rather than closures, because classes are cheaper. */
export interface SimEvent {
  happen(): void
}

interface Entry {
  readonly at: number
  readonly order: number
  readonly what: SimEvent
  readonly idle: boolean
}

export class EventQueue {
  private readonly heap = new Heap<Entry>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))
  private orders = 0
  /** The number of pending events that are not idle: messages, writes, handshakes. */
  underWay = 0

  get size(): number {
    return this.heap.size
  }

  /** The virtual time of the next event; undefined when there is none. */
  get nextMs(): number | undefined {
    return this.heap.peek()?.at
  }

  /** `idle`: the event is a timeout or a periodic check; it does not count as under way. */
  put(atMs: number, what: SimEvent, idle = false): void {
    if (!idle) this.underWay++
    this.heap.push({ at: atMs, order: this.orders++, what, idle })
  }

  pop(): SimEvent | undefined {
    const entry = this.heap.pop()
    if (entry?.idle === false) this.underWay--
    return entry?.what
  }
}
