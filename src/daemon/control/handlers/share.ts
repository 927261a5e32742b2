/** share and ls. */
import type { Logger } from 'pino'
import { ShoalError } from '../../../base/errors.ts'
import { isId, type ContentId, type NodeId } from '../../../base/ids.ts'
import type { EntryRow, FailedRow, Params, ResultOf, ShareRow } from '../../../wire/control/methods.ts'
import { folderPathOf, pathOf, type Manifest } from '../../../wire/bittorrent/metainfo.ts'
import type { ShareSummary } from '../../../wire/shares.ts'
import type { Call, Handlers } from '../server.ts'
import { findContent } from '../../search/find.ts'
import { nameOf } from '../../node/member-names.ts'
import { StoppingError } from '../../life.ts'
import type { Services } from '../services.ts'
import { damageOf } from '../../sharing/damage.ts'
import type { SharedRow } from '../../sharing/publish.ts'
import type { Indexing } from '../../sharing/indexing.ts'
import type { Follower, ShareJobs } from '../../sharing/share-jobs.ts'

/** Shortest time between two progress events of one path. */
const PROGRESS_MS = 100

export function shareHandlers(services: Services): Pick<Handlers, 'share' | 'ls'> {
  return {
    share: shareHandler(services),
    ls: async ({ id, all }, { signal }) => {
      if (id !== undefined) return listing(services, id, signal)
      return { shares: all === true ? await everybodys(services, signal) : await own(services) }
    }
  }
}

export interface ShareServices {
  readonly sharing: ShareJobs<SharedRow>
  readonly indexing: Pick<Indexing, 'settled'>
  readonly log: Logger
}

export function shareHandler(services: ShareServices): Handlers['share'] {
  return (params, call) => share(services, params, call)
}

async function share(
  services: ShareServices,
  params: Params<'share'>,
  call: Call<'share'>
): Promise<ResultOf<'share'>> {
  const { paths, unlisted, strict = false, cancel = false } = params
  const { sharing, indexing, log } = services
  const [only] = paths
  if (only === undefined) throw new ShoalError('usage', 'share needs at least one path')
  if (cancel) {
    const cancelled = paths.reduce((sum, target) => sum + sharing.cancel(target), 0)
    await sharing.cancelledEnded()
    return { shares: [], cancelled }
  }
  // All are started before the first is awaited: they go on when the client hangs up.
  const ends = await Promise.allSettled(
    paths.map(target => sharing.follow({ target, unlisted, strict }, followerOf(target, call)))
  )
  if (call.signal.aborted) throw hungUp(call.signal)
  await indexing.settled()
  const shares: SharedRow[] = []
  const failed: FailedRow[] = []
  ends.forEach((end, at) => {
    if (end.status === 'fulfilled') shares.push(end.value)
    else if (paths.length === 1) throw end.reason
    else failed.push(failedRow(paths[at] ?? '', end.reason, log))
  })
  return failed.length === 0 ? { shares } : { shares, failed }
}

function hungUp({ reason }: AbortSignal): ShoalError {
  if (!(reason instanceof StoppingError)) {
    return new ShoalError('interrupted', 'the client hung up; the daemon continues to share')
  }
  return new StoppingError('what is not shared yet must be shared again after its next start')
}

function followerOf(path: string, { signal, emit }: Call<'share'>): Follower {
  let emittedMs = -Infinity
  return {
    signal,
    onProgress: progress => {
      if (performance.now() - emittedMs < PROGRESS_MS) return
      emittedMs = performance.now()
      emit({ event: 'hashing', path, ...progress })
    }
  }
}

function failedRow(path: string, error: unknown, log: Logger): FailedRow {
  if (!(error instanceof ShoalError)) {
    log.error({ err: error, path }, 'a share failed')
    return { path, code: 'internal', message: `a fault of the daemon: ${String(error)}` }
  }
  const { code, message, hint } = error
  return { path, code, message, ...(hint === undefined ? {} : { hint }) }
}

