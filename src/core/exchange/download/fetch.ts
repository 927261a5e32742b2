/**
 * The block requests of one download: which to send to each open source, what arrived, and which sources are too slow.
 * partners.ts selects the sources; download.ts has the steps before and after.
 *
 * A request goes to one source, and ends when io answers its `expect`. Before that it may be
 *   dropped    cancelled: its leaves are free at once, and its bytes count as in flight until io answers
 *   released   because its source is snubbed: its leaves may be requested from other sources too, and may still arrive
 */
import { Bitfield } from '../../../base/bitfield.ts'
import type { ContentId } from '../../../base/ids.ts'
import { after } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import { REQUESTS_PER_MESSAGE_MAX, type BlockRequest, type RejectReason } from '../../../wire/exchange.ts'
import { LEAF_BYTES, type Layout, type LeafRange } from '../../../wire/bittorrent/layout.ts'
import type { Now, Result } from '../../machine.ts'
import type { RequestId } from '../contract.ts'
import type { ExchangeContext } from '../context.ts'
import type { HeldLeaves } from '../held-leaves.ts'
import { Picker, type ActivePiece } from '../picker/picker.ts'
import type { Readers } from './readers.ts'
import { ReadAhead } from './read-ahead.ts'
import {
  BORROWED_MAX,
  BUSY_PAUSE_MS,
  ENDGAME_CLAIMS_MAX,
  SNUB_FACTOR,
  SNUB_MIN_MS,
  TAKEOVER_RATIO,
  UPLOAD_QUEUE_MAX
} from '../settings.ts'
import { OpenSource, type Request } from './source.ts'

/** Half of the source's queue, so that new requests have room beside cancelled ones. */
const REQUESTS_PER_SOURCE_MAX = UPLOAD_QUEUE_MAX / 2

export interface FetchOwner {
  /** New leaves were verified and written. */
  wrote(source: OpenSource, ranges: readonly LeafRange[], bytes: number, now: Now): void
  badLeaf(source: OpenSource, now: Now): void
  diskFailed(reason: 'disk-full' | 'disk' | 'lost', now: Now): void
  /** io has answered every request. */
  quiet(now: Now): void
}

export class Fetch {
  readonly picker: Picker
  private readonly context: ExchangeContext
  private readonly owner: FetchOwner
  private readonly content: ContentId
  private readonly layout: Layout
  private readonly holding: HeldLeaves
  private readonly sources = new Set<OpenSource>()
  private readonly readAhead: ReadAhead
  /** Requests that io has not answered. */
  private openRequestCount = 0
  /** No new requests are sent. Open ones may still arrive. */
  stopped = false
  private abandoned = false
  /** Only one leaf is requested at a time, to test whether the disk is still full. */
  probing = false

  constructor(options: {
    context: ExchangeContext
    owner: FetchOwner
    content: ContentId
    holding: HeldLeaves
    wanted: Bitfield
  }) {
    this.context = options.context
    this.owner = options.owner
    this.content = options.content
    this.holding = options.holding
    this.layout = options.holding.layout
    this.picker = new Picker({
      layout: this.layout,
      wanted: options.wanted,
      holding: this.holding,
      random: this.context.random
    })
    this.readAhead = new ReadAhead({
      picker: this.picker,
      sources: this.sources,
      bytesOf: range => this.layout.rangeBytes(range),
      drop: requests => {
        this.drop(requests, true)
      }
    })
  }

  /** Updates what readers need, and requests it before all other leaves. */
  need(readers: Readers, now: Now): void {
    this.readAhead.need(readers)
    this.hurry(now)
  }

  private hurry(now: Now): void {
    if (this.readAhead.idle || this.stopped) return
    this.readAhead.press(now)
    for (const source of this.readAhead.byPace()) this.fill(source, now)
  }

  open(contact: Contact, now: Now): OpenSource {
    const source = new OpenSource(contact, this.picker.newCursor(), now)
    this.sources.add(source)
    return source
  }

  /** Drops the source and its requests. `tell` sends `cancel`. */
  close(source: OpenSource, tell: boolean, now: Now): void {
    if (!this.sources.delete(source)) return
    this.dropAll(source, tell)
    this.picker.dismiss(source.peerCursor)
    this.fillAll(now)
  }

