/**
 * The one owner of every download of this node, from `get` to its end.
 *
 * Participants: clients (the handlers of the control API, `cat`, the gateway) give commands and listen to events; the catalogue
 * of the store says what is to be fetched, and where to, over a restart; the exchange of the node decides what is asked of whom;
 * memory.ts keeps what the user paused and what failed. Only this room starts, pauses and removes downloads, in the node and in
 * the catalogue. Non-goals: finding holders, choosing blocks, writing files.
 *
 * State: one `Download` (state.ts) for each download of this process that is not over. Commands on one content run in turns;
 * events of the node and the store change the state at once, and what follows from them (a clean-up) takes a turn. All of it
 * happens whether or not a client listens.
 *
 * A failure leaves the catalogue as it was before the `get`: what was not there is forgotten, what was complete is complete
 * again, what was there in part, or has fetched something since, stays and is continued by the next `get`. No file is deleted.
 *
 * The node comes and goes (`attach`, `detach`: another overlay has another one); the downloads and their listeners stay.
 */
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { assert } from '../../base/assert.ts'
import type { ContentId } from '../../base/ids.ts'
import type { Progress } from '../../core/exchange/contract.ts'
import type { StateDb } from '../../io/state/db.ts'
import type { Holding } from '../../io/store/catalogue.ts'
import type { DownloadOptions } from '../../io/store/store.ts'
import type { Contact } from '../../wire/common.ts'
import { cleanUp, isFailing, notAdded, removalFailed, shoalError } from './clean-up.ts'
import {
  forgetEntry,
  offer,
  type DownloadMonitor,
  type DownloadsContext,
  type DownloadStore,
  type Entry
} from './context.ts'
import { Listeners, type DownloadListener } from './events.ts'
import { hearNode, hearStore, offered, sample, waitForHolder, waitForOffer } from './hear.ts'
import { HolderWatch } from './holder-watch.ts'
import { Memory, type Failure } from './memory.ts'
import type { DownloadNode } from './node.ts'
import { nothingToPause } from './problems.ts'
import type { ShortageOf } from './shortage.ts'
import { ShortageWatch } from './shortage-watch.ts'
import { Download, type DownloadState } from './state.ts'
import { Turns } from './turns.ts'

/** A download whose known holders are all banned waits for another one when nothing arrived for so long. */
export const STALLED_MS = 3_000

export interface GetRequest extends DownloadOptions {
  /** Peers that are known to hold it. */
  readonly holders: readonly Contact[]
  /** What is here of it, elsewhere, is deleted first: it was fetched only to be read. */
  readonly discard?: boolean
}

export interface DownloadsParts {
  readonly store: DownloadStore
  readonly db: Pick<StateDb, 'get' | 'put' | 'scan'>
  readonly log: Logger
  /** In place of STALLED_MS, for tests. */
  readonly stalledMs?: number
  /** The clock by which a download stands still, for tests. */
  readonly nowMs?: () => number
}

export class Downloads {
  private readonly context: DownloadsContext
  private readonly unwatchStore: () => void
  private unwatchNode: (() => void) | undefined

  constructor({ store, db, log, stalledMs = STALLED_MS, nowMs = () => performance.now() }: DownloadsParts) {
    const entries = new Map<ContentId, Entry>()
    const holders = new HolderWatch({
      node: () => this.context.node,
      isRunning: content => entries.get(content)?.download.is('running') === true,
      onAllBanned: content => {
        waitForHolder(this.context, content)
      },
      stalledMs
    })
    const listeners = new Listeners(content => {
      sample(this.context, content)
    })
    this.context = {
      ...{
        store,
        log,
        memory: new Memory(db),
        holders,
        shortages: this.shortageWatch(store, nowMs),
        listeners,
        entries
      },
      ...{ turns: new Turns(), node: undefined, monitor: undefined }
    }
    this.unwatchStore = store.watch(content => {
      hearStore(this.context, content)
    })
  }

  private shortageWatch(store: DownloadStore, nowMs: () => number): ShortageWatch {
    return new ShortageWatch({
      node: () => this.context.node,
      manifest: async content => (await store.manifest(content))?.manifest,
      holders: content => this.context.holders.known(content),
      contents: () => [...this.context.entries].filter(([, { download }]) => mayMiss(download)).map(([id]) => id),
      onShortage: (content, problem) => {
        waitForOffer(this.context, content, problem)
      },
      onOffer: content => {
        offered(this.context, content)
      },
      onFault: (content, err) => {
        this.context.log.warn({ err, content }, 'what a download misses could not be looked up')
      },
      nowMs
    })
  }

  // Reads

