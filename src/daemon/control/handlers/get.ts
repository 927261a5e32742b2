/** get, pause and rm. The daemon fetches; a caller only follows. */
import path from 'node:path'
import { ShoalError } from '../../../base/errors.ts'
import type { ContentId } from '../../../base/ids.ts'
import { expectDefined } from '../../../base/assert.ts'
import type { Holding } from '../../../io/store/catalogue.ts'
import { GLOBS_MAX } from '../../../io/store/files/glob.ts'
import type { Params, ResultOf } from '../../../wire/control/methods.ts'
import { isMagnet, parseMagnet } from '../../../wire/bittorrent/magnet.ts'
import { hasPieceLayers, parseTorrent } from '../../../wire/bittorrent/torrent.ts'
import type { Call, Handlers } from '../server.ts'
import { follow } from '../../downloads/follow.ts'
import { sourceRows, transferRow } from '../../downloads/rows.ts'
import { findResult, holdersOf, ownContent, ownOrFailed, type FoundContent } from '../../search/find.ts'
import type { Services } from '../services.ts'

const TORRENT_TEXT_MAX = 1 << 20
/** For a manifest, when there is another way to one. */
const HOLDERS_ASKED_MAX = 2

export function getHandlers(services: Services): Pick<Handlers, 'get' | 'pause' | 'rm'> {
  return {
    get: async (params, call) => getWithin(services, params, call),
    pause: async ({ id }) => {
      const content = await ownContent(services, id)
      await services.downloads.pause(content)
      return { id: content, paused: true }
    },
    rm: async (params, { signal }) => rm(services, params, signal)
  }
}

/** Follows for `timeoutMs` at most. */
async function getWithin(services: Services, params: Params<'get'>, call: Call<'get'>): Promise<ResultOf<'get'>> {
  const { timeoutMs } = params
  if (timeoutMs === undefined) return get(services, params, call)
  const deadline = AbortSignal.timeout(timeoutMs)
  let waitsFor: string | undefined
  const emit: Call<'get'>['emit'] = event => {
    if (event.event === 'waiting') waitsFor = `waiting for ${event.for}`
    else if (event.event === 'progress') waitsFor = event.problem ?? event.reason
    call.emit(event)
  }
  try {
    return await get(services, params, { ...call, emit, signal: AbortSignal.any([call.signal, deadline]) })
  } catch (error) {
    if (!deadline.aborted || call.signal.aborted) throw error
    const why = waitsFor === undefined ? '' : `: ${waitsFor}`
    throw new ShoalError('timeout', `not complete after ${timeoutMs / 1_000} s${why}`, {
      hint: 'a download that was started goes on: `shoal status` shows it, and `shoal get` follows it again'
    })
  }
}

async function get(services: Services, params: Params<'get'>, call: Call<'get'>): Promise<ResultOf<'get'>> {
  if (!path.isAbsolute(params.dir)) throw new ShoalError('usage', `get takes an absolute folder, not ${params.dir}`)
  const startedMs = performance.now()
  const { downloads, store } = services
  const found = await wanted(services, params, call)
  const { content, holders } = found
  tellFailure(services, content, call)
  if (isElsewhere(services, content, params.dir)) return copyTo(services, { params, found, startedMs }, call)
  const runtime = services.runtime()
  const request = {
    ...{ content, folder: params.dir, include: includeOf(params, found, store.holding(content)) },
    ...{ overwrite: params.overwrite ?? false, serve: params.share ?? true, rename: params.rename ?? false },
    holders: holders.flatMap(id => runtime.contact(id) ?? [])
  }
  await services.passing.handOver(content, discard => downloads.get({ ...request, discard }))
  const progress = await follow(downloads, content, {
    ...{ signal: call.signal, waitsForOffer: params.timeoutMs !== undefined },
    onProgress: () => {
      tellProgress(services, content, call)
    }
  })
  return {
    ...{ event: 'done', id: content, path: expectDefined(store.pathOf(content), 'a download has a path') },
    ...{ bytes: progress.wantedBytes, fetchedBytes: progress.fetchedBytes, reusedBytes: progress.reusedBytes },
    seconds: Math.round(performance.now() - startedMs) / 1000,
    sources: sourceRows(services.runtime().view, progress)
  }
}

/** The content is complete in another folder of this machine. What is fetched only to be read does not count. */
function isElsewhere({ store, passing }: Services, content: ContentId, dir: string): boolean {
  const known = store.holding(content)
  if (known?.complete !== true || passing.has(content)) return false
  return known.kind === 'share' || known.root !== path.resolve(dir)
}

interface CopyOrder {
  readonly params: Params<'get'>
  readonly found: FoundContent
  readonly startedMs: number
}