  get busy(): boolean {
    return this.openRequestCount > 0
  }

  /** Drops all requests and sends no new ones. io still has to answer the dropped ones. */
  stop(): void {
    this.stopped = true
    for (const source of this.sources) this.dropAll(source, true)
  }

  /** Like `close`, for leaving all sources at once: sends neither `cancel` nor new requests to other sources. */
  leave(source: OpenSource): void {
    if (!this.sources.delete(source)) return
    this.dropAll(source, false)
    this.picker.dismiss(source.peerCursor)
  }

  /** Like `stop`, and ignores all leaves that still arrive: the target is going to be prepared again. */
  abandon(): void {
    this.stop()
    this.abandoned = true
  }

  unchoked(source: OpenSource, now: Now): void {
    source.choked = false
    this.fill(source, now)
  }

  /** The source choked this node and dropped its queued requests. */
  choked(source: OpenSource, now: Now): void {
    source.choked = true
    this.dropAll(source, false)
    this.fillAll(now)
  }

  rejected(source: OpenSource, ids: readonly number[], reason: RejectReason, now: Now): void {
    for (const id of ids) {
      const request = source.requests.get(id as RequestId)
      if (request === undefined) continue
      this.drop([request], false)
      if (reason === 'not-held' || reason === 'changed') this.picker.unlearn(source.peerCursor, request.range.piece)
      if (reason === 'changed') source.withdrew(request.range.piece, this.layout.pieces)
    }
    if (reason === 'choked') source.choked = true
    if (reason === 'busy' || reason === 'failed') {
      source.pace.restart()
      source.busyUntil = after(now.mono, BUSY_PAUSE_MS)
    }
    this.fillAll(now)
  }

  /** Detects snubs and sends new requests. */
  tick(now: Now): void {
    for (const source of this.sources) this.judge(source, now)
    this.hurry(now)
    this.fillAll(now)
  }

  private judge(source: OpenSource, now: Now): void {
    const oldest = source.requests.values().next().value
    if (oldest?.released !== false) return
    const silentMs = now.mono - Math.max(source.movedAt, oldest.mark.at)
    if (silentMs <= Math.max(SNUB_MIN_MS, SNUB_FACTOR * source.pace.expectedMs(oldest.bytes))) return
    source.snubbed = true
    source.pace.restart()
    // The oldest request stays, to detect when the source recovers. The others free their part of the bytes in flight.
    this.drop([...source.requests.values()].slice(1), true)
    this.picker.release(oldest)
  }

  fillAll(now: Now): void {
    for (const source of this.sources) this.fill(source, now)
  }

  fill(source: OpenSource, now: Now): void {
    if (this.stopped || source.choked || now.mono < source.busyUntil || !this.sources.has(source)) return
    let batch: BlockRequest[] = []
    for (let range = this.next(source, now); range !== undefined; range = this.next(source, now)) {
      batch.push(this.request(source, range, false, now))
      if (batch.length < REQUESTS_PER_MESSAGE_MAX) continue
      this.context.send(source.contact, { kind: 'request', content: this.content, requests: batch })
      batch = []
    }
    const borrowed = batch.length === 0 && !this.probing ? this.borrow(source) : undefined
    if (borrowed !== undefined) batch.push(this.request(source, borrowed, true, now))
    if (batch.length > 0) this.context.send(source.contact, { kind: 'request', content: this.content, requests: batch })
  }

  /** The next range to request, if the window and the limit of all downloads have room for a request of usual size. */
  private next(source: OpenSource, now: Now): LeafRange | undefined {
    const { pace, requests } = source
    if (requests.size >= REQUESTS_PER_SOURCE_MAX) return undefined
    const isSingle = source.snubbed || this.probing
    if (isSingle && (requests.size > 0 || (this.probing && this.openRequestCount > 0))) return undefined
    const leaves = isSingle ? 1 : pace.requestLeaves
    const roomBytes = Math.min(
      pace.window - source.inFlightBytes,
      this.context.settings.inFlightBytesMax - this.context.inFlightBytes
    )
    if (roomBytes < leaves * LEAF_BYTES) return undefined
    return this.picker.pick(source.peerCursor, leaves, range => this.readAhead.suits(source, range, now))
  }

