/** A node's two clocks. Mono has a new origin at every start and a rate of its own; wall has an offset and may jump. */
import { instant, wallMs, type Instant } from '../../base/time.ts'
import type { Random } from '../../base/random.ts'
import type { Now } from '../../core/machine.ts'

export interface ClockSettings {
  /** The rate of mono is 1 ± this. Real clocks drift by at most 1e-4; the default is ten times more. */
  driftMax: number
  /** The offset of wall is at most ± this. */
  wallOffsetMaxMs: number
  /** A timer fires at most this late. */
  timerLateMaxMs: number
}

export const CLOCK_DEFAULTS: ClockSettings = { driftMax: 1e-3, wallOffsetMaxMs: 600_000, timerLateMaxMs: 1 }

const MONO_ZERO_MAX_MS = 1e9
/** The wall time at the start of the world, in January 2027. */
const WALL_START_MS = 1_800_000_000_000

export class Clock {
  private readonly rate: number
  private readonly settings: ClockSettings
  private readonly random: Random
  private wallOffsetMs: number
  private zeroMs = 0
  private bootedAtMs = 0
  private last = 0

  constructor(settings: ClockSettings, random: Random) {
    this.settings = settings
    this.random = random
    this.rate = 1 + random.range(-settings.driftMax, settings.driftMax)
    this.wallOffsetMs = random.range(-settings.wallOffsetMaxMs, settings.wallOffsetMaxMs)
  }

  /** Called when a process starts: mono gets a new origin. */
  boot(worldMs: number): void {
    this.bootedAtMs = worldMs
    this.zeroMs = this.random.below(MONO_ZERO_MAX_MS)
    this.last = 0
  }

  /** The current time. Mono never goes back while a process runs. */
  now(worldMs: number): Now {
    const mono = this.zeroMs + (worldMs - this.bootedAtMs) * this.rate
    if (mono > this.last) this.last = mono
    return { mono: instant(this.last), wall: wallMs(Math.floor(WALL_START_MS + worldMs + this.wallOffsetMs)) }
  }

  /** Called when a timer for `due` fires. Ensures that mono is not before `due` because of rounding. */
  reach(due: Instant): void {
    if (due > this.last) this.last = due
  }

  /** Draws the lateness of one timer. */
  lateMs(): number {
    return this.random.unit() * this.settings.timerLateMaxMs
  }

  /** The world's time at which mono shows `due`. */
  worldMsOf(due: Instant): number {
    return this.bootedAtMs + (due - this.zeroMs) / this.rate
  }

  /** Changes the wall clock by `byMs`. */
  jumpWall(byMs: number): void {
    this.wallOffsetMs += byMs
  }
}