/** A copy is the user's own: it is not recorded, and the content stays where it is. */
async function copyTo(
  { store }: Services,
  { params, found, startedMs }: CopyOrder,
  { signal, emit }: Call<'get'>
): Promise<ResultOf<'get'>> {
  const { content } = found
  const held = await store.manifest(content)
  const { name = '', layout } = held?.manifest ?? {}
  const copied = await store.copyTo(params.dir, {
    ...{ content, include: includeOf(params, found, undefined), signal },
    ...{ overwrite: params.overwrite ?? false, rename: params.rename ?? false },
    onProgress: haveBytes => {
      emit({
        ...{ event: 'progress', id: content, name, state: 'copying', bytes: layout?.bytes ?? 0, haveBytes },
        ...{ fetchedBytes: 0, reusedBytes: haveBytes, bytesPerSecond: 0, sources: [] }
      })
    }
  })
  return {
    ...{ event: 'done', id: content, path: copied.path, bytes: copied.bytes, fetchedBytes: 0 },
    ...{ reusedBytes: copied.bytes, seconds: Math.round(performance.now() - startedMs) / 1000, sources: [] }
  }
}

/** The last try may have failed while nobody followed it. */
function tellFailure({ downloads }: Services, content: ContentId, { emit }: Call<'get'>): void {
  const failure = downloads.failure(content)
  if (failure === undefined) return
  const { problem, atSeconds } = failure
  emit({ event: 'failed-before', id: content, code: problem.code, message: problem.message, atSeconds })
}

function tellProgress(services: Services, content: ContentId, { emit }: Call<'get'>): void {
  const { downloads, store } = services
  const tell = async (): Promise<void> => {
    const row = await transferRow({ downloads, store, view: services.runtime().view }, content)
    if (row !== undefined) emit({ event: 'progress', ...row })
  }
  // A line of progress that cannot be made is left out.
  tell().catch(() => undefined)
}

/** A result that is one file stands for itself, beside what was fetched of its share to the same folder. */
function includeOf(
  { what, include = [], dir }: Params<'get'>,
  found: FoundContent,
  known: Holding | undefined
): string[] {
  if (found.include === undefined) return include
  if (include.length === 0) {
    const before = known?.kind === 'download' && known.root === dir ? known.include : undefined
    if (before?.length === 0) return []
    return [...new Set([...(before ?? []), found.include])].slice(-GLOBS_MAX)
  }
  throw new ShoalError('usage', `result ${what ?? ''} is one file: there is nothing to --include`, {
    hint: `to fetch more of its share: shoal get ${found.content} --include GLOB`
  })
}

async function wanted(
  services: Services,
  { what, torrent }: Params<'get'>,
  { signal, emit }: Call<'get'>
): Promise<FoundContent> {
  const ask = (): void => {
    emit({ event: 'waiting', for: 'the members to say who has it' })
  }
  if (torrent !== undefined) {
    if (torrent.length > TORRENT_TEXT_MAX) throw new ShoalError('limit', 'the .torrent file is too long')
    const { manifest, pieceLayers } = parseTorrent(Buffer.from(torrent, 'base64'))
    ask()
    const found = await holdersOf(services, manifest.contentId, signal)
    // A holder's own says too whether the content is listed.
    if (!(await hasManifestOfHolder(services, found)) && hasPieceLayers(manifest, pieceLayers))
      await services.store.keepManifest({ manifest, pieceLayers })
    return found
  }
  if (what === undefined || what === '')
    throw new ShoalError('usage', 'get needs an ID, a name, a magnet link or a .torrent file', {
      hint: '`shoal ls --all` lists what is shared'
    })
  // A link that is none is refused before anybody is asked.
  if (isMagnet(what)) parseMagnet(what)
  ask()
  return findResult(services, what, signal)
}

async function hasManifestOfHolder(services: Services, { content, holders }: FoundContent): Promise<boolean> {
  const runtime = services.runtime()
  const alive = runtime.othersAlive().filter(({ id }) => holders.includes(id))
  for (const contact of alive.slice(0, HOLDERS_ASKED_MAX)) {
    if ((await runtime.fetchManifest(content, contact)).ok) return true
  }
  return false
}

async function rm(services: Services, params: Params<'rm'>, signal: AbortSignal): Promise<ResultOf<'rm'>> {
  const content = await ownOrFailed(services, params.id)
  if (params.yes !== true && services.store.holding(content) !== undefined) {
    const { holders } = await holdersOf(services, content, signal)
    if (holders.length === 0) return { id: content, removed: false, lastHolder: true }
  }
  const unfinished = unfinishedOf(services, content)
  const deletedFiles = await services.downloads.remove(content, { deleteFiles: params.deleteFiles ?? false })
  await services.indexing.settled()
  if (params.deleteFiles === true) return { id: content, removed: true, deletedFiles }
  return { id: content, removed: true, ...(unfinished === undefined ? {} : { unfinished }) }
}

/** What stays on the disk when a download is forgotten before it is complete. */
function unfinishedOf(services: Services, content: ContentId): ResultOf<'rm'>['unfinished'] {
  const holding = services.store.holding(content)
  if (holding?.kind !== 'download' || holding.complete) return undefined
  const path = services.store.pathOf(content)
  const haveBytes = services.downloads.progress(content)?.haveBytes ?? 0
  return path === undefined || haveBytes === 0 ? undefined : { path, bytes: haveBytes }
}
