/** search: a query of the node's owner, and what came of it. */
import { utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { peerIdText, type NodeId } from '../../base/ids.ts'
import { KINDS, typeOf } from '../../base/kinds.ts'
import { queryWordsOf } from '../../base/words.ts'
import type { Hit, SearchEvent, SearchOptions, SearchReport } from '../../core/search/contract.ts'
import {
  HIT_HOLDERS_MAX,
  SEARCH_LIMIT_MAX,
  SEARCH_TIMEOUT_MS_MAX,
  type HitRow,
  type Params,
  type ReachedRow,
  type SearchAnswer
} from '../../wire/control.ts'
import { QUERY_TEXT_BYTES_MAX, type SearchQuery } from '../../wire/search.ts'
import type { Call, Handlers } from '../control/server.ts'
import { nameOf } from '../people.ts'
import type { Runtime } from '../runtime.ts'
import type { Found, Findings } from '../searches.ts'
import type { Services } from '../services.ts'

const LIMIT_DEFAULT = 100
const TIMEOUT_MS_DEFAULT = 5_000
/** The machine ends a search by itself; an overlay that is left meanwhile does not. */
const GRACE_MS = 1_000
/** Nodes of one trace that are kept. */
const TRACED_MAX = 2_000

export function searchHandlers(services: Services): Pick<Handlers, 'search'> {
  return {
    search: async (params, call) => {
      const query = queryOf(params)
      return new LiveSearch(services, params, call).run(query)
    }
  }
}

/** Throws ShoalError `usage` that says why. */
function queryOf({ text, type, minBytes, maxBytes }: Params<'search'>): SearchQuery {
  const bytes = utf8(text).length
  if (bytes > QUERY_TEXT_BYTES_MAX) {
    throw new ShoalError('usage', `a search has at most ${QUERY_TEXT_BYTES_MAX} bytes of text, and this has ${bytes}`, {
      hint: 'search for fewer words'
    })
  }
  if (queryWordsOf(text).length === 0) {
    throw new ShoalError('usage', `there is no word in ${JSON.stringify(text)}`, {
      hint: 'a word is letters or digits: shoal search holiday 2024'
    })
  }
  const filterType = type === undefined ? undefined : typeOf(type)
  if (type !== undefined && filterType === undefined) {
    throw new ShoalError('usage', `${JSON.stringify(type)} is no type of file`, {
      hint: `give ${KINDS.join(', ')}, or an extension: --type pdf`
    })
  }
  for (const size of [minBytes, maxBytes]) {
    if (size !== undefined && !Number.isSafeInteger(size)) throw new ShoalError('usage', 'a size is whole bytes')
  }
  if (minBytes !== undefined && maxBytes !== undefined && minBytes > maxBytes) {
    throw new ShoalError('usage', `nothing has at least ${minBytes} and at most ${maxBytes} bytes`)
  }
  return { text, content: undefined, filter: { type: filterType, minBytes, maxBytes } }
}

/** Throws ShoalError `usage`. */
function optionsOf(params: Params<'search'>): SearchOptions {
  const { limit = LIMIT_DEFAULT, timeoutMs = TIMEOUT_MS_DEFAULT, trace = false } = params
  if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_LIMIT_MAX) {
    throw new ShoalError('usage', `a search takes 1 to ${SEARCH_LIMIT_MAX} results, not ${limit}`)
  }
  if (timeoutMs <= 0 || timeoutMs > SEARCH_TIMEOUT_MS_MAX) {
    throw new ShoalError('usage', `a search takes at most ${SEARCH_TIMEOUT_MS_MAX / 1_000} s`)
  }
  return { limit, timeoutMs, trace }
}

interface Traced {
  hops: number
  forwarded: number
  path: readonly NodeId[]
  readonly results: Set<Found>
}

class LiveSearch {
  private readonly services: Services
  private readonly runtime: Runtime
  private readonly call: Call
  private readonly options: SearchOptions
  private readonly tellMs: number | undefined
  private readonly findings: Findings
  private readonly traced = new Map<NodeId, Traced>()
  private readonly answered = new Set<NodeId>()
  private readonly ended = Promise.withResolvers<SearchReport | undefined>()
  private telling: NodeJS.Timeout | undefined

  constructor(services: Services, params: Params<'search'>, call: Call) {
    this.services = services
    this.runtime = services.runtime()
    this.call = call
    this.options = optionsOf(params)
    this.tellMs = params.tellMs
    this.findings = services.searches.begin(queryWordsOf(params.text), this.options.limit)
  }

