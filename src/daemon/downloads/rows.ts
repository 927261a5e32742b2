/** Downloads as people see them: in `status`, and while `get` follows. */
import { peerIdText, type ContentId } from '../../base/ids.ts'
import type { Progress } from '../../core/exchange/contract.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { SourceRow, TransferRow } from '../../wire/control/methods.ts'
import { nameOf } from '../node/member-names.ts'
import type { NodeView } from '../node/view.ts'
import type { Downloads } from './downloads.ts'
import type { Failure } from './memory.ts'
import { shortageText } from './shortage.ts'
import type { DownloadState, WaitCause } from './state.ts'

export interface RowSources {
  readonly downloads: Pick<Downloads, 'state' | 'progress' | 'shortage'>
  readonly store: Pick<ContentStore, 'manifest'>
  readonly view: Pick<NodeView, 'membership'>
}

/** Undefined for what is not a download of this process. */
export async function transferRow(from: RowSources, content: ContentId): Promise<TransferRow | undefined> {
  const progress = from.downloads.progress(content)
  if (progress === undefined) return undefined
  const held = await from.store.manifest(content)
  return {
    ...{ id: content, name: held?.manifest.name ?? '', state: progress.state },
    ...(await shortageReason(from, content)),
    ...{ bytes: progress.wantedBytes, haveBytes: progress.haveBytes },
    ...{ fetchedBytes: progress.fetchedBytes, reusedBytes: progress.reusedBytes },
    ...{ bytesPerSecond: Math.round(progress.rateBytesPerSecond), sources: sourceRows(from.view, progress) }
  }
}

/** The reason; for what misses something that nobody offers, who had it, also before the download is said to wait. */
async function shortageReason({ downloads }: RowSources, content: ContentId): Promise<Reason> {
  const state = downloads.state(content)
  const mayMiss = state?.kind === 'running' || (state?.kind === 'waiting' && state.for === 'offer')
  const of = mayMiss ? await downloads.shortage(content) : undefined
  return of?.shortage.isAsking === false ? { reason: REASONS.offer, problem: shortageText(of) } : reasonOf(state)
}

/** Of one that failed and is not under way. */
export function failedRow(content: ContentId, { problem, name }: Failure): TransferRow {
  return {
    ...{ id: content, name, state: 'failed', reason: problem.code, problem: problem.message },
    ...{ bytes: 0, haveBytes: 0, fetchedBytes: 0, reusedBytes: 0, bytesPerSecond: 0, sources: [] }
  }
}

/** Why it is paused or failed, or what it waits for: a word, and a sentence where there is more to say. */
export interface Reason {
  readonly reason?: string
  readonly problem?: string
}

const REASONS: Readonly<Record<WaitCause, string>> = {
  room: 'disk-full',
  holder: 'holders-banned',
  offer: 'not-offered'
}

export function reasonOf(state: DownloadState | undefined): Reason {
  switch (state?.kind) {
    case 'paused':
      return { reason: 'user' }
    case 'waiting':
      return { reason: REASONS[state.for], problem: state.problem.message }
    case 'failing':
    case 'failed':
      return { reason: state.problem.code, problem: state.problem.message }
    case undefined:
    case 'adding':
    case 'running':
    case 'complete':
    case 'removing':
    case 'removed':
      return {}
  }
}

export function sourceRows({ membership }: RowSources['view'], progress: Progress): SourceRow[] {
  return progress.sources.map(({ peer, bytes }) => ({
    ...{ id: peerIdText(peer), name: nameOf(peer, membership.member(peer)), bytes }
  }))
}