  /** Undefined for what is not a download of this process and has not failed. */
  state(content: ContentId): DownloadState | undefined {
    const entry = this.context.entries.get(content)
    if (entry !== undefined) return entry.download.state
    const failure = this.context.memory.failure(content)
    return failure === undefined ? undefined : { kind: 'failed', problem: failure.problem }
  }

  /** Also of one that is complete and not served, until it is started again. */
  progress(content: ContentId): Progress | undefined {
    const progress = this.context.node?.progress(content)
    if (progress !== undefined) return progress
    const state = this.context.entries.get(content)?.download.state
    return state?.kind === 'complete' ? state.progress : undefined
  }

  /** What a running download misses that nobody offers; undefined when it does not stand still, or may go on by itself. */
  shortage(content: ContentId): Promise<ShortageOf | undefined> {
    return this.context.shortages.current(content)
  }

  /** Judges at once what stands still. For tests; the daemon does it by itself. */
  judgeShortages(): Promise<void> {
    return this.context.shortages.look()
  }

  /** Downloads that are not over, and complete ones of this process. */
  contents(): ContentId[] {
    return [...this.context.entries.keys()]
  }

  /** How the last `get` of the content ended, when it failed. */
  failure(content: ContentId): Failure | undefined {
    return this.context.memory.failure(content)
  }

  /** The oldest first, at most FAILURES_MAX. */
  failures(): Array<[ContentId, Failure]> {
    return this.context.memory.allFailures()
  }

  /** Calls `listener` with every event of the content until the signal aborts. It must not throw. */
  listen(content: ContentId, listener: DownloadListener, signal: AbortSignal): void {
    this.context.listeners.add(content, listener, signal)
  }

  // The node

  /**
   * Continues in this node what is to be fetched, and offers what is complete. Resolves when the node knows all of it. The monitor
   * watches what the node offers.
   */
  async attach(node: DownloadNode, monitor: DownloadMonitor): Promise<void> {
    assert(this.context.node === undefined, 'one node at a time')
    this.context.node = node
    this.context.monitor = monitor
    this.context.shortages.start()
    this.unwatchNode = node.watch(event => {
      hearNode(this.context, event)
    })
    for (const { content } of this.context.store.holdings()) {
      await this.context.turns.run(content, () => this.startAgain(content))
    }
  }

  /** The node is about to close. Commands still work: the next node hears of what they changed. */
  detach(): void {
    this.unwatchNode?.()
    this.unwatchNode = undefined
    this.context.node = undefined
    this.context.monitor = undefined
    this.context.holders.stopAll()
    this.context.shortages.stop()
  }

  /** Resolves when no command or clean-up is under way. */
  idle(): Promise<void> {
    return this.context.turns.idle()
  }

  /** Detaches the node, and ends what is under way. */
  async close(): Promise<void> {
    this.detach()
    this.unwatchStore()
    await this.context.turns.idle()
  }

  private async startAgain(content: ContentId): Promise<void> {
    const holding = this.context.store.holding(content)
    if (holding === undefined) return
    if (holding.complete) {
      if (holding.serve) await offer(this.context, content)
      return
    }
    if (this.context.memory.failure(content) !== undefined) return
    const entry = this.context.entries.get(content) ?? this.restored(holding)
    const { download } = entry
    if (!download.isActive() && !download.is('paused')) return
    if (download.is('waiting')) download.proceed()
    this.context.node?.fetch(content, { offered: holding.serve })
    if (download.is('paused')) this.context.node?.pause(content)
    else this.context.listeners.tell(content, { kind: 'running' })
  }

  private restored(holding: Holding): Entry {
    const { content } = holding
    const download = new Download(this.context.memory.isPaused(content) ? 'paused' : 'running')
    const entry: Entry = { download, before: holding }
    this.context.entries.set(content, entry)
    return entry
  }

  // Commands

  /**
   * Starts a download or continues it, and remembers where it goes. Throws ShoalError: 'conflict' when the content is here or is
   * being fetched to another folder, 'disk-full' when the home has no room for a note.
   */
  get(request: GetRequest): Promise<void> {
    const { content } = request
    return this.context.turns.run(content, async () => {
      while (isFailing(this.context, content)) await cleanUp(this.context, content)
      const entry = this.context.entries.get(content)
      const known = this.context.store.holding(content)
      const isOpen = entry !== undefined && (entry.download.isActive() || entry.download.is('paused'))
      if (isOpen && known !== undefined && isSame(known, request)) await this.continueIt(entry, content)
      else await this.begin(request, entry)
      if (!this.context.entries.has(content)) return
      const peers = request.holders.map(({ id }) => id)
      this.context.holders.learn(content, peers)
      this.context.shortages.restart(content)
      this.context.node?.sources(content, request.holders)
      this.context.holders.judge(content)
    })
  }

