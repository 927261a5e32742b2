/**
 * What follows from an event of the node or of the store. Events may come while the machine is being drained: no command is given to
 * the node here, what needs one takes a turn.
 */
import type { ShoalError } from '../../base/errors.ts'
import { peerIdText, type ContentId } from '../../base/ids.ts'
import type { ExchangeEvent, Progress } from '../../core/exchange/contract.ts'
import { cleanUp } from './clean-up.ts'
import type { DownloadsContext, Entry } from './context.ts'
import { holdersBanned, noRoom, unwritable } from './problems.ts'
import type { WaitCause } from './state.ts'

export function hearNode(context: DownloadsContext, event: ExchangeEvent): void {
  switch (event.kind) {
    case 'paused':
      if (event.reason !== 'user') pausedByNode(context, event.content, event.reason)
      return
    case 'resumed':
      resumed(context, event.content)
      return
    case 'progress':
      if (event.progress.rateBytesPerSecond > 0) arriving(context, event.content)
      return
    case 'complete':
      completed(context, event.content, event.progress)
      return
    case 'banned':
      banned(context, event)
      return
    case 'accused':
      context.log.debug({ content: event.content }, 'accused of a wrong leaf')
      return
    case 'changed':
      context.monitor?.suspect(event.content, event.piece)
      return
    case 'misbehaved':
    case 'announce':
    case 'wanted-providers':
    case 'unreachable':
  }
}

/** A manifest that is refused is the content's own: no holder has a better one. */
export function hearStore(context: DownloadsContext, content: ContentId): void {
  const entry = context.entries.get(content)
  const problem = context.store.problem(content)
  if (entry === undefined || problem?.code !== 'bad-input') return
  if (entry.download.isActive() || entry.download.is('paused')) fail(context, content, entry, problem)
}

function pausedByNode(context: DownloadsContext, content: ContentId, reason: 'disk-full' | 'conflict' | 'disk'): void {
  const entry = context.entries.get(content)
  if (entry?.download.isActive() !== true) return
  if (reason !== 'disk-full') {
    fail(context, content, entry, context.store.problem(content) ?? unwritable(content, reason))
    return
  }
  const problem = noRoom(context.store.pathOf(content) ?? content)
  context.holders.stop(content)
  entry.download.wait('room', problem)
  context.log.info({ content }, 'download waits: the disk is full')
  context.listeners.tell(content, { kind: 'waiting', for: 'room', problem })
}

function resumed(context: DownloadsContext, content: ContentId): void {
  proceed(context, content, ['room'])
}

function arriving(context: DownloadsContext, content: ContentId): void {
  proceed(context, content, ['holder', 'offer'])
}

/** What it waited for is there, when it is one of `causes`. */
function proceed(context: DownloadsContext, content: ContentId, causes: readonly WaitCause[]): void {
  const download = context.entries.get(content)?.download
  if (download?.state.kind !== 'waiting' || !causes.includes(download.state.for)) return
  context.shortages.restart(content)
  download.proceed()
  context.log.info({ content }, 'download continues')
  context.listeners.tell(content, { kind: 'running' })
}

function completed(context: DownloadsContext, content: ContentId, progress: Progress): void {
  const entry = context.entries.get(content)
  if (entry?.download.isActive() !== true) return
  context.holders.stop(content)
  entry.download.complete(progress)
  context.log.info({ content, bytes: progress.wantedBytes }, 'download complete')
  context.listeners.tell(content, { kind: 'complete', progress })
  if (context.store.holding(content)?.serve !== false) return
  inTurn(context, content, async () => {
    if (entry.download.is('complete')) context.node?.remove(content)
  })
}

function banned(context: DownloadsContext, { content, peer, everywhere }: ExchangeEvent & { kind: 'banned' }): void {
  context.log.warn({ content, peer: peerIdText(peer), everywhere }, 'banned a source')
  if (context.entries.has(content)) context.holders.learn(content, [peer])
  for (const id of context.entries.keys()) if (id === content || everywhere) context.holders.judge(id)
}

export function waitForHolder(context: DownloadsContext, content: ContentId): void {
  const problem = holdersBanned(content)
  context.entries.get(content)?.download.wait('holder', problem)
  context.log.warn({ content }, 'download waits: every known holder is banned')
  context.listeners.tell(content, { kind: 'waiting', for: 'holder', problem })
}

/** Nobody offers what it misses: banned holders are the reason, or they have dropped it, or do not answer. */
export function waitForOffer(context: DownloadsContext, content: ContentId, problem: ShoalError): void {
  const download = context.entries.get(content)?.download
  if (download?.is('running') !== true) return
  if (context.holders.areAllBanned(content)) {
    waitForHolder(context, content)
    return
  }
  context.holders.stop(content)
  download.wait('offer', problem)
  context.log.info({ content, problem: problem.message }, 'download waits for an offer')
  context.listeners.tell(content, { kind: 'waiting', for: 'offer', problem })
}

export function offered(context: DownloadsContext, content: ContentId): void {
  proceed(context, content, ['offer'])
}

export function sample(context: DownloadsContext, content: ContentId): void {
  if (context.entries.get(content)?.download.isActive() !== true) return
  const progress = context.node?.progress(content)
  if (progress !== undefined) context.listeners.tell(content, { kind: 'progress', progress })
}

function fail(context: DownloadsContext, content: ContentId, entry: Entry, problem: ShoalError): void {
  context.holders.stop(content)
  entry.download.fail(problem)
  inTurn(context, content, () => cleanUp(context, content))
}

function inTurn(context: DownloadsContext, content: ContentId, act: () => Promise<void>): void {
  context.turns.run(content, act).catch((err: unknown) => {
    context.log.error({ err, content }, 'a download could not be cleaned up')
  })
}
