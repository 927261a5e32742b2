/**
 * Records which leaves are synced: it syncs the files, then persists the leaves that were written when the sync
 * started. One sync at a time, every 2 s (less often for a record of megabytes) or 64 MiB while leaves are written.
 */
import type { ContentId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Now } from '../../machine.ts'
import type { ExchangeContext } from '../context.ts'
import type { HeldLeaves } from '../held-leaves.ts'
import { SYNC_BYTES } from '../settings.ts'
import { encodeSynced, syncedKey, syncIntervalMs } from './synced.ts'

export interface RecorderOptions {
  readonly context: ExchangeContext
  readonly content: ContentId
  readonly holding: HeldLeaves
  readonly failed: (reason: string, now: Now) => void
  /** These leaves and their record would survive a crash. */
  readonly recorded: (bits: Uint8Array) => void
}

export class Recorder {
  private readonly context: ExchangeContext
  private readonly content: ContentId
  private readonly holding: HeldLeaves
  private readonly failed: (reason: string, now: Now) => void
  private readonly recorded: (bits: Uint8Array) => void
  private unsyncedBytes = 0
  private dueAt: Instant
  private busy_ = false
  private stopped = false
  private waiting: ((now: Now) => void) | undefined

  constructor(options: RecorderOptions, now: Now) {
    this.context = options.context
    this.content = options.content
    this.holding = options.holding
    this.failed = options.failed
    this.recorded = options.recorded
    this.dueAt = this.next(now)
  }

  private next(now: Now): Instant {
    return after(now.mono, syncIntervalMs(this.holding.layout.leaves))
  }

  get busy(): boolean {
    return this.busy_
  }

  wrote(bytes: number, now: Now): void {
    this.unsyncedBytes += bytes
    if (this.unsyncedBytes >= SYNC_BYTES) this.sync(now)
  }

  tick(now: Now): void {
    if (this.unsyncedBytes > 0 && now.mono >= this.dueAt) this.sync(now)
  }

  /** Calls `then` once all leaves written so far are synced and recorded. Does not call it on failure. */
  flush(then: (now: Now) => void, now: Now): void {
    this.waiting = then
    this.sync(now)
  }

  /** Stops recording. `failed` is not called any more. */
  stop(): void {
    this.stopped = true
    this.waiting = undefined
  }

  private sync(now: Now): void {
    if (this.busy_ || this.stopped) return
    this.busy_ = true
    this.unsyncedBytes = 0
    this.dueAt = this.next(now)
    const then = this.waiting
    this.waiting = undefined
    const bits = this.holding.leafBits()
    this.context.command({ kind: 'sync', content: this.content }, (result, at) => {
      if (!result.ok) this.end(result.reason, at)
      else this.record(bits, then, at)
    })
  }

  private record(bits: Uint8Array | undefined, then: ((now: Now) => void) | undefined, now: Now): void {
    const value = bits === undefined ? undefined : encodeSynced(this.holding.layout.leaves, bits)
    if (bits === undefined || value === undefined || this.stopped) {
      this.end(undefined, now, then)
      return
    }
    this.context.persist(syncedKey(this.content), value, (result, at) => {
      if (result.ok) this.recorded(bits)
      this.end(result.ok ? undefined : result.reason, at, then)
    })
  }

  private end(failure: string | undefined, now: Now, then?: (now: Now) => void): void {
    this.busy_ = false
    if (this.stopped) return
    if (failure !== undefined) this.failed(failure, now)
    else then?.(now)
    if (this.waiting !== undefined) this.sync(now)
  }
}
