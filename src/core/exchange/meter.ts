/** Measures a rate in bytes per second over the last 4.5 to 5 seconds. */
import type { Instant } from '../../base/time.ts'

/** Length of a slot. SLOTS of them, the last of which is incomplete, cover 4.5 to 5 seconds. */
const SLOT_MS = 500
const SLOTS = 10

export class Meter {
  private readonly slots = new Float64Array(SLOTS)
  private slot = 0
  private readonly start: Instant

  constructor(start: Instant) {
    this.start = start
    this.slot = this.slotOf(start)
  }

  private slotOf(at: Instant): number {
    return Math.floor(at / SLOT_MS)
  }

  private turn(now: Instant): void {
    const slot = this.slotOf(now)
    const empty = Math.min(SLOTS, slot - this.slot)
    for (let i = 1; i <= empty; i++) this.slots[(this.slot + i) % SLOTS] = 0
    this.slot = Math.max(slot, this.slot)
  }

  add(bytes: number, now: Instant): void {
    this.turn(now)
    this.slots[this.slot % SLOTS] = (this.slots[this.slot % SLOTS] ?? 0) + bytes
  }

  bytesPerSecond(now: Instant): number {
    this.turn(now)
    const total = this.slots.reduce((sum, bytes) => sum + bytes, 0)
    const spanMs = Math.min((SLOTS - 1) * SLOT_MS + (now % SLOT_MS), now - this.start)
    return (total / Math.max(SLOT_MS, spanMs)) * 1_000
  }
}
