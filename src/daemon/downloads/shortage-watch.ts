/**
 * Whether downloads stand still because nobody offers what they miss. The exchange reports no event for that: every TICK_MS the
 * running downloads are looked at, and those that wait for an offer. shortage.ts judges how long is too long.
 */
import { inBackground } from '../../io/background.ts'
import type { ShoalError } from '../../base/errors.ts'
import { LruMap } from '../../base/bounded.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Progress, Shortage } from '../../core/exchange/contract.ts'
import type { Manifest } from '../../wire/bittorrent/metainfo.ts'
import type { DownloadNode } from './node.ts'
import { JUDGED_AFTER_MS, shortageError, type ShortageOf } from './shortage.ts'

const TICK_MS = 500
/** A shortage is looked up anew after so long, and after so many times the time that the look-up took. */
const KEPT_MS = 500
const KEPT_FACTOR = 20
const KEPT_MAX = 256

export interface ShortageWatchParts {
  /** Undefined while there is none. */
  readonly node: () => Pick<DownloadNode, 'progress' | 'shortage' | 'nameOf'> | undefined
  readonly manifest: (content: ContentId) => Promise<Manifest | undefined>
  /** Members that are known to have held it. */
  readonly holders: (content: ContentId) => readonly NodeId[]
  /** Those to look at: running, or waiting for an offer. */
  readonly contents: () => readonly ContentId[]
  /** Called at every look, as long as it lasts. */
  readonly onShortage: (content: ContentId, problem: ShoalError) => void
  /** Called when something that it misses is offered, or nothing is missing. */
  readonly onOffer: (content: ContentId) => void
  readonly onFault: (content: ContentId, error: unknown) => void
  readonly nowMs: () => number
}

export class ShortageWatch {
  private readonly parts: ShortageWatchParts
  /** Since when nothing arrives. */
  private readonly stillSinceMs = new Map<ContentId, number>()
  private readonly kept = new LruMap<ContentId, { shortage: Shortage | undefined; untilMs: number }>(KEPT_MAX)
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> | undefined

  constructor(parts: ShortageWatchParts) {
    this.parts = parts
  }

  /** Looks every TICK_MS until `stop`. */
  start(): void {
    this.timer = setInterval(() => {
      inBackground(this.look())
    }, TICK_MS)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
    this.stillSinceMs.clear()
    this.kept.clear()
  }

  /** The time that it stands still is counted anew: its sources are asked again. */
  restart(content: ContentId): void {
    this.stillSinceMs.delete(content)
    this.kept.delete(content)
  }

  /** What the download misses now; undefined while something arrives, or may arrive by itself. */
  async current(content: ContentId): Promise<ShortageOf | undefined> {
    const node = this.parts.node()
    const progress = node?.progress(content)
    if (node === undefined || progress === undefined || !isStill(progress)) return undefined
    const shortage = this.lookedUp(node, content)
    if (shortage === undefined) return undefined
    const manifest = await this.parts.manifest(content)
    return { content, shortage, manifest, holders: this.parts.holders(content), nameOf: id => node.nameOf(id) }
  }

  /** One look. Never rejects. For tests; `start` calls it by itself. */
  look(): Promise<void> {
    this.looking ??= this.lookAtAll().finally(() => {
      this.looking = undefined
    })
    return this.looking
  }

  private async lookAtAll(): Promise<void> {
    const contents = this.parts.contents()
    const looked = new Set(contents)
    for (const content of this.stillSinceMs.keys()) if (!looked.has(content)) this.restart(content)
    for (const content of contents) {
      try {
        await this.judge(content)
      } catch (error) {
        this.parts.onFault(content, error)
      }
    }
  }

  private async judge(content: ContentId): Promise<void> {
    const node = this.parts.node()
    const progress = node?.progress(content)
    if (progress === undefined || !isStill(progress)) {
      this.restart(content)
      return
    }
    const nowMs = this.parts.nowMs()
    const sinceMs = this.stillSinceMs.get(content) ?? nowMs
    this.stillSinceMs.set(content, sinceMs)
    if (nowMs - sinceMs < JUDGED_AFTER_MS) return
    const of = await this.current(content)
    // Another node, or another `get`, since.
    if (this.parts.node() !== node || this.stillSinceMs.get(content) !== sinceMs) return
    const problem = of === undefined ? undefined : shortageError(of, nowMs - sinceMs)
    if (problem !== undefined) this.parts.onShortage(content, problem)
    else if (of === undefined) this.parts.onOffer(content)
  }

  /** Looks at every missing piece: that takes a while for a large content, so the answer is kept for longer. */
  private lookedUp(node: Pick<DownloadNode, 'shortage'>, content: ContentId): Shortage | undefined {
    const startedMs = this.parts.nowMs()
    const known = this.kept.get(content)
    if (known !== undefined && startedMs < known.untilMs) return known.shortage
    const shortage = node.shortage(content)
    const endedMs = this.parts.nowMs()
    this.kept.set(content, { shortage, untilMs: endedMs + KEPT_MS + (endedMs - startedMs) * KEPT_FACTOR })
    return shortage
  }
}

function isStill({ state, rateBytesPerSecond }: Progress): boolean {
  return state === 'finding' || (state === 'fetching' && rateBytesPerSecond === 0)
}