  private request(source: OpenSource, range: LeafRange, borrowed: boolean, now: Now): BlockRequest {
    const { peerCursor } = source
    const id = this.context.nextRequest(source.contact.id)
    const bytes = this.layout.rangeBytes(range)
    const hashes = this.wantsHashes(source, range)
    if (source.requests.size === 0) source.movedAt = now.mono
    const mark = source.pace.mark(now.mono)
    const request: Request = {
      id,
      source,
      peerCursor,
      range,
      bytes,
      hashes,
      mark,
      borrowed,
      released: false,
      dropped: false
    }
    this.picker.claim(request)
    source.requests.set(id, request)
    source.inFlightBytes += bytes
    if (borrowed) source.borrowed++
    this.context.inFlightBytes += bytes
    this.openRequestCount++
    this.context.command(
      { kind: 'expect', peer: source.contact.id, request: id, content: this.content, range },
      (result, at) => this.ended(request, result, at)
    )
    return { request: id, range, hashes }
  }

  /**
   * Whether a request must ask for the leaf hashes of its piece: not when the hash of the leaf is that of the piece,
   * nor when the leaf hashes are known or requested from this source before.
   */
  private wantsHashes(source: OpenSource, range: LeafRange): boolean {
    if (this.layout.isOwnHash(range.piece)) return false
    const activePiece = this.picker.activePieceOf(range.piece)
    return !(activePiece?.hashes === true || this.claimsIn(activePiece, source).some(request => request.hashes))
  }

  private claimsIn(activePiece: ActivePiece | undefined, source: OpenSource): Request[] {
    // Every claim of this picker was created by `request`.
    return [...(activePiece?.claims ?? [])].filter(claim => claim.peerCursor === source.peerCursor) as Request[]
  }

  private ended(request: Request, result: Result, now: Now): void {
    const { source } = request
    this.context.inFlightBytes -= request.bytes
    this.openRequestCount--
    if (this.abandoned) return
    const awaited = !request.dropped
    // Before its claim is removed, so that the piece is not listed again in between.
    const others = this.write(request, result, now)
    if (awaited) this.detach(request)
    if (result.ok) this.moved(request, now)
    this.drop(others, true)
    if (!result.ok) this.failed(request, awaited, result.reason, now)
    this.fill(source, now)
    if (this.openRequestCount === 0) this.owner.quiet(now)
  }

  /** Updates the source after a complete request, also when the request was dropped. */
  private moved({ source, bytes, mark }: Request, now: Now): void {
    source.movedAt = now.mono
    source.arrivedAt = now.mono
    source.snubbed = false
    source.pace.arrived(bytes, mark, now.mono)
  }

  /** Records the written leaves, and returns the other requests whose leaves are all written now. */
  private write(request: Request, result: Result, now: Now): Request[] {
    const { range, source } = request
    const fresh: LeafRange[] = []
    let bytes = 0
    const activePiece = this.picker.activePieceOf(range.piece)
    for (let i = 0; i < range.leafCount; i++) {
      if (!wasWritten(result, i)) continue
      const leaf = range.leafStart + i
      this.picker.written(range.piece, leaf)
      const added = this.holding.add(range.piece, leaf)
      if (added.bytes === 0) continue
      bytes += added.bytes
      fresh.push({ piece: range.piece, leafStart: leaf, leafCount: 1 })
    }
    if (fresh.length > 0) this.owner.wrote(source, joined(fresh), bytes, now)
    if (activePiece === undefined) return []
    return (this.picker.redundant(activePiece) as Request[]).filter(other => other !== request)
  }

  private failed(request: Request, awaited: boolean, reason: string, now: Now): void {
    const { source } = request
    if (reason === 'bad-leaf') this.owner.badLeaf(source, now)
    else if (reason === 'disk-full' || reason === 'disk' || reason === 'lost') this.owner.diskFailed(reason, now)
    else if (awaited) {
      // The link ended, which `link` reports later, or io stopped the request: wait before the next one.
      source.busyUntil = after(now.mono, BUSY_PAUSE_MS)
      this.dropFollowers(request)
      this.fillAll(now)
    }
  }

