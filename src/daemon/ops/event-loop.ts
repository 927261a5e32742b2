/** How late the event loop is, by a timer of Node's own outside of JavaScript. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Between two looks: a stall of as long is surely seen, and 10 looks a second cost 0.05 % of a core. */
const RESOLUTION_MS = 100
/** Quantiles are of this long at least, and of as much more as passes until somebody asks. */
const WINDOW_MS = 60_000

export interface LoopDelay {
  readonly p50Seconds: number
  readonly p99Seconds: number
  /** Of all looks since the start. */
  readonly sumSeconds: number
  readonly count: number
}

export class EventLoop {
  private readonly histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  /** Of the windows that are over. */
  private pastSeconds = 0
  private pastCount = 0
  private windowStartMs = performance.now()

  constructor() {
    this.histogram.enable()
  }

  read(): LoopDelay {
    const { histogram } = this
    const seconds = this.pastSeconds + (histogram.count === 0 ? 0 : lateSeconds(histogram.mean) * histogram.count)
    const count = this.pastCount + histogram.count
    const quantile = (percent: number): number =>
      histogram.count === 0 ? 0 : lateSeconds(histogram.percentile(percent))
    const read = { p50Seconds: quantile(50), p99Seconds: quantile(99), sumSeconds: seconds, count }
    if (performance.now() - this.windowStartMs >= WINDOW_MS) {
      this.pastSeconds = seconds
      this.pastCount = count
      this.windowStartMs = performance.now()
      histogram.reset()
    }
    return read
  }

  close(): void {
    this.histogram.disable()
  }
}

/** It measures from look to look; what is over the interval is late. */
function lateSeconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3)
}
