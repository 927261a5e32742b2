/**
 * One search of this node's owner while it runs: the machine's events become results, which are told to the caller as they come, and
 * in the end the ranked list. A caller that hangs up ends the search.
 */
import { ShoalError } from '../../base/errors.ts'
import { peerIdText, type NodeId } from '../../base/ids.ts'
import { queryWordsOf } from '../../wire/gnutella/words.ts'
import type { Hit, SearchEvent, SearchId, SearchOptions, SearchReport } from '../../core/search/contract.ts'
import { HIT_HOLDERS_MAX, type HitRow, type ReachedRow, type SearchAnswer } from '../../wire/control/methods.ts'
import type { SearchQuery } from '../../wire/gnutella/search.ts'
import type { Call } from '../control/server.ts'
import { StoppingError } from '../life.ts'
import { nameOf } from '../node/member-names.ts'
import { logFailure } from '../process/background.ts'
import type { Runtime } from '../node/runtime.ts'
import type { FoundItem, Findings } from './searches.ts'
import type { Services } from '../control/services.ts'

const GRACE_MS = 1_000
/** Nodes of one trace that are kept. */
const TRACED_MAX = 2_000

interface Traced {
  hops: number
  forwarded: number
  path: readonly NodeId[]
  readonly results: Set<FoundItem>
}

export interface SearchOrder {
  readonly query: SearchQuery
  readonly options: SearchOptions
  /** As in the control API. */
  readonly tellMs: number | undefined
}

export class LiveSearch {
  private readonly services: Services
  private readonly runtime: Runtime
  private readonly order: SearchOrder
  private readonly call: Call<'search'>
  private readonly findings: Findings
  private readonly traced = new Map<NodeId, Traced>()
  private readonly answered = new Set<NodeId>()
  private readonly ended = Promise.withResolvers<SearchReport | undefined>()
  private readonly others: number
  private readonly startedMs = performance.now()
  private telling: NodeJS.Timeout | undefined

  /** The numbers of the last search mean nothing from now on. */
  constructor(services: Services, order: SearchOrder, call: Call<'search'>) {
    this.services = services
    this.runtime = services.runtime()
    this.order = order
    this.call = call
    this.others = this.runtime.othersAlive().length
    this.findings = services.searches.begin(queryWordsOf(order.query.text), order.options.limit)
  }

  /** Throws ShoalError: `interrupted` when the caller hung up, and the search is over; `busy` when there are too many. */
  async run(): Promise<SearchAnswer> {
    const { call, order, services, findings } = this
    const giveUp = (): void => {
      this.ended.resolve(undefined)
    }
    // The machine ends in time by itself; the machine of an overlay that is left meanwhile does not.
    const late = setTimeout(giveUp, order.options.timeoutMs + GRACE_MS)
    call.signal.addEventListener('abort', giveUp)
    if (call.signal.aborted) giveUp()
    try {
      const report = await this.asked()
      if (call.signal.aborted) {
        // What was told keeps its number.
        await services.searches.keep(findings, { isLast: true })
        const who = call.signal.reason instanceof StoppingError ? 'the daemon is stopping' : 'the caller hung up'
        throw new ShoalError('interrupted', `${who}: the search is over`)
      }
      if (report?.ended === 'cancelled') {
        throw new ShoalError('busy', 'this node has too many searches under way', { hint: 'try again in a moment' })
      }
      return await this.answer(report)
    } finally {
      call.signal.removeEventListener('abort', giveUp)
      clearTimeout(late)
      clearTimeout(this.telling)
    }
  }

  /** How it ended; undefined when it was given up, and is cancelled. */
  private async asked(): Promise<SearchReport | undefined> {
    const { runtime } = this
    const { query, options } = this.order
    // What comes while the machine is called belongs to a search whose number is not known yet.
    let early: SearchEvent[] | undefined = []
    let id: SearchId | undefined
    const unwatch = runtime.watch(({ room, event }) => {
      if (room !== 'search') return
      if (early === undefined) this.hear(id, event)
      else early.push(event)
    })
    try {
      const search = runtime.call((node, at) => node.search.search(query, options, at))
      id = search
      const before = early
      early = undefined
      for (const event of before) this.hear(id, event)
      const report = await this.ended.promise
      if (report === undefined) {
        runtime.hint(undefined, (node, at) => {
          node.search.cancel(search, at)
        })
      }
      return report
    } finally {
      unwatch()
    }
  }

  private hear(id: SearchId | undefined, event: SearchEvent): void {
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
    if (this.order.options.trace) {
      const traced = this.trace(hit.holder.id, { hops: hit.hops, path: hit.path ?? [] })
      for (const one of found) traced?.results.add(one)
    }
    const { tellMs } = this.order
    if (tellMs === 0) this.tell()
    else if (tellMs !== undefined) {
      this.telling ??= setTimeout(() => {
        this.telling = undefined
        this.tell()
      }, tellMs)
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
    logFailure(
      this.services.searches.keep(this.findings, { isLast: false }),
      'to keep search results',
      this.services.log
    )
  }

  private async answer(report: SearchReport | undefined): Promise<SearchAnswer> {
    const elapsedMs = performance.now() - this.startedMs
    if (this.order.tellMs === undefined) this.findings.fresh()
    else this.tell()
    await this.services.searches.keep(this.findings, { isLast: true })
    const results = this.findings.ranked().map(found => this.row(found))
    return {
      ...{ event: 'done', hits: results.length, results, ended: report?.ended ?? 'timeout' },
      ...{
        answered: this.answered.size,
        others: this.others,
        messages: report?.messages ?? 0,
        elapsedMs: Math.round(elapsedMs)
      },
      ...(this.order.options.trace ? { reached: this.reached() } : {})
    }
  }

  private row(found: FoundItem): HitRow {
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