  private detach(request: Request): void {
    const { source } = request
    if (!source.requests.delete(request.id)) return
    source.inFlightBytes -= request.bytes
    if (request.borrowed) source.borrowed--
    this.picker.end(request)
  }

  private dropAll(source: OpenSource, tell: boolean): void {
    this.drop([...source.requests.values()], tell)
  }

  private drop(requests: readonly Request[], tell: boolean): void {
    const cancelled = new Map<OpenSource, RequestId[]>()
    for (const request of requests) {
      const { source, id } = request
      if (request.dropped || !source.requests.has(id)) continue
      request.dropped = true
      this.detach(request)
      this.context.command({ kind: 'forget', peer: source.contact.id, request: id }, () => undefined)
      if (tell) cancelled.set(source, [...(cancelled.get(source) ?? []), id])
      this.dropFollowers(request)
    }
    for (const [source, ids] of cancelled) {
      for (let i = 0; i < ids.length; i += REQUESTS_PER_MESSAGE_MAX) {
        this.context.send(source.contact, { kind: 'cancel', requests: ids.slice(i, i + REQUESTS_PER_MESSAGE_MAX) })
      }
    }
  }

  /** Drops the requests whose leaves cannot be checked because the request for the leaf hashes ended. */
  private dropFollowers(request: Request): void {
    const activePiece = this.picker.activePieceOf(request.range.piece)
    if (!request.hashes || activePiece === undefined || activePiece.hashes) return
    this.drop(this.claimsIn(activePiece, request.source), true)
  }

  /**
   * A range for a source for which no leaf is free: one that it takes over from a source half as fast or slower, or, in
   * the endgame, one that is also requested from others.
   */
  private borrow(source: OpenSource): LeafRange | undefined {
    if (source.snubbed || source.borrowed >= BORROWED_MAX || source.requests.size > BORROWED_MAX) return undefined
    const slowest = [...this.sources].filter(other => other !== source).sort((a, b) => b.drainMs - a.drainMs)
    for (const other of slowest) {
      const request = [...other.requests.values()].reverse().find(one => this.borrowable(source, one))
      if (request === undefined) continue
      const claimCount = this.picker.claimCountMax(request.range)
      if (claimCount === 1 && this.takesOver(source, other)) {
        this.drop([request], true)
        return request.range
      }
      if (this.picker.endgame && claimCount < ENDGAME_CLAIMS_MAX) return request.range
    }
    return undefined
  }

  private borrowable(source: OpenSource, { released, source: other, range, bytes }: Request): boolean {
    if (released || other.drainMs <= source.pace.expectedMs(bytes)) return false
    if (source.inFlightBytes + bytes > source.pace.window) return false
    if (this.context.inFlightBytes + bytes > this.context.settings.inFlightBytesMax) return false
    return source.peerCursor.have.hasRange(range) && !this.picker.hasClaim(source.peerCursor, range)
  }

  private takesOver(source: OpenSource, other: OpenSource): boolean {
    const slow = other.pace.rateBytesPerSecond
    return slow > 0 && source.pace.rateBytesPerSecond >= TAKEOVER_RATIO * slow
  }
}

function wasWritten(result: Result, leaf: number): boolean {
  if (result.ok) return true
  const { value } = result
  const written = typeof value === 'object' && value !== null && 'written' in value ? value.written : undefined
  return written instanceof Bitfield && written.has(leaf)
}

/** Joins adjacent leaves to ranges. The leaves are in order and of one piece. */
function joined(leaves: readonly LeafRange[]): LeafRange[] {
  const out: LeafRange[] = []
  for (const leaf of leaves) {
    const last = out.at(-1)
    if (last !== undefined && last.leafStart + last.leafCount === leaf.leafStart) {
      out[out.length - 1] = { ...last, leafCount: last.leafCount + 1 }
    } else out.push(leaf)
  }
  return out
}