  /** Throws ShoalError `interrupted` when the caller hung up; the search has ended then. */
  async run(query: SearchQuery): Promise<SearchAnswer> {
    const { signal } = this.call
    const { runtime, options } = this
    const startedMs = performance.now()
    // What comes while the machine is called belongs to a search whose number is not known yet.
    let early: SearchEvent[] | undefined = []
    let id: number | undefined
    const unwatch = runtime.watch(({ room, event }) => {
      if (room !== 'search') return
      if (early === undefined) this.hear(id, event)
      else early.push(event)
    })
    const late = setTimeout(() => {
      this.ended.resolve(undefined)
    }, options.timeoutMs + GRACE_MS)
    const hungUp = (): void => {
      this.ended.resolve(undefined)
    }
    signal.addEventListener('abort', hungUp)
    try {
      signal.throwIfAborted()
      const search = runtime.call((node, at) => node.search.search(query, options, at))
      id = search
      const before = early
      early = undefined
      for (const event of before) this.hear(id, event)
      const report = await this.ended.promise
      // Nothing happens when it has ended.
      runtime.call((node, at) => {
        node.search.cancel(search, at)
      })
      if (signal.aborted) throw new ShoalError('interrupted', 'the caller hung up: the search is over')
      return await this.answer(report, performance.now() - startedMs)
    } finally {
      signal.removeEventListener('abort', hungUp)
      clearTimeout(late)
      clearTimeout(this.telling)
      unwatch()
    }
  }

  private hear(id: number | undefined, event: SearchEvent): void {
    switch (event.kind) {
      case 'hit':
        if (event.search === id) this.onHit(event.hit)
        return
      case 'reached': {
        if (event.search !== id) return
        const { node, hops, path, forwarded } = event
        const traced = this.trace(node, { hops, path })
        if (traced !== undefined) traced.forwarded = forwarded
        return
      }
      case 'ended':
        if (event.search === id) this.ended.resolve(event.report)
        return
      case 'push':
      case 'neighbours':
      case 'misbehaved':
    }
  }

  private onHit(hit: Hit): void {
    const found = this.findings.add(hit)
    if (hit.results.length > 0) this.answered.add(hit.holder.id)
    if (this.options.trace) {
      const traced = this.trace(hit.holder.id, { hops: hit.hops, path: hit.path ?? [] })
      for (const one of found) traced?.results.add(one)
    }
    if (this.tellMs === 0) this.tell()
    else if (this.tellMs !== undefined) {
      this.telling ??= setTimeout(() => {
        this.telling = undefined
        this.tell()
      }, this.tellMs)
    }
  }

  private trace(node: NodeId, { hops, path }: Pick<Traced, 'hops' | 'path'>): Traced | undefined {
    let traced = this.traced.get(node)
    if (traced === undefined) {
      if (this.traced.size >= TRACED_MAX) return undefined
      traced = { hops, path, forwarded: 0, results: new Set() }
      this.traced.set(node, traced)
    } else if (hops < traced.hops) {
      Object.assign(traced, { hops, path })
    }
    return traced
  }

  private tell(): void {
    const fresh = this.findings.fresh()
    if (fresh.length === 0) return
    for (const found of fresh) this.call.emit({ event: 'hit', ...this.row(found) })
    void this.services.searches.keep(this.findings, { isLast: false })
  }

  private async answer(report: SearchReport | undefined, elapsedMs: number): Promise<SearchAnswer> {
    if (this.tellMs === undefined) this.findings.fresh()
    else this.tell()
    await this.services.searches.keep(this.findings, { isLast: true })
    const results = this.findings.ranked().map(found => this.row(found))
    return {
      ...{ event: 'done', hits: results.length, results, ended: report?.ended ?? 'timeout' },
      ...{ answered: this.answered.size, messages: report?.messages ?? 0, elapsedMs: Math.round(elapsedMs) },
      ...(this.options.trace ? { reached: this.reached() } : {})
    }
  }

  private row(found: Found): HitRow {
    const { content, name, path, bytes } = found.told
    const holding = this.services.store.holding(content)
    const here = holding === undefined ? undefined : holding.complete ? 'complete' : 'partial'
    return {
      ...{ number: found.number ?? 0, id: content, name },
      ...(path === undefined ? {} : { path }),
      ...{ bytes, holders: found.nearest.slice(0, HIT_HOLDERS_MAX).map(id => this.nameOf(id)) },
      ...{ holderCount: found.holders.size, hops: found.hops },
      ...(here === undefined ? {} : { here })
    }
  }

  private reached(): ReachedRow[] {
    const rows = Array.from(this.traced, ([node, { hops, forwarded, path, results }]) => ({
      ...{ id: peerIdText(node), name: this.nameOf(node), hops, forwarded },
      results: [...results].flatMap(({ number }) => number ?? []).toSorted((a, b) => a - b),
      path: path.toReversed().map(peerIdText)
    }))
    return rows.toSorted((a, b) => a.hops - b.hops || (a.name < b.name ? -1 : 1))
  }

  private nameOf(id: NodeId): string {
    return nameOf(id, this.runtime.view.membership.member(id))
  }
}
