/** From what a user wrote to a content and who is known to hold it; from the number of a search's result, also to a file of it. */
import { ShoalError } from '../../base/errors.ts'
import { exactGlob } from '../../io/store/files/glob.ts'
import { contentKey, isId, type ContentId, type NodeId } from '../../base/ids.ts'
import { isMagnet, parseMagnet } from '../../wire/bittorrent/magnet.ts'
import type { Services } from '../control/services.ts'

/** Fewer digits of an ID may mean anything. */
export const ID_PREFIX_DIGITS_MIN = 8
const PREFIX = /^[0-9a-f]{8,63}$/
/** For the records of the ring, which answer within their own deadline. */
const RECORDS_MS = 15_000
/** Of no more digits than SEARCH_LIMIT_MAX. */
const RESULT_NUMBER = /^[1-9][0-9]{0,3}$/

export interface FoundContent {
  readonly content: ContentId
  /** Others that hold it, as far as known. */
  readonly holders: NodeId[]
  /** The file inside it that is meant, as a pattern of `--include`. */
  readonly include?: string
}

/**
 * As findContent, or the number of a result of the last search. Throws ShoalError as well: `conflict` when both a result and a share
 * of somebody are called so, `not-found` when neither is.
 */
export async function findResult(services: Services, what: string, signal: AbortSignal): Promise<FoundContent> {
  if (!RESULT_NUMBER.test(what)) return findContent(services, what, signal)
  const result = services.searches.result(Number(what))
  const [named] = await listed(services, { name: what }, signal)
  if (result === undefined) {
    if (named !== undefined) return findContent(services, what, signal)
    const { count } = services.searches
    const had = count === 0 ? 'found nothing, or there was none' : `has results 1 to ${count}`
    throw new ShoalError('not-found', `there is no result ${what}: the last search of this node ${had}`, {
      hint: 'search first: shoal search WORDS'
    })
  }
  const { content, path } = result
  if (named !== undefined && named.content !== content) {
    const ids = `result ${what} is ${content}, the share is ${named.content}`
    throw new ShoalError('conflict', `${what} is a result of the last search, and the name of a share`, {
      hint: `give an ID: ${ids}`
    })
  }
  const found = await holdersOf(services, content, signal)
  return path === undefined ? found : { ...found, include: exactGlob(path) }
}

/**
 * A content ID, a unique prefix of one, a magnet link, or a name that one content has. Throws ShoalError: `not-found` when
 * nobody holds it, `conflict` when several contents match.
 */
export async function findContent(services: Services, what: string, signal: AbortSignal): Promise<FoundContent> {
  if (isMagnet(what)) return holdersOf(services, parseMagnet(what).contentId, signal)
  if (isId(what)) return holdersOf(services, what as ContentId, signal)
  const byName = await listed(services, { name: what }, signal)
  const found = byName.length === 0 && PREFIX.test(what) ? await startingWith(services, what, signal) : byName
  const [first, ...others] = found
  if (first === undefined) {
    throw new ShoalError('not-found', `nobody in this overlay shares ${JSON.stringify(what)}`, {
      hint: '`shoal ls --all` lists what is shared'
    })
  }
  if (others.length > 0) {
    throw new ShoalError('conflict', `${found.length} contents are called ${JSON.stringify(what)}`, {
      hint: `give the ID: ${found.map(({ content }) => content.slice(0, 12)).join(', ')}`
    })
  }
  return first
}

/** Asks the records and, beside them, the members themselves. */
export async function holdersOf(services: Services, content: ContentId, signal: AbortSignal): Promise<FoundContent> {
  const [recorded, told] = await Promise.all([
    providers(services, content, signal),
    listed(services, { content }, signal)
  ])
  const holders = [...new Set([...recorded, ...told.flatMap(one => one.holders)])]
  const here = services.store.holding(content) !== undefined
  if (holders.length === 0 && !here) {
    throw new ShoalError('not-found', `nobody in this overlay shares ${content}`, {
      hint: 'is the ID whole, and is a node that holds it running? `shoal ls --all` lists what is shared'
    })
  }
  return { content, holders }
}

async function providers(services: Services, content: ContentId, signal: AbortSignal): Promise<NodeId[]> {
  const runtime = services.runtime()
  let request: number | undefined
  const found = runtime.when({
    signal: AbortSignal.any([signal, AbortSignal.timeout(RECORDS_MS)]),
    act: () => {
      request = runtime.call((node, at) => node.records.find(contentKey(content), at))
    },
    pick: ({ room, event }) =>
      room === 'records' && event.kind === 'providers' && event.request === request ? event.providers : undefined
  })
  const all = await found.catch(() => [])
  signal.throwIfAborted()
  return all.filter(({ provider }) => provider !== runtime.self).map(({ provider }) => provider)
}

interface Filter {
  name?: string
  content?: ContentId
}

async function listed(services: Services, filter: Filter, signal: AbortSignal): Promise<FoundContent[]> {
  const asked = { name: filter.name, content: filter.content }
  const own = await services.directory().own(asked)
  const others = await services.directory().ask(services.runtime().othersAlive(), asked, signal)
  const found = new Map<ContentId, NodeId[]>(own.map(({ content }) => [content, []]))
  for (const { content, holders } of others.values()) found.set(content, holders)
  return Array.from(found, ([content, holders]) => ({ content, holders }))
}

async function startingWith(services: Services, digits: string, signal: AbortSignal): Promise<FoundContent[]> {
  return (await listed(services, {}, signal)).filter(({ content }) => content.startsWith(digits))
}

/** A share or download of this node, by ID, prefix or name. Throws ShoalError `not-found`, `conflict`. */
export async function ownContent(services: Services, what: string): Promise<ContentId> {
  const own = services.store.holdings()
  const exact = own.filter(({ content }) => content === what)
  const matching = exact.length > 0 ? exact : await called(services, what)
  const [first, ...others] = matching
  if (first === undefined) {
    throw new ShoalError('not-found', `this node has nothing called ${JSON.stringify(what)}`, {
      hint: '`shoal ls` lists what it has'
    })
  }
  if (others.length > 0)
    throw new ShoalError('conflict', `several contents are called ${JSON.stringify(what)}`, { hint: 'give the ID' })
  return first.content
}

async function called(services: Services, what: string): Promise<Array<{ content: ContentId }>> {
  const matching: Array<{ content: ContentId }> = []
  for (const { content } of services.store.holdings()) {
    const name = (await services.store.manifest(content))?.manifest.name
    if (name === what || (what.length >= ID_PREFIX_DIGITS_MIN && content.startsWith(what))) matching.push({ content })
  }
  return matching
}

/** As ownContent, or what failed: by ID, prefix or name. */
export async function ownOrFailed(services: Services, what: string): Promise<ContentId> {
  const isPrefix = what.length >= ID_PREFIX_DIGITS_MIN
  const failed = services.downloads
    .failures()
    .filter(([content, { name }]) => name === what || content === what || (isPrefix && content.startsWith(what)))
  const [only, ...others] = failed
  try {
    return await ownContent(services, what)
  } catch (error) {
    const isNotFound = error instanceof ShoalError && error.code === 'not-found'
    if (!isNotFound || only === undefined) throw error
    if (others.length === 0) return only[0]
    throw new ShoalError('conflict', `several downloads called ${JSON.stringify(what)} failed`, { hint: 'give the ID' })
  }
}
