/** Follows one download to its end. */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { Progress } from '../../core/exchange/contract.ts'
import { StoppingError } from '../life.ts'
import type { Downloads } from './downloads.ts'
import type { DownloadEvent } from './events.ts'
import { paused, removed } from './problems.ts'

export interface FollowOptions {
  /** Ends the following, never the download. Its reason is thrown when it is a ShoalError. */
  readonly signal: AbortSignal
  /** Called at most every PROGRESS_EVENT_MS. */
  readonly onProgress?: (progress: Progress) => void
  /** Keeps following while no member that answers has what is missing. */
  readonly waitsForOffer?: boolean
}

/**
 * Resolves when the download is complete. Throws ShoalError: 'interrupted' when it is paused or removed, or the signal aborts;
 * what it waits for ('disk-full', 'integrity', 'not-found'), and what it failed with.
 */
export async function follow(downloads: Downloads, content: ContentId, options: FollowOptions): Promise<Progress> {
  const { signal, onProgress, waitsForOffer = false } = options
  const ended = new AbortController()
  const { promise, resolve, reject } = Promise.withResolvers<Progress>()
  const hear = (event: DownloadEvent): void => {
    if (event.kind === 'progress') onProgress?.(event.progress)
    else if (event.kind === 'complete') resolve(event.progress)
    else if (event.kind === 'waiting' && event.for === 'offer' && waitsForOffer) return
    else if (event.kind !== 'running') reject(problemOf(content, event))
  }
  const hangUp = (): void => {
    const reason: unknown = signal.reason
    if (reason instanceof StoppingError) reject(new StoppingError('the download continues with its next start'))
    else
      reject(
        reason instanceof ShoalError
          ? reason
          : new ShoalError('interrupted', 'the caller hung up; the download goes on')
      )
  }
  downloads.listen(content, hear, ended.signal)
  signal.addEventListener('abort', hangUp, { once: true })
  try {
    if (signal.aborted) hangUp()
    const now = eventNow(downloads, content)
    if (now !== undefined) hear(now)
    return await promise
  } finally {
    ended.abort()
    signal.removeEventListener('abort', hangUp)
  }
}

function problemOf(
  content: ContentId,
  event: Exclude<DownloadEvent, { kind: 'running' | 'progress' | 'complete' }>
): ShoalError {
  switch (event.kind) {
    case 'waiting':
    case 'failed':
      return event.problem
    case 'paused':
      return paused(content)
    case 'removed':
      return removed()
  }
}

/** The event that the listener missed; undefined while it is under way. */
function eventNow(downloads: Downloads, content: ContentId): DownloadEvent | undefined {
  const state = downloads.state(content)
  switch (state?.kind) {
    case undefined:
    case 'removed':
      return { kind: 'removed' }
    case 'waiting':
    case 'failed':
      return state
    case 'paused':
      return { kind: 'paused' }
    case 'complete':
      return { kind: 'complete', progress: state.progress }
    case 'adding':
    case 'running':
    case 'failing':
    case 'removing':
      return undefined
  }
}
