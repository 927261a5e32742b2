/**
 * This node's own searches. Each asks the node's own index first, then neighbours as its strategy decides
 * (strategy.ts). It ends when it has enough results, when the strategy has no neighbour left to ask, at its timeout, or
 * when it is cancelled. `ended` is emitted exactly once, as the last event.
 *
 * All rounds of a search have one descriptor id, so a node answers only the first round that reaches it.
 */
import { after, earliest, type Instant } from '../../base/time.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import {
  resultsOf,
  type DescriptorId,
  type Query,
  type QueryHit,
  type SearchQuery,
  type SearchResult
} from '../../wire/gnutella/search.ts'
import type { SearchContext } from './context.ts'
import type { SearchId, SearchOptions, SearchReport } from './contract.ts'
import { DynamicStrategy } from './dynamic.ts'
import type { Flood } from './flood/flood.ts'
import { isGenuine } from './flood/hits.ts'
import type { Matches } from './flood/matches.ts'
import type { Neighbour } from './graph/neighbour.ts'
import type { SearchNeighbours } from './graph/neighbours.ts'
import type { Routes } from './flood/routes.ts'
import {
  FIRST_NEIGHBOUR_MS,
  FIRST_NEIGHBOUR_STEP_MS,
  OWN_MS,
  RESULTS_MAX,
  SEARCHES_MAX,
  SEARCH_TIMEOUT_MS_MAX,
  SILENCE_MS
} from './settings.ts'
import { FloodStrategy, type Field, type Strategy } from './strategy.ts'
import type { Tables } from './tables/tables.ts'
import { wantedBy, type Wanted } from './graph/wanted.ts'

interface Ongoing {
  readonly search: SearchId
  readonly descriptor: DescriptorId
  readonly query: SearchQuery
  readonly wanted: Wanted
  readonly options: SearchOptions
  readonly startedAt: Instant
  readonly deadline: Instant
  readonly strategy: Strategy
  /** Time of the next step of the strategy; undefined when the strategy is exhausted. */
  stepAt: Instant | undefined
  /** `own` until the first step of the strategy: the own index may have enough results. */
  round: 'own' | 'others'
  /** State of the query to the own index. */
  own: 'asked' | 'answered'
  /** Holder, content and path of each reported result. */
  readonly reported: Set<string>
  readonly nodes: Set<NodeId>
  messages: number
  /** Whether it has waited SILENCE_MS for slow nodes. */
  waited: boolean
  readonly audience: Audience
}

/** Who receives the results of a search: the owner of the machine, by events, or another part of the machine. */
type Audience = { readonly kind: 'owner' } | ({ readonly kind: 'part' } & Seeker)

/** A part of the machine that looks for holders of a content. */
export interface Seeker {
  /** Called for each hit. True ends the search. */
  readonly found: (holder: NodeId, now: Instant) => boolean
  readonly ended: () => void
}

export interface SearchesParts {
  readonly context: SearchContext
  readonly neighbours: SearchNeighbours
  readonly routes: Routes
  readonly matches: Matches
  readonly flood: Flood
  readonly tables: Tables
}

export class Searches {
  private readonly parts: SearchesParts
  private readonly ongoing = new Map<SearchId, Ongoing>()
  private readonly byDescriptor = new Map<DescriptorId, Ongoing>()
  private nextSearch = 1

  constructor(parts: SearchesParts) {
    this.parts = parts
  }

  get size(): number {
    return this.ongoing.size
  }

  /** A search beyond SEARCHES_MAX ends at once as `cancelled`. */
  start(query: SearchQuery, options: SearchOptions, now: Instant): SearchId {
    return this.begin(query, options, { kind: 'owner' }, now)
  }

  /** Looks for holders of a content, except this node, for another part of the machine. */
  seek(content: ContentId, seeker: Seeker, now: Instant): void {
    const query = { text: '', content, filter: { type: undefined, minBytes: undefined, maxBytes: undefined } }
    const options = { limit: RESULTS_MAX, timeoutMs: this.parts.context.settings.pushMs, trace: false }
    this.begin(query, options, { kind: 'part', ...seeker }, now)
  }

