/** share and ls. */
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { ShoalError } from '../../../base/errors.ts'
import { isId, type ContentId, type NodeId } from '../../../base/ids.ts'
import { scan } from '../../../io/share/scan.ts'
import type { Holding } from '../../../io/store/catalogue.ts'
import type { EntryRow, ResultOf, ShareRow } from '../../../wire/control/methods.ts'
import { folderPathOf, pathOf, type Manifest } from '../../../wire/bittorrent/metainfo.ts'
import type { ShareSummary } from '../../../wire/shares.ts'
import type { Call, Handlers } from '../server.ts'
import { findContent } from '../../search/find.ts'
import { nameOf } from '../../node/member-names.ts'
import type { Services } from '../services.ts'
import { shareCache } from '../../sharing/share-cache.ts'
import { damageOf } from '../../sharing/damage.ts'

/** Progress of hashing is told at most this often. */
const TELL_MS = 100
type SharedRow = ResultOf<'share'>['shares'][number]

export function shareHandlers(services: Services): Pick<Handlers, 'share' | 'ls'> {
  return {
    share: async ({ paths, unlisted }, call) => {
      if (paths.length === 0) throw new ShoalError('usage', 'share needs at least one path')
      const shares: SharedRow[] = []
      for (const one of paths) shares.push(await share(services, one, unlisted, call))
      await services.indexing.settled()
      return { shares }
    },
    ls: async ({ id, all }, { signal }) => {
      if (id !== undefined) return listing(services, id, signal)
      return { shares: all === true ? await everybodys(services, signal) : await own(services) }
    }
  }
}

async function share(
  services: Services,
  target: string,
  unlisted: boolean | undefined,
  { signal, emit }: Call<'share'>
): Promise<SharedRow> {
  if (!path.isAbsolute(target)) throw new ShoalError('usage', `share takes absolute paths, not ${target}`)
  await refuseHome(services.home().dir, target)
  const { store, leaves, db } = services
  let toldAt = 0
  const scanned = await scan(target, {
    ...{ signal, leaves, cache: shareCache(db) },
    onProgress: ({ files, bytes, bytesTotal }) => {
      if (performance.now() - toldAt < TELL_MS) return
      toldAt = performance.now()
      emit({ event: 'hashing', path: target, files, bytes, totalBytes: bytesTotal })
    }
  })
  const { manifest } = scanned
  const before = replaced(services, target, manifest.contentId)
  const wasUnlisted = before.some(old => store.isUnlisted(old.content)) ? true : undefined
  const asUnlisted = unlisted ?? wasUnlisted
  // Before anything of it can be seen.
  if (asUnlisted !== undefined) await store.setUnlisted(manifest.contentId, asUnlisted)
  // Before what it replaces goes: the store notes which contents those are, and a failure leaves them as they are.
  await store.adopt(target, scanned)
  for (const old of before) {
    await services.transfers().forget(old.content)
    await store.remove(old.content, { deleteFiles: false })
  }
  await services.transfers().offer(manifest.contentId)
  return {
    ...{ id: manifest.contentId, name: manifest.name, bytes: manifest.layout.bytes, files: manifest.files.length },
    ...{ pieceLengthBytes: manifest.layout.pieceLengthBytes },
    ...{
      filesHashed: scanned.filesHashed,
      filesReused: scanned.filesReused,
      skipped: { ...scanned.skipped, examples: [...scanned.skipped.examples] }
    },
    ...(store.isUnlisted(manifest.contentId) ? { unlisted: true } : {})
  }
}

/** Whoever fetched the home would be this node, and has the overlay's keys. */
async function refuseHome(home: string, target: string): Promise<void> {
  const real = (one: string): Promise<string> => fs.realpath(one).catch(() => one)
  const [inner, outer] = await Promise.all([real(home), real(target)])
  if (!holds(outer, inner) && !holds(inner, outer)) return
  throw new ShoalError('bad-input', `cannot share ${target}: this node's home is in it, and its keys would be shared`, {
    hint: `share folders beside ${home}, or keep the home elsewhere: shoal --home DIR`
  })
}

function holds(outer: string, inner: string): boolean {
  const below = path.relative(outer, inner)
  return below !== '..' && !below.startsWith('../')
}

/** What was shared from this path before it changed. */
function replaced({ store }: Services, target: string, content: ContentId): Holding[] {
  return store
    .holdings()
    .filter(old => old.kind === 'share' && old.content !== content && store.pathOf(old.content) === target)
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
