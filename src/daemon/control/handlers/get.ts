/** get, pause and rm. The daemon fetches; a caller only follows. */
import path from 'node:path'
import { ShoalError } from '../../../base/errors.ts'
import type { ContentId, NodeId } from '../../../base/ids.ts'
import type { Progress } from '../../../core/exchange/contract.ts'
import { expectDefined } from '../../../base/assert.ts'
import type { Holding } from '../../../io/store/catalogue.ts'
import { GLOBS_MAX } from '../../../io/store/files/glob.ts'
import type { Params, ResultOf } from '../../../wire/control/methods.ts'
import { isMagnet, parseMagnet } from '../../../wire/bittorrent/magnet.ts'
import { hasPieceLayers, parseTorrent } from '../../../wire/bittorrent/torrent.ts'
import type { Call, Handlers } from '../server.ts'
import { findResult, holdersOf, ownContent, type FoundContent } from '../../search/find.ts'
import type { Services } from '../services.ts'
import { shortageError } from '../../downloads/shortage.ts'
import { every } from './every.ts'

const TELL_MS = 100
/** A download that has got nothing for so long may have nobody left who gives. */
const STALLED_MS = 3_000
const TORRENT_TEXT_MAX = 1 << 20
/** For a manifest, when there is another way to one. */
const HOLDERS_ASKED_MAX = 2

