/**
 * The states of one download, from `get` to the last fsync:
 *
 *   preparing -> finding -> manifest -> preparing   when the manifest is not stored yet
 *   preparing -> fetching -> syncing -> finishing -> complete
 *   any of them -> paused -> preparing or fetching
 *
 * A full disk pauses the download, which tries again every 5 s: with one leaf after a failed write, from `preparing`
 * after a failed fsync (leaves written since the last good fsync may be lost). After a conflict or a disk error the
 * download waits for the user.
 *
 * When an unfinished file is deleted or truncated ('lost'), the download is prepared again and fetches what is missing.
 * The fourth time, it waits for the user: something on this machine keeps deleting its files.
 */
import { Bitfield } from '../../../base/bitfield.ts'
import type { ContentId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { LeafRange } from '../../../wire/bittorrent/layout.ts'
import type { Now, Result } from '../../machine.ts'
import type { PauseReason, Prepared, Progress, Shortage } from '../contract.ts'
import type { ExchangeContext } from '../context.ts'
import { Fetch, type FetchOwner } from './fetch.ts'
import { HeldLeaves } from '../held-leaves.ts'
import { Partners, type Stage } from './partners.ts'
import { Readers, type ReaderId } from './readers.ts'
import { Recorder } from './recorder.ts'
import { DISK_RETRY_MS, LOSSES_MAX, MANIFEST_DEADLINE_MS, PROGRESS_MS } from '../settings.ts'
import { shortageOf } from './shortage.ts'
import type { OpenSource } from './source.ts'
import type { Known } from './sources.ts'
import { syncedKey } from './synced.ts'
import { TransferStats } from './transfer-stats.ts'

/** The parts that exist once the target is prepared. */
interface Work {
  readonly holding: HeldLeaves
  readonly fetch: Fetch
  readonly recorder: Recorder
}

type State =
  | { kind: 'preparing' }
  | { kind: 'finding' }
  | { kind: 'manifest'; from: Known; deadline: Instant }
  | { kind: 'fetching'; work: Work }
  /** `asked`: io has answered every request, and the last sync has started. */
  | { kind: 'syncing'; work: Work; asked: boolean }
  | { kind: 'finishing'; work: Work }
  | { kind: 'complete'; work: Work }
  /** Without `work`, the target must be prepared. Without `retryAt`, the download waits for the user. */
  | { kind: 'paused'; reason: PauseReason; work: Work | undefined; retryAt: Instant | undefined }
  | { kind: 'removed'; work: Work | undefined }

export interface DownloadOwner {
  /** The target is prepared, and its leaves can be served. */
  prepared(holding: HeldLeaves, now: Now): void
  /** The state of the files is unknown. Nothing is served until the target is prepared again. */
  unprepared(): void
  /** New leaves that can be served. */
  news(ranges: readonly LeafRange[], now: Now): void
}

export class Download implements FetchOwner, Stage {
  readonly content: ContentId
  private readonly context: ExchangeContext
  private readonly owner: DownloadOwner
  readonly partners: Partners
  private readonly readers = new Readers()
  private readonly stats: TransferStats
  private state: State = { kind: 'preparing' }
  /** A function, so that a large bitfield is decoded only when it is needed. */
  private synced: () => Bitfield | undefined
  private progressAt: Instant
  /** The reason of the last `paused` event that no `resumed` followed. */
  private announcedPause: PauseReason | undefined
  private announcedPart = false
  /** How often written leaves were lost since the user started or resumed the download. */
  private losses = 0

  constructor(
    options: { context: ExchangeContext; owner: DownloadOwner; content: ContentId; synced: () => Bitfield | undefined },
    now: Now
  ) {
    this.context = options.context
    this.owner = options.owner
    this.content = options.content
    this.synced = options.synced
    this.partners = new Partners({ context: this.context, content: this.content, stage: this }, now)
    this.stats = new TransferStats(now.mono)
    this.progressAt = now.mono
    this.prepare()
  }

  /** Makes no progress without an input of the owner. */
  get idle(): boolean {
    const { kind } = this.state
    return kind === 'complete' || kind === 'removed' || (kind === 'paused' && this.state.retryAt === undefined)
  }

  get complete(): boolean {
    return this.state.kind === 'complete'
  }

  get work(): Work | undefined {
    return 'work' in this.state ? this.state.work : undefined
  }

  /** Defined while blocks are requested, also while one leaf tests a full disk. */
  get asking(): Work | undefined {
    const { state } = this
    if (state.kind === 'fetching') return state.work
    return state.kind === 'paused' && state.work?.fetch.probing === true ? state.work : undefined
  }

  private prepare(): void {
    const state: State = { kind: 'preparing' }
    this.state = state
    this.context.command({ kind: 'prepare', content: this.content, synced: this.synced() }, (result, now) => {
      if (this.state === state) this.preparedWith(result, now)
    })
  }

  private preparedWith(result: Result, now: Now): void {
    if (result.ok) this.begin(result.value as Prepared, now)
    else if (result.reason === 'no-manifest') this.find(now)
    else this.pauseFor(result.reason, undefined, now)
  }

  private find(now: Now): void {
    const from = this.partners.askOne(now)
    if (from === undefined) {
      this.state = { kind: 'finding' }
      return
    }
    const state: State = { kind: 'manifest', from, deadline: after(now.mono, MANIFEST_DEADLINE_MS) }
    this.state = state
    this.context.command({ kind: 'manifest', content: this.content, peer: from.contact }, (result, at) => {
      if (this.state === state) this.manifestFrom(from, result, at)
    })
  }

  private manifestFrom(from: Known, result: Result, now: Now): void {
    if (result.ok) {
      this.partners.answered(from, now)
      this.prepare()
      return
    }
    this.partners.failed(from, now)
    if (result.reason === 'link') this.partners.unreached(from)
    if (result.reason === 'disk-full' || result.reason === 'disk') {
      this.pauseFor(result.reason, undefined, now)
      return
    }
    if (result.reason === 'bad-manifest') {
      this.partners.forget(from)
      this.context.ban(from.contact, this.content, 'bad-manifest', now)
    }
    this.find(now)
  }

  private begin({ layout, wanted, have }: Prepared, now: Now): void {
    const { context, content } = this
    const holding = new HeldLeaves(layout, have)
    const fetch = new Fetch({ context, owner: this, content, holding, wanted })
    const failed = (reason: string, at: Now) => this.syncFailed(reason, at)
    const recorded = (bits: Uint8Array) => (this.synced = () => Bitfield.decode(bits, layout.leaves))
    const recorder = new Recorder({ context, content, holding, failed, recorded }, now)
    this.stats.measure(holding, wanted)
    this.start({ holding, fetch, recorder }, now)
    if (!this.announcedPart) context.emit({ kind: 'announce', content, held: 'part' })
    this.announcedPart = true
    this.owner.prepared(holding, now)
    fetch.need(this.readers, now)
    this.afterWrite(now)
    this.partners.connect(now)
  }

  /** After a full disk, `resumed` follows only when a leaf is written. */
  private start(work: Work, now: Now): void {
    const { fetch } = work
    if (this.announcedPause === 'disk-full' && fetch.picker.missingLeaves > 0) {
      fetch.probing = true
      this.state = { kind: 'paused', reason: 'disk-full', work, retryAt: after(now.mono, DISK_RETRY_MS) }
    } else {
      this.state = { kind: 'fetching', work }
      this.emitResumed()
    }
  }

  /** Adds peers that may hold the content. */
  sources(contacts: readonly Contact[], now: Now): void {
    this.partners.add(contacts, now)
    if (this.state.kind === 'finding') this.find(now)
    this.partners.connect(now)
  }

  /** A peer that could not be dialled has connected by itself. */
  offered(from: Contact, now: Now): void {
    this.partners.offered(from, now)
    if (this.state.kind === 'finding') this.find(now)
    this.partners.connect(now)
  }

  /** Replaces the ranges that a reader needs, in order. False when there are too many readers. */
  reading(reader: ReaderId, ranges: readonly LeafRange[], now: Now): boolean {
    if (!this.readers.set(reader, ranges)) return false
    this.asking?.fetch.need(this.readers, now)
    return true
  }

  stopReading(reader: ReaderId, now: Now): void {
    if (this.readers.delete(reader)) this.asking?.fetch.need(this.readers, now)
  }

  wrote(source: OpenSource, ranges: readonly LeafRange[], bytes: number, now: Now): void {
    const { work } = this
    if (work === undefined) return
    const peer = source.contact.id
    this.stats.fetched(peer, bytes, now.mono)
    this.partners.gave(peer)
    if (this.state.kind === 'removed') return
    work.recorder.wrote(bytes, now)
    this.owner.news(ranges, now)
    if (this.state.kind === 'paused' && work.fetch.probing) {
      work.fetch.probing = false
      this.state = { kind: 'fetching', work }
      this.emitResumed()
    }
    this.afterWrite(now)
  }

  private afterWrite(now: Now): void {
    if (this.state.kind !== 'fetching') return
    const { work } = this.state
    if (work.fetch.picker.missingLeaves > 0) return
    this.state = { kind: 'syncing', work, asked: false }
    work.fetch.stop()
    this.partners.leaveAll()
    if (!work.fetch.busy) this.quiet(now)
  }

  badLeaf(source: OpenSource, now: Now): void {
    this.context.ban(source.contact, this.content, 'bad-leaf', now)
  }

  quiet(now: Now): void {
    const { state } = this
    if (state.kind === 'removed') this.close()
    if (state.kind !== 'syncing' || state.asked) return
    state.asked = true
    state.work.recorder.flush(() => {
      if (this.state === state) this.finish(state.work)
    }, now)
  }

  private finish(work: Work): void {
    const state: State = { kind: 'finishing', work }
    this.state = state
    this.context.command({ kind: 'finish', content: this.content }, (result, at) => {
      if (this.state !== state) return
      if (result.ok) this.completed(work, at)
      else if (result.reason === 'lost') this.lost(at)
      else this.pauseFor(result.reason, undefined, at)
    })
  }

  private completed(work: Work, now: Now): void {
    const { content, context } = this
    this.state = { kind: 'complete', work }
    work.recorder.stop()
    this.synced = () => undefined
    context.persist(syncedKey(content), undefined, () => undefined)
    context.emit({ kind: 'announce', content, held: work.holding.offer })
    context.emit({ kind: 'complete', content, progress: this.progress(now) })
  }

  diskFailed(reason: 'disk-full' | 'disk' | 'lost', now: Now): void {
    const { state } = this
    if (state.kind !== 'fetching' && !(state.kind === 'paused' && state.reason === 'disk-full')) return
    if (state.work === undefined) return
    if (reason === 'lost') this.lost(now)
    else this.pauseFor(reason, state.work, now)
  }

  private lost(now: Now): void {
    if (++this.losses > LOSSES_MAX) {
      this.pauseFor('disk', undefined, now)
      return
    }
    this.work?.fetch.stop()
    this.giveUp(this.work)
    this.prepare()
  }

  private syncFailed(reason: string, now: Now): void {
    const { state } = this
    if (state.kind === 'removed' || state.kind === 'complete') return
    if (state.kind === 'paused' && state.reason === 'user') {
      // It stays paused by the user. `resume` prepares the target again.
      this.giveUp(state.work)
      this.state = { ...state, work: undefined }
    } else if (reason === 'lost') this.lost(now)
    else this.pauseFor(reason, undefined, now)
  }

  /** Discards the work: the state of the files is unknown. */
  private giveUp(work: Work | undefined): void {
    this.partners.leaveAll()
    work?.fetch.abandon()
    work?.recorder.stop()
    if (work !== undefined) this.owner.unprepared()
  }

  /** Pauses after a failure of io. Without `work`, the target is prepared again later. */
  private pauseFor(failure: string, work: Work | undefined, now: Now): void {
    const reason: PauseReason = failure === 'conflict' || failure === 'disk-full' ? failure : 'disk'
    const retryAt = reason === 'disk-full' ? after(now.mono, DISK_RETRY_MS) : undefined
    const before = this.work
    before?.fetch.stop()
    if (before !== undefined) before.fetch.probing = false
    if (work === undefined || retryAt === undefined) {
      this.giveUp(before)
      this.state = { kind: 'paused', reason, work: undefined, retryAt }
    } else this.state = { kind: 'paused', reason, work, retryAt }
    if (this.announcedPause !== reason) this.context.emit({ kind: 'paused', content: this.content, reason })
    this.announcedPause = reason
  }

  private emitResumed(): void {
    if (this.announcedPause !== undefined) this.context.emit({ kind: 'resumed', content: this.content })
    this.announcedPause = undefined
  }

  pause(now: Now): void {
    const { state, work } = this
    if (state.kind === 'complete' || state.kind === 'removed' || (state.kind === 'paused' && state.reason === 'user'))
      return
    work?.fetch.stop()
    if (work !== undefined) work.fetch.probing = false
    this.partners.leaveAll()
    work?.recorder.flush(() => undefined, now)
    const again = state.kind === 'finishing' ? undefined : work
    this.state = { kind: 'paused', reason: 'user', work: again, retryAt: undefined }
    this.context.emit({ kind: 'paused', content: this.content, reason: 'user' })
    this.announcedPause = 'user'
  }

  resume(now: Now): void {
    const { state } = this
    if (state.kind !== 'paused') return
    this.losses = 0
    this.partners.wantMoreNow(now)
    if (state.work === undefined) {
      this.prepare()
      return
    }
    state.work.fetch.stopped = false
    this.state = { kind: 'fetching', work: state.work }
    this.emitResumed()
    state.work.fetch.need(this.readers, now)
    this.afterWrite(now)
    this.partners.connect(now)
  }

  /** Ends the download. `close` follows when io has answered every request. */
  remove(): void {
    const { work } = this
    work?.fetch.stop()
    work?.recorder.stop()
    this.partners.leaveAll()
    this.state = { kind: 'removed', work }
    this.context.persist(syncedKey(this.content), undefined, () => undefined)
    if (work?.fetch.busy !== true) this.close()
  }

  private close(): void {
    this.context.command({ kind: 'close', content: this.content }, () => undefined)
  }

  tick(now: Now): void {
    const { state } = this
    if (state.kind === 'manifest' && now.mono >= state.deadline) {
      this.partners.failed(state.from, now)
      this.find(now)
    } else if (state.kind === 'finding') this.find(now)
    else if (state.kind === 'paused') this.tryDisk(state, now)
    const work = this.asking
    if (work !== undefined) {
      this.partners.judge(now)
      this.partners.connect(now)
      work.recorder.tick(now)
      work.fetch.tick(now)
    }
    if (this.looking) this.partners.wantProviders(now)
    this.emitProgress(now)
  }

  private tryDisk(state: State & { kind: 'paused' }, now: Now): void {
    if (state.retryAt === undefined || now.mono < state.retryAt) return
    if (state.work === undefined) {
      this.prepare()
      return
    }
    state.retryAt = after(now.mono, DISK_RETRY_MS)
    state.work.fetch.stopped = false
    state.work.fetch.probing = true
  }

  /** Whether providers are needed now or soon. */
  private get looking(): boolean {
    const { kind } = this.state
    return kind === 'finding' || kind === 'manifest' || kind === 'preparing' || this.asking !== undefined
  }

  private emitProgress(now: Now): void {
    if (now.mono < this.progressAt || this.state.kind !== 'fetching') return
    this.progressAt = after(now.mono, PROGRESS_MS)
    this.context.emit({ kind: 'progress', content: this.content, progress: this.progress(now) })
  }

  /** Undefined while requests are open or a source offers a missing leaf. */
  shortage(): Shortage | undefined {
    const { state } = this
    if (state.kind === 'finding') return shortageOf(this.partners.standings(), undefined)
    if (state.kind !== 'fetching' || state.work.fetch.busy) return undefined
    return shortageOf(this.partners.standings(), state.work.fetch.picker)
  }

  progress(now: Now): Progress {
    return this.stats.progress(REPORTED_STATES[this.state.kind], now.mono)
  }
}

const REPORTED_STATES: Readonly<Record<State['kind'], Progress['state']>> = {
  preparing: 'preparing',
  finding: 'finding',
  manifest: 'finding',
  fetching: 'fetching',
  syncing: 'finishing',
  finishing: 'finishing',
  complete: 'complete',
  paused: 'paused',
  removed: 'paused'
}
