/** Virtual time, which passes only by what happens. */
import { EventQueue } from './event-queue.ts'
import { SimFailure } from './failure.ts'

/** So much at one instant is a circle of calls and answers. */
const HAPPENINGS_AT_ONE_INSTANT_MAX = 200_000

export class Timeline {
  readonly eventQueue = new EventQueue()
  /** Milliseconds since the world began. */
  timeMs = 0
  private atThisInstant = 0

  /** Something that happens to the world, at `worldMs` or at once when that is past. */
  at(worldMs: number, happen: () => void): void {
    this.eventQueue.put(Math.max(worldMs, this.timeMs), { happen })
  }

  /** One happening. False when there is none until `untilMs`; time stands at that then. */
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
    } else if (++this.atThisInstant > HAPPENINGS_AT_ONE_INSTANT_MAX) {
      throw new SimFailure({ property: 'livelock', detail: `time stands at ${this.timeMs} ms` })
    }
  }

  run(forMs: number): void {
    const untilMs = this.timeMs + forMs
    while (this.step(untilMs));
  }

  /** Until the condition holds, looked at after every happening; false when it does not within `limitMs`. */
  runUntil(condition: () => boolean, limitMs: number): boolean {
    const untilMs = this.timeMs + limitMs
    while (!condition()) if (!this.step(untilMs)) return condition()
    return true
  }

  /** As runUntil, looking every `everyMs` only: for conditions that cost. */
  settle(condition: () => boolean, limits: { everyMs: number; limitMs: number }): boolean {
    const untilMs = this.timeMs + limits.limitMs
    while (!condition()) {
      if (this.timeMs >= untilMs) return false
      this.run(Math.min(limits.everyMs, untilMs - this.timeMs))
    }
    return true
  }
}