  private begin(query: SearchQuery, options: SearchOptions, audience: Audience, now: Instant): SearchId {
    const { context, routes, matches, tables } = this.parts
    const search = this.nextSearch++ as SearchId
    const timeoutMs = Math.min(options.timeoutMs, SEARCH_TIMEOUT_MS_MAX)
    const one: Ongoing = {
      search,
      descriptor: context.newId(),
      query,
      wanted: wantedBy(query),
      options: { ...options, limit: Math.min(options.limit, RESULTS_MAX) },
      startedAt: now,
      deadline: after(now, timeoutMs),
      strategy: this.newStrategy(),
      stepAt: after(now, OWN_MS),
      round: 'own',
      own: 'asked',
      reported: new Set(),
      nodes: new Set(),
      messages: 0,
      waited: false,
      audience
    }
    this.ongoing.set(search, one)
    this.byDescriptor.set(one.descriptor, one)
    if (this.ongoing.size > SEARCHES_MAX) {
      this.end(one, 'cancelled', now)
      return search
    }
    routes.queries.set(
      one.descriptor,
      { from: undefined, hops: 0, ttl: context.settings.ttl, span: context.settings.ttl, hits: 0 },
      now
    )
    const matched = (results: readonly SearchResult[], at: Instant): void => {
      this.ownAnswer(one, results, at)
    }
    if (!tables.mayHave(one.wanted)) matched([], now)
    else if (!matches.add(context.self.id, { query, matched }, now)) {
      context.dropped('busy')
      matched([], now)
    }
    return search
  }

  cancel(search: SearchId, now: Instant): void {
    const one = this.ongoing.get(search)
    if (one !== undefined) this.end(one, 'cancelled', now)
  }

  /** A hit for a query of this node arrived. */
  arrived(from: Neighbour, hit: QueryHit, now: Instant): void {
    const { context, routes } = this.parts
    const one = this.byDescriptor.get(hit.id)
    if (one === undefined) {
      context.dropped('late')
      return
    }
    const reached = hit.trace !== undefined && one.options.trace
    // A hit without new results is not worth the verification of its signature.
    const results = resultsOf(hit.page)
    if (!reached && results?.every(result => one.reported.has(nameOf(hit.holder.id, result))) === true) {
      context.dropped('duplicate')
      return
    }
    if (hit.holder.id === context.self.id || !isGenuine(context, hit)) {
      context.dropped('forged')
      context.misbehaved(from.id, 'forwarded a hit without a valid signature of its holder')
      return
    }
    if (results === undefined) {
      context.dropped('unreadable')
      return
    }
    routes.holders.set(hit.holder.id, from.id, now)
    const hops = hit.hops + 1
    if (reached) this.reached(one, hit, hops)
    this.report(one, { holder: hit.holder, hops, results, path: hit.trace?.path }, now)
  }

