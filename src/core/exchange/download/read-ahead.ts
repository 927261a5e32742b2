/**
 * Speeds up the leaves that a reader waits for. The picker picks them first. This part selects a source that delivers
 * them soon, cancels other requests of that source, and moves requests from a slow source to a faster one.
 *
 * Only the first leaves that a reader needs are urgent in this way. For a reader that reads steadily, they were
 * requested long before. Cancelled requests are sent again later. Requests that arrive within GIVE_WAY_AFTER_MS are not
 * cancelled.
 */
import type { LeafRange } from '../../../wire/bittorrent/layout.ts'
import type { Now } from '../../machine.ts'
import type { Picker } from '../picker/picker.ts'
import type { Readers } from './readers.ts'
import { EXPECTED_UNKNOWN_MS, GIVE_WAY_AFTER_MS, TAKEOVER_RATIO } from '../settings.ts'
import type { OpenSource, Request } from './source.ts'

export interface ReadAheadParts {
  readonly picker: Picker
  readonly sources: ReadonlySet<OpenSource>
  readonly bytesOf: (range: LeafRange) => number
  /** Cancels the requests. Their leaves are free at once. */
  readonly drop: (requests: readonly Request[]) => void
}

export class ReadAhead {
  private readonly parts: ReadAheadParts
  private pressing: readonly LeafRange[] = []

  constructor(parts: ReadAheadParts) {
    this.parts = parts
  }

  get idle(): boolean {
    return this.pressing.length === 0
  }

  need(readers: Readers): void {
    this.pressing = readers.pressing()
    this.parts.picker.preferred.set(readers.order())
  }

  /** The sources, fastest first, so that the fastest one is asked first. */
  byPace(): OpenSource[] {
    const rate = (source: OpenSource) => (source.snubbed ? -1 : source.pace.rateBytesPerSecond)
    return [...this.parts.sources].sort((a, b) => rate(b) - rate(a))
  }

  /** Whether to request the range from this source: no other source delivers it in half the time. */
  suits(source: OpenSource, range: LeafRange, now: Now): boolean {
    const ms = this.nextMs(source, range)
    for (const other of this.parts.sources) {
      if (other !== source && this.able(other, range, now) && this.nextMs(other, range) * TAKEOVER_RATIO <= ms)
        return false
    }
    return true
  }

  /** Cancels requests that delay urgent leaves. The caller requests the leaves that become free. */
  press(now: Now): void {
    for (const range of this.pressing) {
      const { missing, free } = this.parts.picker.lack(range)
      if (!missing) continue
      if (free) this.makeWay(this.best(range, now), undefined)
      for (const request of this.requestsFor(range)) this.hasten(request, now)
    }
  }

  /** Moves a request for urgent leaves to a faster source, or cancels other requests before it. */
  private hasten(request: Request, now: Now): void {
    const best = this.best(request.range, now)
    if (best === undefined || best === request.source) {
      this.makeWay(request.source, request)
      return
    }
    if (this.soonMs(best, request.range) * TAKEOVER_RATIO > this.dueMs(request, now)) return
    this.parts.drop([request])
    this.makeWay(best, undefined)
  }

  private requestsFor(range: LeafRange): Request[] {
    const activePiece = this.parts.picker.activePieceOf(range.piece)
    // Every claim of this picker is a request.
    const claims = [...(activePiece?.claims ?? [])] as Request[]
    return claims.filter(({ released, dropped, range: claimed }) => !released && !dropped && overlap(claimed, range))
  }

  /** The source that would deliver the range first if its other requests were cancelled. */
  private best(range: LeafRange, now: Now): OpenSource | undefined {
    let best: OpenSource | undefined
    for (const source of this.parts.sources) {
      if (!this.able(source, range, now)) continue
      if (best === undefined || this.soonMs(source, range) < this.soonMs(best, range)) best = source
    }
    return best
  }

  private able(source: OpenSource, range: LeafRange, now: Now): boolean {
    const { choked, snubbed, busyUntil, peerCursor } = source
    return !choked && !snubbed && now.mono >= busyUntil && peerCursor.have.hasRange(range)
  }

  /** Cancels the requests before `until`, except those that readers need and those that arrive soon. */
  private makeWay(source: OpenSource | undefined, until: Request | undefined): void {
    if (source === undefined) return
    const rate = source.pace.rateBytesPerSecond
    const giving: Request[] = []
    let aheadBytes = 0
    for (const request of source.requests.values()) {
      if (request === until) break
      aheadBytes += request.bytes
      const isSoon = aheadBytes === request.bytes || aheadBytes <= (rate * GIVE_WAY_AFTER_MS) / 1_000
      if (!isSoon && !request.released && !this.parts.picker.preferred.has(request.range)) giving.push(request)
    }
    this.parts.drop(giving)
  }

  /** Expected time of the range if it were requested now, after all open requests of the source. */
  private nextMs(source: OpenSource, range: LeafRange): number {
    const rate = source.pace.rateBytesPerSecond
    if (source.snubbed) return Infinity
    if (source.inFlightBytes === 0) return this.soonMs(source, range)
    return rate === 0 ? Infinity : (source.inFlightBytes / rate) * 1_000 + this.soonMs(source, range)
  }

  /** Expected time of the range if it were the only request of the source. */
  private soonMs(source: OpenSource, range: LeafRange): number {
    return source.pace.expectedMs(this.parts.bytesOf(range))
  }

  /** Expected time until the request arrives. The delay of a late source is added. */
  private dueMs(request: Request, now: Now): number {
    const { source } = request
    let oldest: Request | undefined
    let bytes = 0
    for (const one of source.requests.values()) {
      oldest ??= one
      bytes += one.bytes
      if (one === request) break
    }
    if (source.snubbed || oldest === undefined) return Infinity
    const silentMs = now.mono - Math.max(source.movedAt, oldest.mark.at)
    const lateMs = Math.max(0, silentMs - source.pace.expectedMs(oldest.bytes))
    const rate = source.pace.rateBytesPerSecond
    return lateMs + (rate === 0 ? EXPECTED_UNKNOWN_MS : source.pace.expectedMs(bytes))
  }
}

function overlap(a: LeafRange, b: LeafRange): boolean {
  return a.leafStart < b.leafStart + b.leafCount && b.leafStart < a.leafStart + a.leafCount
}
