/**
 * Whether anybody is left to fetch from. Peers that sent corrupt data are banned and not asked again; a download whose known
 * holders are all banned, and which receives nothing, is reported once. It is judged when a holder becomes known and when one is
 * banned; what was asked before may still arrive, so the verdict takes `stalledMs` unless the node has nobody to ask.
 */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Progress } from '../../core/exchange/contract.ts'
import { SOURCES_KNOWN_MAX } from '../../core/exchange/settings.ts'
import type { DownloadNode } from './node.ts'

export interface HolderWatchParts {
  /** Undefined while there is none. */
  readonly node: () => Pick<DownloadNode, 'progress' | 'banned'> | undefined
  /** Only these are judged. */
  readonly isRunning: (content: ContentId) => boolean
  readonly onAllBanned: (content: ContentId) => void
  readonly stalledMs: number
}

export class HolderWatch {
  private readonly parts: HolderWatchParts
  /** By content, at most SOURCES_KNOWN_MAX each. */
  private readonly holders = new Map<ContentId, Set<NodeId>>()
  private readonly timers = new Map<ContentId, NodeJS.Timeout>()

  constructor(parts: HolderWatchParts) {
    this.parts = parts
  }

  learn(content: ContentId, peers: readonly NodeId[]): void {
    const holders = this.holders.get(content) ?? new Set()
    this.holders.set(content, holders)
    for (const peer of peers) if (holders.size < SOURCES_KNOWN_MAX) holders.add(peer)
  }

  known(content: ContentId): NodeId[] {
    return [...(this.holders.get(content) ?? [])]
  }

  /** It is running, and every known holder is banned. */
  areAllBanned(content: ContentId): boolean {
    return this.whenAllBanned(content) !== undefined
  }

  judge(content: ContentId): void {
    const progress = this.whenAllBanned(content)
    if (progress?.state === 'finding') this.parts.onAllBanned(content)
    else if (progress !== undefined) this.judgeLater(content, progress)
  }

  /** It is not running now. */
  stop(content: ContentId): void {
    clearTimeout(this.timers.get(content))
    this.timers.delete(content)
  }

  stopAll(): void {
    for (const content of [...this.timers.keys()]) this.stop(content)
  }

  forget(content: ContentId): void {
    this.stop(content)
    this.holders.delete(content)
  }

  private judgeLater(content: ContentId, { state, haveBytes }: Progress): void {
    this.stop(content)
    const timer = setTimeout(() => {
      this.timers.delete(content)
      const progress = this.whenAllBanned(content)
      if (progress === undefined) return
      // A target that is being prepared has asked nobody yet.
      const isStalled = progress.state === 'finding' || (progress.state === 'fetching' && state === 'fetching')
      if (isStalled && progress.haveBytes === haveBytes) this.parts.onAllBanned(content)
      else this.judgeLater(content, progress)
    }, this.parts.stalledMs)
    timer.unref()
    this.timers.set(content, timer)
  }

  /** The progress of a running download whose known holders are all banned. */
  private whenAllBanned(content: ContentId): Progress | undefined {
    const node = this.parts.node()
    const progress = this.parts.isRunning(content) ? node?.progress(content) : undefined
    if (node === undefined || progress === undefined) return undefined
    const banned = node.banned(content)
    const known = [...(this.holders.get(content) ?? []), ...progress.sources.map(({ peer }) => peer)]
    return known.length > 0 && known.every(peer => banned.has(peer)) ? progress : undefined
  }
}
