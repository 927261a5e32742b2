/** Virtual time. It advances only from one event to the next. */
import { EventQueue } from './event-queue.ts'
import { SimFailure } from './failure.ts'

/** More events than this at one instant are an endless loop of calls and answers. */
const EVENTS_PER_INSTANT_MAX = 200_000

export class Timeline {
  readonly eventQueue = new EventQueue()
  /** Milliseconds since the world began. */
  timeMs = 0
  private atThisInstant = 0

  /** Schedules an event at `worldMs`, or at the current instant when that is in the past. */
  at(worldMs: number, happen: () => void): void {
    this.eventQueue.put(Math.max(worldMs, this.timeMs), { happen })
  }

  /** Runs the next event. Returns false when there is none until `untilMs`, and advances time to `untilMs`. */
  step(untilMs = Infinity): boolean {
    const next = this.eventQueue.nextMs
    if (next === undefined || next > untilMs) {
      if (untilMs !== Infinity) this.timeMs = Math.max(this.timeMs, untilMs)
      return false
    }
    this.reach(next)
    this.eventQueue.pop()?.happen()
    return true
  }

  private reach(nextMs: number): void {
    if (nextMs > this.timeMs) {
      this.timeMs = nextMs
      this.atThisInstant = 0
    } else if (++this.atThisInstant > EVENTS_PER_INSTANT_MAX) {
      throw new SimFailure({ property: 'livelock', detail: `time does not advance past ${this.timeMs} ms` })
    }
  }

  run(forMs: number): void {
    const untilMs = this.timeMs + forMs
    while (this.step(untilMs));
  }

  /** Runs until the condition holds; checks it after every event. False when it does not hold within `limitMs`. */
  runUntil(condition: () => boolean, limitMs: number): boolean {
    const untilMs = this.timeMs + limitMs
    while (!condition()) if (!this.step(untilMs)) return condition()
    return true
  }

  /** Like runUntil, but checks the condition only every `everyMs`: for expensive conditions. */
  settle(condition: () => boolean, limits: { everyMs: number; limitMs: number }): boolean {
    const untilMs = this.timeMs + limits.limitMs
    while (!condition()) {
      if (this.timeMs >= untilMs) return false
      this.run(Math.min(limits.everyMs, untilMs - this.timeMs))
    }
    return true
  }
}
