/**
 * Shares and downloads of this node as the exchange and the store see them together: what is started again with the
 * daemon, what ends a wait, and the rows that people see.
 */
import type { Logger } from 'pino'
import { LruMap } from '../../base/bounded.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import { peerIdText } from '../../base/ids.ts'
import { ShoalError } from '../../base/errors.ts'
import type { PauseReason, Progress, Shortage } from '../../core/exchange/contract.ts'
import type { StateDb } from '../../io/state/db.ts'
import type { Holding } from '../../io/store/catalogue.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { SourceRow, TransferRow } from '../../wire/control/methods.ts'
import { nameOf } from '../node/member-names.ts'
import type { Runtime } from '../node/runtime.ts'
import type { ShareMonitor } from '../sharing/monitor.ts'
import { shortageText, type ShortageOf } from './shortage.ts'
import type { NodeEvent } from '../../core/node/node.ts'

/** Downloads that their user paused: they stay so over a restart. */
const PAUSED_PREFIX = 'paused/'
const PAUSED = Uint8Array.of(1)
/** How the last downloads ended that are not served on: the exchange has forgotten them. */
const ENDED_MAX = 256
/** What a download lacks is found out anew after so long, and after so many times the time that it took. */
const SHORTAGE_KEPT_MS = 500
const SHORTAGE_KEPT_FACTOR = 20

export class Transfers {
  private readonly runtime: Runtime
  private readonly store: ContentStore
  private readonly db: StateDb
  private readonly log: Logger
  private readonly monitor: Pick<ShareMonitor, 'offered' | 'suspect'>
  private readonly pausedFor = new Map<ContentId, PauseReason>()
  private readonly shortages = new LruMap<ContentId, { shortage: Shortage | undefined; untilMs: number }>(ENDED_MAX)
  private readonly ended = new LruMap<ContentId, Progress>(ENDED_MAX)

  constructor(parts: {
    runtime: Runtime
    store: ContentStore
    db: StateDb
    log: Logger
    monitor: Pick<ShareMonitor, 'offered' | 'suspect'>
  }) {
    this.runtime = parts.runtime
    this.store = parts.store
    this.db = parts.db
    this.log = parts.log
    this.monitor = parts.monitor
    this.runtime.watch(event => {
      this.hear(event)
    })
  }

  /** Offers again what is complete, goes on with what is not. */
  async restart(): Promise<void> {
    for (const holding of this.store.holdings()) {
      if (!holding.complete) this.fetch(holding, this.db.get(PAUSED_PREFIX + holding.content) !== undefined)
      else if (holding.serve) await this.offer(holding.content)
    }
  }

  private fetch({ content, serve }: Holding, paused: boolean): void {
    this.runtime.call((node, at) => {
      node.setOffered(content, serve)
      node.exchange.get(content, at)
      if (paused) node.exchange.pause(content, at)
    })
  }

  /** All of it is here: serve it, and tell the records. */
  async offer(content: ContentId): Promise<void> {
    const held = await this.store.manifest(content)
    if (held === undefined) {
      this.log.error({ content }, 'the manifest of a share is gone: share its folder again')
      return
    }
    this.runtime.call((node, at) => {
      node.setOffered(content, true)
      node.seed(content, held.manifest.layout, at)
    })
    this.monitor.offered(content)
  }

  /** Starts, or goes on with, a download that the store knows. */
  async start(content: ContentId): Promise<void> {
    this.ended.delete(content)
    await this.db.put(PAUSED_PREFIX + content, undefined)
    const holding = this.store.holding(content)
    if (holding === undefined) throw new ShoalError('not-found', `${content} is not being fetched`)
    const state = this.progress(content)?.state
    if (state === 'paused') {
      this.pausedFor.delete(content)
      this.runtime.call((node, at) => {
        node.exchange.resume(content, at)
      })
    } else {
      this.fetch(holding, false)
    }
  }

  async pause(content: ContentId): Promise<void> {
    await this.db.put(PAUSED_PREFIX + content, PAUSED)
    this.runtime.call((node, at) => {
      node.exchange.pause(content, at)
    })
  }

  /** Nothing of it is fetched or served any more; the store still knows it. */
  async forget(content: ContentId): Promise<void> {
    this.pausedFor.delete(content)
    await this.db.put(PAUSED_PREFIX + content, undefined)
    this.runtime.call((node, at) => {
      node.exchange.remove(content, at)
    })
  }

