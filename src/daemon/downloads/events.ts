/** What a client hears of a download, and who listens to which. */
import type { ContentId } from '../../base/ids.ts'
import type { ShoalError } from '../../base/errors.ts'
import type { Progress } from '../../core/exchange/contract.ts'
import type { WaitCause } from './state.ts'

export type DownloadEvent =
  /** It was started, or continues: the node knows of it. */
  | { readonly kind: 'running' }
  /** A sample, at most every PROGRESS_EVENT_MS. */
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** It continues by itself once what `problem` names is mended. */
  | { readonly kind: 'waiting'; readonly for: WaitCause; readonly problem: ShoalError }
  /** By the user. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'failed'; readonly problem: ShoalError }
  | { readonly kind: 'complete'; readonly progress: Progress }
  | { readonly kind: 'removed' }

/** Bytes arrive all the time and no event announces each of them: while somebody listens, progress is sampled this often. */
export const PROGRESS_EVENT_MS = 100

export type DownloadListener = (event: DownloadEvent) => void

/** Listeners by content. A listener must not throw. */
export class Listeners {
  private readonly listeners = new Map<ContentId, Set<DownloadListener>>()
  private readonly sample: (content: ContentId) => void
  private timer: NodeJS.Timeout | undefined

  /** `sample` is called every PROGRESS_EVENT_MS for each content that somebody listens to. */
  constructor(sample: (content: ContentId) => void) {
    this.sample = sample
  }

  /** Until the signal aborts. */
  add(content: ContentId, listener: DownloadListener, signal: AbortSignal): void {
    if (signal.aborted) return
    const listeners = this.listeners.get(content) ?? new Set()
    this.listeners.set(content, listeners)
    listeners.add(listener)
    const remove = (): void => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.listeners.get(content) === listeners) this.listeners.delete(content)
      this.retime()
    }
    signal.addEventListener('abort', remove, { once: true })
    this.retime()
  }

  tell(content: ContentId, event: DownloadEvent): void {
    for (const listener of [...(this.listeners.get(content) ?? [])]) listener(event)
  }

  /** Contents that somebody listens to: for tests. */
  get size(): number {
    return this.listeners.size
  }

  private retime(): void {
    if (this.listeners.size === 0) {
      clearInterval(this.timer)
      this.timer = undefined
    } else if (this.timer === undefined) {
      this.timer = setInterval(() => {
        for (const content of [...this.listeners.keys()]) this.sample(content)
      }, PROGRESS_EVENT_MS)
      this.timer.unref()
    }
  }
}