  /** Throws ShoalError 'conflict' for what is not being fetched. */
  pause(content: ContentId): Promise<void> {
    return this.context.turns.run(content, async () => {
      while (isFailing(this.context, content)) await cleanUp(this.context, content)
      const entry = this.context.entries.get(content)
      if (entry?.download.is('paused') === true) return
      if (entry?.download.isActive() !== true) throw nothingToPause(content, this.whyNotPaused(content))
      const noted = await this.context.memory.setPaused(content, true)
      if (!noted.ok) this.context.log.warn({ content, reason: noted.reason }, 'a pause will not outlive this process')
      // It may have ended meanwhile.
      if (!entry.download.isActive()) {
        await this.context.memory.setPaused(content, false)
        throw nothingToPause(content, this.whyNotPaused(content))
      }
      this.context.holders.stop(content)
      entry.download.pause()
      this.context.node?.pause(content)
      this.context.log.info({ content }, 'download paused')
      this.context.listeners.tell(content, { kind: 'paused' })
    })
  }

  /**
   * Forgets a download or a share in the node and in the catalogue, and that it failed. With `deleteFiles`, also the files that look
   * as Shoal left them. Returns how many were deleted. Throws ShoalError, or the system's error: then it is not fetched any more,
   * and the catalogue may still hold it.
   */
  remove(content: ContentId, options: { deleteFiles: boolean }): Promise<number> {
    return this.context.turns.run(content, async () => {
      const entry = this.context.entries.get(content)
      entry?.download.remove()
      this.context.node?.remove(content)
      try {
        await this.forgetNotes(content)
        const deleted = await this.context.store.remove(content, options)
        entry?.download.removed()
        forgetEntry(this.context, content)
        this.context.listeners.tell(content, { kind: 'removed' })
        return deleted
      } catch (error) {
        await removalFailed(this.context, content, entry, error)
        throw error
      }
    })
  }

  /** Serves and publishes what is complete. */
  offer(content: ContentId): Promise<void> {
    return this.context.turns.run(content, () => offer(this.context, content))
  }

  private async continueIt({ download }: Entry, content: ContentId): Promise<void> {
    await this.forgetNotes(content)
    if (download.is('paused')) download.resume()
    else if (download.is('waiting')) download.proceed()
    if (!download.isActive()) return
    this.context.node?.resume(content)
    this.context.listeners.tell(content, { kind: 'running' })
  }

  private async begin(request: GetRequest, known: Entry | undefined): Promise<void> {
    const { content } = request
    const isMoved = this.mayMove(request, known)
    if (!isMoved) this.context.store.refuseOtherPlace(request)
    const now = isMoved ? undefined : this.context.store.holding(content)
    known?.download.add()
    const entry: Entry = known ?? { download: new Download('adding'), before: now }
    if (isMoved || now?.complete === true) entry.before = now
    this.context.holders.stop(content)
    this.context.entries.set(content, entry)
    this.context.node?.remove(content)
    try {
      if (isMoved) await this.context.store.remove(content, { deleteFiles: request.discard === true })
      await this.context.store.addDownload(request)
    } catch (error) {
      await notAdded(this.context, content, entry, shoalError(error))
      throw error
    }
    await this.forgetNotes(content)
    entry.download.added()
    this.context.node?.fetch(content, { offered: request.serve })
    this.context.listeners.tell(content, { kind: 'running' })
  }

  /** What is here of it stands in another folder and makes way: it failed there, or it was fetched only to be read. */
  private mayMove(request: GetRequest, known: Entry | undefined): boolean {
    const { content, folder, discard } = request
    const holding = this.context.store.holding(content)
    if (holding?.kind !== 'download' || holding.root === resolve(folder)) return false
    if (discard === true) return true
    return known === undefined && !holding.complete && this.context.memory.failure(content) !== undefined
  }

  private async forgetNotes(content: ContentId): Promise<void> {
    await this.context.memory.setPaused(content, false)
    await this.context.memory.forgetFailure(content)
  }

  private whyNotPaused(content: ContentId): string {
    if (this.context.memory.failure(content) !== undefined) return 'failed'
    return this.context.store.holding(content)?.complete === true ? 'is complete' : 'is not being fetched'
  }
}

/** Nobody may offer what it misses. */
function mayMiss({ state }: Download): boolean {
  return state.kind === 'running' || (state.kind === 'waiting' && state.for === 'offer')
}

/** The catalogue says the same already. */
function isSame(known: Holding, request: GetRequest): boolean {
  return (
    known.kind === 'download' &&
    known.root === resolve(request.folder) &&
    known.overwrite === request.overwrite &&
    known.serve === request.serve &&
    known.rename === (request.rename ?? false) &&
    JSON.stringify(known.include) === JSON.stringify(request.include)
  )
}
