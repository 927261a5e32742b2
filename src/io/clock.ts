/** The two clocks of the machine that this runs on. */
import { instant, wallMs } from '../base/time.ts'
import type { Now } from '../core/machine.ts'

/** `mono` starts near zero with the process and never goes back; while the machine sleeps it may stand still. */
export function now(): Now {
  return { mono: instant(performance.now()), wall: wallMs(Date.now()) }
}
