/**
 * What is undone when a download fails, so that the catalogue is as it was before its `get`. No file is deleted. See downloads.ts.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { Holding } from '../../io/store/catalogue.ts'
import { forgetEntry, offer, type DownloadsContext, type Entry } from './context.ts'
import type { Failure } from './memory.ts'

export function isFailing(context: DownloadsContext, content: ContentId): boolean {
  return context.entries.get(content)?.download.is('failing') === true
}

/** Noted before anything is undone: after a crash in between, the download is failed and not tried again. */
export async function cleanUp(context: DownloadsContext, content: ContentId): Promise<void> {
  const entry = context.entries.get(content)
  const state = entry?.download.state
  if (entry === undefined || state?.kind !== 'failing') return
  const { problem } = state
  const isPartlyHere = (context.node?.progress(content)?.haveBytes ?? 0) > 0
  await context.memory.setFailure(content, await failureOf(context, content, problem))
  context.node?.remove(content)
  try {
    await context.memory.setPaused(content, false)
    await undo(context, content, entry.before, isPartlyHere)
  } catch (err) {
    context.log.error({ err, content }, 'the clean-up after a failed download failed')
  }
  entry.download.failed()
  forgetEntry(context, content)
  context.log.warn({ content, code: problem.code, problem: problem.message }, 'download failed')
  context.listeners.tell(content, { kind: 'failed', problem })
}

async function undo(
  context: DownloadsContext,
  content: ContentId,
  before: Holding | undefined,
  isPartlyHere: boolean
): Promise<void> {
  if (before?.complete === true) {
    await context.store.putBack(before)
    if (before.serve) await offer(context, content)
  } else if (!isPartlyHere && before?.begun !== true) await context.store.remove(content, { deleteFiles: false })
}

async function failureOf(context: DownloadsContext, content: ContentId, problem: ShoalError): Promise<Failure> {
  // A home that cannot be read must not keep the failure from being told.
  const held = await context.store.manifest(content).catch(() => undefined)
  return { problem, name: held?.manifest.name ?? '', atSeconds: Math.floor(Date.now() / 1_000) }
}

/** The catalogue did not take it: `get` throws `problem`. */
export async function notAdded(
  context: DownloadsContext,
  content: ContentId,
  entry: Entry,
  problem: ShoalError
): Promise<void> {
  if (entry.before === undefined) {
    entry.download.removed()
    forgetEntry(context, content)
    context.listeners.tell(content, { kind: 'failed', problem })
    return
  }
  entry.download.fail(problem)
  await cleanUp(context, content)
}

/** The node does not know of it any more, and the store has not forgotten it. `remove` throws `error`. */
export async function removalFailed(
  context: DownloadsContext,
  content: ContentId,
  entry: Entry | undefined,
  error: unknown
): Promise<void> {
  const problem = shoalError(error)
  const holding = context.store.holding(content)
  if (entry !== undefined) {
    entry.download.fail(problem)
    await context.memory.setFailure(content, await failureOf(context, content, problem))
    entry.download.failed()
    forgetEntry(context, content)
    context.listeners.tell(content, { kind: 'failed', problem })
  } else if (holding?.complete === true && holding.serve) await offer(context, content)
}

export function shoalError(error: unknown): ShoalError {
  if (error instanceof ShoalError) return error
  const what = error instanceof Error ? error.message : String(error)
  return new ShoalError('internal', `a download could not be noted: ${what}`, { cause: error })
}
