/** The clocks of the operating system. */
import { instant, wallMs } from '../base/time.ts'
import type { Now } from '../core/machine.ts'

/** `mono` starts near zero with the process and never goes back; it may stop while the machine is suspended. */
export function now(): Now {
  return { mono: instant(performance.now()), wall: wallMs(Date.now()) }
}
