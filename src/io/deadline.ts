/** Deadlines for operations that wait for a peer. */

/** A signal that aborts after `ms` milliseconds, or when `signal` does. */
export function within(ms: number, signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)])
}

/** A deadline for successive steps: each step gets `ms`, and all share one timer and one signal. */
export class Watchdog {
  readonly signal: AbortSignal
  private readonly ms: number
  private readonly controller = new AbortController()
  private timer: NodeJS.Timeout | undefined

  constructor(ms: number, signal: AbortSignal) {
    this.ms = ms
    this.signal = AbortSignal.any([signal, this.controller.signal])
  }

  /** Runs a step, which must observe the signal. */
  async during<T>(step: () => Promise<T>): Promise<T> {
    this.timer ??= setTimeout(() => {
      this.controller.abort(new Error(`no progress for ${this.ms} ms`))
    }, this.ms)
    this.timer.refresh()
    try {
      return await step()
    } finally {
      clearTimeout(this.timer)
      this.timer = undefined
    }
  }
}