async function own(services: Services): Promise<ShareRow[]> {
  const rows: ShareRow[] = []
  for (const summary of await services.directory().own({ name: undefined, content: undefined })) {
    rows.push(await rowOf(services, summary, []))
  }
  return rows.toSorted(byName)
}

async function everybodys(services: Services, signal: AbortSignal): Promise<ShareRow[]> {
  const filter = { name: undefined, content: undefined }
  const runtime = services.runtime()
  const listed = await services.directory().ask(runtime.othersAlive(), filter, signal)
  const rows = new Map<ContentId, ShareRow>()
  for (const one of listed.values()) rows.set(one.content, await rowOf(services, one, one.holders))
  for (const summary of await services.directory().own(filter)) {
    const holders = [runtime.self, ...(listed.get(summary.content)?.holders ?? [])]
    rows.set(summary.content, await rowOf(services, summary, holders))
  }
  return [...rows.values()].toSorted(byName)
}

/** What this node offers and cannot serve whole. */
export async function damagedShares(services: Services): Promise<ShareRow[]> {
  const rows: ShareRow[] = []
  for (const content of services.monitor().damaged) {
    const summaries = await services.directory().own({ name: undefined, content })
    for (const summary of summaries) rows.push(await rowOf(services, summary, []))
  }
  return rows.filter(({ problem }) => problem !== undefined).toSorted(byName)
}

async function rowOf(services: Services, summary: ShareSummary, holders: readonly NodeId[]): Promise<ShareRow> {
  const { content, name, bytes, files, pieceLengthBytes, complete } = summary
  const where = services.store.pathOf(content)
  const names = holders.map(id => nameOf(id, services.runtime().view.membership.member(id)))
  const damage = await damageOf(services, content)
  return {
    ...{ id: content, name, bytes, files, pieceLengthBytes, state: complete ? 'complete' : 'partial' },
    ...damage,
    ...(where === undefined ? {} : { path: where }),
    ...(services.store.isUnlisted(content) ? { unlisted: true } : {}),
    ...(names.length === 0 ? {} : { holders: names })
  }
}

const byName = (a: ShareRow, b: ShareRow): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1)

async function listing(services: Services, what: string, signal: AbortSignal): Promise<ResultOf<'ls'>> {
  const { content, holders } = await findContent(services, what, signal)
  const manifest = await manifestOf(services, content, holders)
  const entries: EntryRow[] = manifest.files.map((file, number) => {
    const state = services.monitor().stateOf(content, number)
    return {
      ...{ path: pathOf(file).join('/'), bytes: file.lengthBytes, executable: file.executable },
      ...(state === 'sound' ? {} : { state })
    }
  })
  for (const folder of manifest.emptyFolders) {
    entries.push({ path: `${folderPathOf(folder).join('/')}/`, bytes: 0, executable: false })
  }
  const { name, layout, files } = manifest
  return {
    ...{ id: isId(what) ? what : content, name, bytes: layout.bytes, files: files.length },
    ...{ pieceLengthBytes: layout.pieceLengthBytes, entries: entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)) }
  }
}

/** What is kept here, else asked of those who hold it. Throws ShoalError. */
export async function manifestOf(
  services: Services,
  content: ContentId,
  holders: readonly NodeId[]
): Promise<Manifest> {
  const known = await services.store.manifest(content)
  if (known !== undefined) return known.manifest
  for (const id of holders) {
    const contact = services.runtime().contact(id)
    if (contact === undefined) continue
    await services.runtime().fetchManifest(content, contact)
    const fetched = await services.store.manifest(content)
    if (fetched !== undefined) return fetched.manifest
  }
  const refused = services.store.problem(content)
  if (refused?.code === 'bad-input') throw refused
  throw new ShoalError('unreachable', `nobody who holds ${content} gave its list of files`, {
    hint: 'try again in a moment'
  })
}