  wake(now: Instant): void {
    for (const one of this.ongoing.values()) {
      if (one.deadline <= now) this.end(one, 'timeout', now)
      else if (one.stepAt !== undefined && one.stepAt <= now) this.step(one, now)
    }
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const { deadline, stepAt } of this.ongoing.values()) next = earliest(next, deadline, stepAt)
    return next
  }

  private newStrategy(): Strategy {
    const { settings } = this.parts.context
    return settings.mode === 'flood' ? new FloodStrategy(settings.ttl) : new DynamicStrategy(settings)
  }

  private step(one: Ongoing, now: Instant): void {
    const { neighbours } = this.parts
    const isJoining = neighbours.size === 0 && neighbours.memberSet.size > 0
    if (isJoining && now < after(one.startedAt, FIRST_NEIGHBOUR_MS)) {
      one.stepAt = after(now, FIRST_NEIGHBOUR_STEP_MS)
      return
    }
    one.round = 'others'
    const step = one.strategy.next(this.field(one, now))
    one.stepAt = step.kind === 'wait' ? after(now, step.ms) : this.patience(one, now)
    this.endWhenExhausted(one, now)
  }

  /**
   * The next step after the strategy is exhausted: when the query was sent and there are no results, the search waits
   * SILENCE_MS, once. A node that the tables select and that does not answer is more often busy than without a match.
   */
  private patience(one: Ongoing, now: Instant): Instant | undefined {
    if (one.reported.size > 0 || one.waited || one.messages === 0) return undefined
    one.waited = true
    return after(now, SILENCE_MS)
  }

  private endWhenExhausted(one: Ongoing, now: Instant): void {
    if (one.stepAt === undefined && one.own === 'answered') this.end(one, 'exhausted', now)
  }

  private field(one: Ongoing, now: Instant): Field {
    const { context, neighbours, flood, tables } = this.parts
    const { query, options, descriptor, wanted } = one
    const all = [...neighbours]
    return {
      results: one.reported.size,
      limit: options.limit,
      members: neighbours.memberSet.size + 1,
      neighbours: context.random.shuffle(all),
      hopMs: this.hopMs(all),
      leads: (neighbour, ttl) => tables.leads(neighbour, wanted, ttl),
      ask: (some, ttl) => {
        const message: Query = { kind: 'query', id: descriptor, ttl, hops: 0, query, trace: options.trace, asked: [] }
        const spread = flood.spread(message, wanted, some, now)
        one.messages += spread.sent
        return spread
      }
    }
  }

  /** Estimate of the time for one hop: the average round trip to the neighbours, with some room, within bounds. */
  private hopMs(neighbours: readonly Neighbour[]): number {
    const { hopMsMin, hopMsMax } = this.parts.context.settings
    const sum = neighbours.reduce((total, { roundTripMs }) => total + (roundTripMs ?? hopMsMax), 0)
    return Math.min(hopMsMax, hopMsMin + (1.25 * sum) / Math.max(1, neighbours.length))
  }

  private ownAnswer(one: Ongoing, results: readonly SearchResult[], now: Instant): void {
    if (this.ongoing.get(one.search) !== one) return
    one.own = 'answered'
    if (one.round === 'own') one.stepAt = now
    this.report(one, { holder: this.parts.context.self, hops: 0, results, path: undefined }, now)
    if (this.ongoing.has(one.search)) this.endWhenExhausted(one, now)
  }

  private reached(one: Ongoing, hit: QueryHit, hops: number): void {
    const { forwarded, path } = hit.trace ?? { forwarded: 0, path: [] }
    one.messages += forwarded
    if (one.nodes.has(hit.holder.id)) return
    one.nodes.add(hit.holder.id)
    const node = hit.holder.id
    this.parts.context.outbox.emit({ kind: 'reached', search: one.search, node, hops, forwarded, path })
  }

  private report(
    one: Ongoing,
    hit: {
      holder: Contact
      hops: number
      results: readonly SearchResult[]
      path: readonly NodeId[] | undefined
    },
    now: Instant
  ): void {
    const fresh = hit.results.filter(result => {
      const name = nameOf(hit.holder.id, result)
      if (one.reported.has(name) || one.reported.size >= RESULTS_MAX) return false
      one.reported.add(name)
      return true
    })
    if (fresh.length === 0) return
    if (one.audience.kind === 'owner')
      this.parts.context.outbox.emit({ kind: 'hit', search: one.search, hit: { ...hit, results: fresh } })
    else if (hit.hops > 0 && one.audience.found(hit.holder.id, now)) {
      this.end(one, 'limit', now)
      return
    }
    if (one.reported.size >= one.options.limit) this.end(one, 'limit', now)
  }

  private end(one: Ongoing, ended: SearchReport['ended'], now: Instant): void {
    this.ongoing.delete(one.search)
    this.byDescriptor.delete(one.descriptor)
    if (one.audience.kind === 'part') {
      one.audience.ended()
      return
    }
    const report: SearchReport = {
      ended,
      messages: one.messages,
      nodes: one.nodes.size,
      results: one.reported.size,
      elapsedMs: now - one.startedAt
    }
    this.parts.context.outbox.emit({ kind: 'ended', search: one.search, report })
  }
}

function nameOf(holder: NodeId, { content, path }: SearchResult): string {
  return `${holder}/${content}/${path ?? ''}`
}