export function getHandlers(services: Services): Pick<Handlers, 'get' | 'pause' | 'rm'> {
  return {
    get: async (params, call) => getWithin(services, params, call),
    pause: async ({ id }) => {
      const content = await ownContent(services, id)
      await services.transfers().pause(content)
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
  const heard = { reason: undefined as string | undefined }
  const emit: Call<'get'>['emit'] = event => {
    heard.reason = event.event === 'waiting' ? `waiting for ${event.for}` : event.reason
    call.emit(event)
  }
  try {
    return await get(services, params, { ...call, emit, signal: AbortSignal.any([call.signal, deadline]) })
  } catch (error) {
    if (!deadline.aborted || call.signal.aborted) throw error
    const why = heard.reason === undefined ? '' : `: ${heard.reason}`
    throw new ShoalError('timeout', `not complete after ${timeoutMs / 1_000} s${why}`, {
      hint: 'a download that was started goes on: `shoal status` shows it, and `shoal get` follows it again'
    })
  }
}

async function get(services: Services, params: Params<'get'>, call: Call<'get'>): Promise<ResultOf<'get'>> {
  if (!path.isAbsolute(params.dir)) throw new ShoalError('usage', `get takes an absolute folder, not ${params.dir}`)
  const startedMs = performance.now()
  const found = await wanted(services, params, call)
  const { content, holders } = found
  await services.passing.yield(content)
  const known = services.store.holding(content)
  const include = includeOf(params, found, known)
  const isOther = known !== undefined && JSON.stringify(known.include) !== JSON.stringify(include)
  const again = known?.kind === 'download' && (known.complete || isOther) && known.root === params.dir
  await services.store.addDownload({
    ...{ content, folder: params.dir, include, overwrite: params.overwrite ?? false },
    ...{ serve: params.share ?? true, rename: params.rename ?? false }
  })
  if (again) await services.transfers().forget(content)
  await services.transfers().start(content)
  const runtime = services.runtime()
  const contacts = holders.flatMap(id => runtime.contact(id) ?? [])
  runtime.call((node, at) => {
    node.exchange.sources(content, contacts, at)
  })
  const progress = await follow(
    services,
    { found, before: again ? known : undefined, isPatient: params.timeoutMs !== undefined },
    call
  )
  return {
    ...{ event: 'done', id: content, path: expectDefined(services.store.pathOf(content), 'a download has a path') },
    ...{ bytes: progress.wantedBytes, fetchedBytes: progress.fetchedBytes, reusedBytes: progress.reusedBytes },
    seconds: Math.round(performance.now() - startedMs) / 1000,
    sources: services.transfers().sources(progress)
  }
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

interface Followed {
  readonly found: FoundContent
  /** How it was held before it was asked for again. */
  readonly before: Holding | undefined
  /** The caller waits for a holder as long as it said. */
  readonly isPatient: boolean
}

/** Resolves when it is complete; throws ShoalError for what needs the user. A caller that hangs up just stops hearing. */
async function follow(
  services: Services,
  { found, before, isPatient }: Followed,
  { signal, emit }: Call<'get'>
): Promise<Progress> {
  const { content } = found
  let movedMs = performance.now()
  for await (const _ of every(TELL_MS, signal)) {
    const transfers = services.transfers()
    const progress = transfers.progress(content)
    if (progress === undefined) {
      // Between two of its runs, when more of its files are wanted.
      if (services.store.holding(content) !== undefined) continue
      throw new ShoalError('interrupted', 'the download was removed')
    }
    if (progress.state === 'complete') return progress
    if (progress.state === 'paused') await judgePause(services, content, before)
    if (progress.state === 'finding') {
      await judgeManifest(services, content)
      judgeHolders(services, found, progress)
    }
    const isStill = progress.state === 'finding' || (progress.state === 'fetching' && progress.rateBytesPerSecond === 0)
    if (!isStill) movedMs = performance.now()
    const stillMs = performance.now() - movedMs
    if (stillMs >= STALLED_MS) {
      judgeHolders(services, found, progress)
      if (!isPatient) await judgeShortage(services, found, stillMs)
    }
    const row = await transfers.row(content, found.holders)
    if (row !== undefined) emit({ event: 'progress', ...row })
  }
  throw new ShoalError('interrupted', 'the caller hung up; the download goes on')
}

async function judgePause(services: Services, content: ContentId, before: Holding | undefined): Promise<void> {
  const reason = services.transfers().pauseReason(content)
  const problem = services.store.problem(content)
  switch (reason) {
    case undefined:
      return
    case 'user':
      throw new ShoalError('interrupted', 'the download is paused', { hint: `go on: shoal get ${content}` })
    case 'disk-full':
      throw new ShoalError('disk-full', `no room left for ${services.store.pathOf(content) ?? content}`, {
        hint: 'make room: the download goes on by itself (`shoal get` again follows it)'
      })
    case 'conflict':
    case 'disk':
      // Nothing of it was touched; the next try may say --overwrite or another folder.
      await giveUp(services, content, before)
      throw (
        problem ??
        new ShoalError(reason === 'disk' ? 'permission' : 'conflict', `${content} cannot be written`, {
          hint: 'choose another folder with -o'
        })
      )
  }
}

/**
 * A download that cannot be written is forgotten, and what was complete before it was asked for again is held as
 * before.
 */
async function giveUp(services: Services, content: ContentId, before: Holding | undefined): Promise<void> {
  await services.transfers().forget(content)
  if (before?.complete !== true) {
    await services.store.remove(content, { deleteFiles: false })
    return
  }
  await services.store.putBack(before)
  if (before.serve) await services.transfers().offer(content)
}

/** Throws when nobody who answers has what is missing. */
async function judgeShortage(services: Services, { content, holders }: FoundContent, stillMs: number): Promise<void> {
  const shortage = await services.transfers().shortage(content, holders)
  const error = shortage === undefined ? undefined : shortageError(shortage, stillMs)
  if (error !== undefined) throw error
}

/** A manifest that is refused is that of the content: nobody has a better one. */
async function judgeManifest(services: Services, content: ContentId): Promise<void> {
  const problem = services.store.problem(content)
  if (problem?.code !== 'bad-input') return
  await services.transfers().forget(content)
  await services.store.remove(content, { deleteFiles: false })
  throw problem
}

/** Whoever is banned is not asked. Another one may come to hold it: the download waits for that, its caller does not. */
function judgeHolders(services: Services, { content, holders }: FoundContent, { sources }: Progress): void {
  const bans = services.runtime().call((node, at) => node.exchange.banned(at))
  const isBanned = (id: NodeId): boolean =>
    bans.some(ban => ban.peer === id && (ban.content === content || ban.content === 'everywhere'))
  const known = [...holders, ...sources.map(({ peer }) => peer)]
  if (known.length === 0 || !known.every(isBanned)) return
  throw new ShoalError('integrity', `all who hold ${content} are banned: they sent what is wrong`, {
    hint: '`shoal status` names them; the download goes on when another one holds it, and `shoal rm` forgets it'
  })
}

async function rm(services: Services, params: Params<'rm'>, signal: AbortSignal): Promise<ResultOf<'rm'>> {
  const content = await ownContent(services, params.id)
  if (params.yes !== true) {
    const { holders } = await holdersOf(services, content, signal)
    if (holders.length === 0) return { id: content, removed: false, lastHolder: true }
  }
  const unfinished = await unfinishedOf(services, content)
  await services.transfers().forget(content)
  const deletedFiles = await services.store.remove(content, { deleteFiles: params.deleteFiles ?? false })
  await services.indexing.settled()
  if (params.deleteFiles === true) return { id: content, removed: true, deletedFiles }
  return { id: content, removed: true, ...(unfinished === undefined ? {} : { unfinished }) }
}

/** What stays on the disk when a download is forgotten before it is complete. */
async function unfinishedOf(services: Services, content: ContentId): Promise<ResultOf<'rm'>['unfinished']> {
  const holding = services.store.holding(content)
  if (holding?.kind !== 'download' || holding.complete) return undefined
  const path = services.store.pathOf(content)
  const haveBytes = (await services.transfers().row(content))?.haveBytes ?? 0
  return path === undefined || haveBytes === 0 ? undefined : { path, bytes: haveBytes }
}
