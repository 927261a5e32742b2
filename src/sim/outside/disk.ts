/**
 * A node's disk as machines see it: a transactional map. A write is safe when its fsync ends; writes end in the order in
 * which they began. In a crash every write that had not ended is kept or lost on its own (latest kept wins per key), and a
 * write is never half there: what a torn one leaves is the old value.
 */
import type { Random } from '../../base/random.ts'

export interface DiskSettings {
  /** An fsync takes between these. */
  syncMinMs: number
  syncMaxMs: number
}

export const DISK_DEFAULTS: DiskSettings = { syncMinMs: 0.2, syncMaxMs: 8 }

export interface Write {
  readonly token: number
  readonly key: string
  readonly value: Uint8Array | undefined
  /** Decided when it began. */
  readonly refused: boolean
}

export class Disk {
  private readonly settings: DiskSettings
  private readonly random: Random
  private readonly durable = new Map<string, Uint8Array>()
  private pending: Write[] = []
  private lastEndMs = 0
  /** Every write is refused with 'disk-full'. */
  full = false
  /** fsync takes this many times as long. */
  slowness = 1

  constructor(settings: DiskSettings, random: Random) {
    this.settings = settings
    this.random = random
  }

  /** The write is under way; returns it and when it ends: call `end` then. */
  begin(
    nowMs: number,
    write: { token: number; key: string; value: Uint8Array | undefined }
  ): { write: Write; endMs: number } {
    const begun: Write = { ...write, value: write.value?.slice(), refused: this.full }
    this.pending.push(begun)
    const tookMs = this.random.range(this.settings.syncMinMs, this.settings.syncMaxMs) * this.slowness
    this.lastEndMs = Math.max(this.lastEndMs, nowMs + tookMs)
    return { write: begun, endMs: this.lastEndMs }
  }

  /** False when a crash has decided about the write already. */
  end(write: Write): boolean {
    const index = this.pending.indexOf(write)
    if (index < 0) return false
    this.pending.splice(index, 1)
    if (!write.refused) this.apply(write)
    return true
  }

  /** Returns how many writes were lost. */
  crash(): number {
    let lost = 0
    for (const write of this.pending) {
      if (!write.refused && this.random.chance(0.5)) this.apply(write)
      else lost++
    }
    this.pending = []
    this.lastEndMs = 0
    return lost
  }

  /** A process that ends in order waits for its writes. */
  flush(): void {
    for (const write of this.pending) if (!write.refused) this.apply(write)
    this.pending = []
    this.lastEndMs = 0
  }

  private apply(write: Write): void {
    if (write.value === undefined) this.durable.delete(write.key)
    else this.durable.set(write.key, write.value)
  }

  /** A copy of what would survive a crash now at least. */
  contents(): Map<string, Uint8Array> {
    return new Map([...this.durable].map(([key, value]) => [key, value.slice()]))
  }

  /** Nothing is left: another disk. */
  wipe(): void {
    this.durable.clear()
    this.pending = []
  }
}
