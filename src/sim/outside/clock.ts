/** A node's two clocks, which agree with nobody's: mono has its own zero at every start and its own rate, wall is off. */
import { instant, wallMs, type Instant } from '../../base/time.ts'
import type { Random } from '../../base/random.ts'
import type { Now } from '../../core/machine.ts'

export interface ClockSettings {
  /** Mono runs at 1 ± this: real crystals stay within 1e-4, the default is ten times worse. */
  driftMax: number
  /** Wall is off by up to this, either way. */
  wallOffsetMaxMs: number
  /** A timer fires up to this late. */
  timerLateMaxMs: number
}

export const CLOCK_DEFAULTS: ClockSettings = { driftMax: 1e-3, wallOffsetMaxMs: 600_000, timerLateMaxMs: 1 }

const MONO_ZERO_MAX_MS = 1e9
/** Some day in 2027: where the wall stands when the world begins. */
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

  /** A process started: mono begins somewhere else. */
  boot(worldMs: number): void {
    this.bootedAtMs = worldMs
    this.zeroMs = this.random.below(MONO_ZERO_MAX_MS)
    this.last = 0
  }

  /** Never goes back within one run of a process. */
  now(worldMs: number): Now {
    const mono = this.zeroMs + (worldMs - this.bootedAtMs) * this.rate
    if (mono > this.last) this.last = mono
    return { mono: instant(this.last), wall: wallMs(Math.floor(WALL_START_MS + worldMs + this.wallOffsetMs)) }
  }

  /** A timer for `due` has fired: rounding must not make that look early. */
  reach(due: Instant): void {
    if (due > this.last) this.last = due
  }

  /** How late a timer fires this time. */
  lateMs(): number {
    return this.random.unit() * this.settings.timerLateMaxMs
  }

  /** The world's time at which mono shows `due`. */
  worldMsOf(due: Instant): number {
    return this.bootedAtMs + (due - this.zeroMs) / this.rate
  }

  /** Somebody set the wall clock. */
  jumpWall(byMs: number): void {
    this.wallOffsetMs += byMs
  }
}
