/** Lets a member that misbehaves be named in the log without deciding how fast the log grows. */
import { LruMap } from '../../base/bounded.ts'

/** One line for a subject in this time; what is left out is counted and told with the next one. */
export const MUFFLE_MS = 10_000
const SUBJECTS_MAX = 256

export class LogRateLimiter {
  private readonly nowMs: () => number
  private readonly subjects = new LruMap<string, { untilMs: number; suppressed: number }>(SUBJECTS_MAX)

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  /** Calls `tell` at once or not at all. */
  say(subject: string, tell: (suppressed: number) => void): void {
    const nowMs = this.nowMs()
    const last = this.subjects.touch(subject)
    if (last !== undefined && nowMs < last.untilMs) {
      last.suppressed++
      return
    }
    this.subjects.set(subject, { untilMs: nowMs + MUFFLE_MS, suppressed: 0 })
    tell(last?.suppressed ?? 0)
  }
}