  /** Of one that is complete and not served on too, until it is started again. */
  progress(content: ContentId): Progress | undefined {
    return this.runtime.call((node, at) => node.exchange.progress(content, at)) ?? this.ended.get(content)
  }

  pauseReason(content: ContentId): PauseReason | undefined {
    return this.pausedFor.get(content)
  }

  sources(progress: Progress): SourceRow[] {
    return progress.sources.map(({ peer, bytes }) => ({
      ...{ id: peerIdText(peer), name: nameOf(peer, this.runtime.view.membership.member(peer)), bytes }
    }))
  }

  /**
   * Why a download stands still; undefined when it does not, or may go on by itself. `holders`: members known to have
   * had it.
   */
  async shortage(content: ContentId, holders: readonly NodeId[]): Promise<ShortageOf | undefined> {
    const shortage = this.lookedUp(content)
    if (shortage === undefined) return undefined
    const manifest = (await this.store.manifest(content))?.manifest
    const called = (id: NodeId): string => nameOf(id, this.runtime.view.membership.member(id))
    return { content, shortage, manifest, holders, nameOf: called }
  }

  /** Looks at every missing piece: that takes a while for a large content, so the answer is kept for longer. */
  private lookedUp(content: ContentId): Shortage | undefined {
    const startedMs = performance.now()
    const known = this.shortages.get(content)
    if (known !== undefined && startedMs < known.untilMs) return known.shortage
    const shortage = this.runtime.view.exchange.shortage(content)
    const endedMs = performance.now()
    const untilMs = endedMs + SHORTAGE_KEPT_MS + (endedMs - startedMs) * SHORTAGE_KEPT_FACTOR
    this.shortages.set(content, { shortage, untilMs })
    return shortage
  }

  private async reason(
    content: ContentId,
    { state, rateBytesPerSecond }: Progress,
    holders: readonly NodeId[]
  ): Promise<string | undefined> {
    if (state === 'paused') return this.pausedFor.get(content)
    if (state !== 'finding' && (state !== 'fetching' || rateBytesPerSecond > 0)) return undefined
    const shortage = await this.shortage(content, holders)
    return shortage?.shortage.isAsking === false ? shortageText(shortage) : undefined
  }

  /** Undefined for what is not a download of this process. `holders`: members known to have had it. */
  async row(content: ContentId, holders: readonly NodeId[] = []): Promise<TransferRow | undefined> {
    const progress = this.progress(content)
    if (progress === undefined) return undefined
    const held = await this.store.manifest(content)
    const reason = await this.reason(content, progress, holders)
    return {
      ...{ id: content, name: held?.manifest.name ?? '', state: progress.state },
      ...(reason === undefined ? {} : { reason }),
      ...{ bytes: progress.wantedBytes, haveBytes: progress.haveBytes },
      ...{ fetchedBytes: progress.fetchedBytes, reusedBytes: progress.reusedBytes },
      ...{ bytesPerSecond: Math.round(progress.rateBytesPerSecond), sources: this.sources(progress) }
    }
  }

  private hear({ room, event }: NodeEvent): void {
    if (room !== 'exchange') return
    switch (event.kind) {
      case 'paused':
        this.pausedFor.set(event.content, event.reason)
        this.log.info({ content: event.content, reason: event.reason }, 'download paused')
        return
      case 'resumed':
        this.pausedFor.delete(event.content)
        this.log.info({ content: event.content }, 'download goes on')
        return
      case 'complete':
        this.pausedFor.delete(event.content)
        this.log.info({ content: event.content, bytes: event.progress.wantedBytes }, 'download complete')
        if (this.store.holding(event.content)?.serve === false) {
          this.ended.set(event.content, event.progress)
          void this.forget(event.content)
        }
        return
      case 'banned':
        this.log.warn(
          { content: event.content, peer: peerIdText(event.peer), everywhere: event.everywhere },
          'banned a source'
        )
        return
      case 'accused':
        this.log.debug({ content: event.content }, 'accused of a wrong leaf')
        return
      case 'changed':
        this.monitor.suspect(event.content, event.piece)
        return
      case 'misbehaved':
      case 'progress':
      case 'announce':
      case 'wanted-providers':
      case 'unreachable':
    }
  }
}
