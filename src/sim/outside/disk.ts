/**
 * A node's disk as machines use it: a transactional map. A write is durable when its fsync ends. Writes end in the
 * order in which they began. In a crash each pending write is kept or lost independently; the latest kept write of a
 * key wins. A write is atomic: a torn write leaves the old value.
 */
import type { Random } from '../../base/random.ts'

export interface DiskSettings {
  /** The range of the duration of an fsync. */
  syncMinMs: number
  syncMaxMs: number
}

export const DISK_DEFAULTS: DiskSettings = { syncMinMs: 0.2, syncMaxMs: 8 }

export interface Write {
  readonly token: number
  readonly key: string
  readonly value: Uint8Array | undefined
  /** Whether the disk was full when the write began. */
  readonly refused: boolean
}

export class Disk {
  private readonly settings: DiskSettings
  private readonly random: Random
  private readonly durable = new Map<string, Uint8Array>()
  private pending: Write[] = []
  private lastEndMs = 0
  /** While true, every write is refused with 'disk-full'. */
  full = false
  /** A factor on the duration of an fsync. */
  slowness = 1

  constructor(settings: DiskSettings, random: Random) {
    this.settings = settings
    this.random = random
  }

  /** Begins a write. Returns it and the time at which the caller must call `end`. */
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

  /** Completes a write. Returns false when a crash or a flush has already settled it. */
  end(write: Write): boolean {
    const index = this.pending.indexOf(write)
    if (index < 0) return false
    this.pending.splice(index, 1)
    if (!write.refused) this.apply(write)
    return true
  }

  /** Keeps or drops each pending write at random. Returns the number of dropped ones. */
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

  /** Completes all pending writes, as a process does that exits normally. */
  flush(): void {
    for (const write of this.pending) if (!write.refused) this.apply(write)
    this.pending = []
    this.lastEndMs = 0
  }

  private apply(write: Write): void {
    if (write.value === undefined) this.durable.delete(write.key)
    else this.durable.set(write.key, write.value)
  }

  /** A copy of the durable contents. Pending writes are not included. */
  contents(): Map<string, Uint8Array> {
    return new Map([...this.durable].map(([key, value]) => [key, value.slice()]))
  }

  /** Deletes everything, as if the disk was replaced. */
  wipe(): void {
    this.durable.clear()
    this.pending = []
  }
}
