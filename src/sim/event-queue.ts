/** What is going to happen, by virtual time; at one instant in the order in which it was put down. */
import { Heap } from '../base/heap.ts'

/** One thing that happens to the world. Classes rather than closures where there are many. */
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
  /** How many that are not idle are still to happen: messages, writes, handshakes. */
  underWay = 0

  get size(): number {
    return this.heap.size
  }

  /** When the next thing happens, in milliseconds of the world; undefined when nothing will. */
  get nextMs(): number | undefined {
    return this.heap.peek()?.at
  }

  /** `idle`: a timer that only guards, so that waiting for it is not waiting for something under way. */
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
