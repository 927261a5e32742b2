/**
 * Queries on their way: taken from neighbours, answered once, sent on to all others. 0.4: "A servent will forward incoming Ping and
 * Query descriptors to all of its directly connected servents, except the one that delivered the incoming Ping or Query."
 * and "A servent receiving a descriptor with the same Payload Descriptor and Descriptor ID as one it has received before,
 * should attempt to avoid forwarding the descriptor to any connected servent." Hits go back by the routes that this leaves.
 *
 * Deviations: a query names those whom it was sent to on its way, and nobody sends it to them again: in a small shoal, where
 * neighbours have neighbours in common, half of all copies (`tellAsked`). What such a list could hide by a lie, a TTL of 1 could
 * always. A copy with a higher TTL than those before is sent on again (see `widen` in settings.ts); a copy that a routing
 * table says finds nothing is not sent (tables.ts); each neighbour has a rate for its own queries and one for those of others, and
 * who is far over one of them is cut off.
 */
import { hex } from '../../../base/bytes.ts'
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import {
  QUERY_ASKED_MAX,
  TTL_HARD_MAX,
  type NodeTag,
  type Query,
  type QueryHit,
  type SearchResult
} from '../../../wire/gnutella/search.ts'
import type { SearchContext } from '../context.ts'
import { admit, onward } from './header.ts'
import { answer } from './hits.ts'
import type { Matches } from './matches.ts'
import type { Neighbour } from '../graph/neighbour.ts'
import type { SearchNeighbours } from '../graph/neighbours.ts'
import type { QueryRoute, Routes } from './routes.ts'
import { HITS_PER_QUERY_MAX, type SearchSettings } from '../settings.ts'
import type { Tables } from '../tables/tables.ts'
import { wantedBy, type Wanted } from '../graph/wanted.ts'

/** Of a signature: enough to tell hits apart. */
const HIT_KEY_BYTES = 16

export interface FloodParts {
  readonly context: SearchContext
  readonly neighbours: SearchNeighbours
  readonly routes: Routes
  readonly matches: Matches
  readonly tables: Tables
  /** A hit for a query of this node itself. */
  readonly arrived: (from: Neighbour, hit: QueryHit, now: Instant) => void
}

export interface Spread {
  readonly sent: number
  readonly held: readonly Neighbour[]
}

export class Flood {
  private readonly parts: FloodParts

  constructor(parts: FloodParts) {
    this.parts = parts
  }

  query(from: Neighbour, message: Query, now: Instant): void {
    const { context, routes } = this.parts
    if (!this.withinRate(from, message.hops === 0, now)) return
    const query = admit(message)
    if (query === undefined) {
      context.dropped('expired')
      return
    }
    const route = routes.queries.get(query.id, now)
    if (route === undefined) {
      this.first(from, query, now)
      return
    }
    const isOwn = route.from === undefined
    // The first copy is the fastest, not the shortest. On each way back hops only fall, so it never goes in a circle.
    if (!isOwn && query.hops < route.hops) {
      route.from = from.id
      route.hops = query.hops
    }
    if (!isOwn && reachesFurther(query, route, context.settings.widen)) {
      route.ttl = Math.max(route.ttl, query.ttl)
      route.span = Math.max(route.span, spanOf(query))
      this.again(from, query, now)
    } else context.dropped('duplicate')
  }

  /**
   * Sends a query on, or a new one out, to those where it may find something. Returns how many copies went out, and from whom one was
   * held back, having been sent as much as it takes.
   */
  spread(query: Query, wanted: Wanted, neighbours: Iterable<Neighbour>, now: Instant): Spread {
    const { context, tables } = this.parts
    const to: Neighbour[] = []
    const held: Neighbour[] = []
    for (const neighbour of neighbours) {
      const { tag, meters } = neighbour
      if (query.asked.includes(tag)) continue
      if (!tables.leads(neighbour, wanted, query.ttl)) context.counters.pruned++
      else if ((query.hops === 0 ? meters.ownOut : meters.queriesOut).spend(now)) to.push(neighbour)
      else {
        context.dropped('shaped')
        held.push(neighbour)
      }
    }
    const message = { ...query, asked: this.askedBy(to, query.asked) }
    for (const { contact } of to) context.send(contact, message)
    return { sent: to.length, held }
  }

  /** This node, those that it sends to, and those before, as far as they fit. */
  private askedBy(to: readonly Neighbour[], before: readonly NodeTag[]): readonly NodeTag[] {
    const { selfTag, settings } = this.parts.context
    if (!settings.tellAsked) return before
    return [selfTag, ...to.map(({ tag }) => tag), ...before].slice(0, QUERY_ASKED_MAX)
  }

  hit(from: Neighbour, message: QueryHit, now: Instant): void {
    const { context, routes, neighbours, arrived } = this.parts
    if (!from.meters.hits.take(now)) {
      context.dropped('rate')
      return
    }
    const hit = admit(message)
    const path = hit?.trace?.path.length ?? 0
    // Each node that a hit went through has named itself: one that has named more went further than it may.
    if (hit === undefined || path >= TTL_HARD_MAX) {
      context.dropped('expired')
      return
    }
    const route = routes.queries.get(hit.id, now)
    if (route === undefined || route.from === from.id) {
      context.dropped('no-route')
      return
    }
    if (route.hits >= HITS_PER_QUERY_MAX) {
      context.dropped('full')
      return
    }
    // Who has forgotten that a query was its own takes it as a new one, and the ways back go in a circle.
    if (this.cameBefore(hit, now)) {
      context.dropped('duplicate')
      return
    }
    route.hits++
    if (route.from === undefined) {
      arrived(from, hit, now)
      return
    }
    routes.holders.set(hit.holder.id, from.id, now)
    const next = neighbours.get(route.from)
    const outgoing = onward(hit)
    if (next === undefined) context.dropped('no-route')
    else if (outgoing === undefined) context.dropped('expired')
    else context.send(next.contact, traced(outgoing, context.self.id))
  }

  private cameBefore({ page, signature }: QueryHit, now: Instant): boolean {
    // Traced nodes without results say the same of each round.
    if (page.count === 0) return false
    const { hits } = this.parts.routes
    const key = hex(signature.subarray(0, HIT_KEY_BYTES))
    if (hits.get(key, now) !== undefined) return true
    hits.set(key, true, now)
    return false
  }

  private withinRate(from: Neighbour, isOwn: boolean, now: Instant): boolean {
    const { context, neighbours } = this.parts
    const bucket = isOwn ? from.meters.own : from.meters.queries
    if (bucket.take(now)) return true
    context.dropped('rate')
    if (bucket.debt > (isOwn ? context.settings.ownOverMax : context.settings.queriesOverMax)) {
      context.misbehaved(from.id, 'asked for far more than its rate')
      neighbours.cutOff(from.id, now)
    }
    return false
  }

  private first(from: Neighbour, query: Query, now: Instant): void {
    const { context, routes, tables, matches, neighbours } = this.parts
    const route: QueryRoute = { from: from.id, hops: query.hops, ttl: query.ttl, span: spanOf(query), hits: 0 }
    routes.queries.set(query.id, route, now)
    context.counters.queries++
    const wanted = wantedBy(query.query)
    const forwarded = this.goOn(from, query, wanted, now)
    if (!tables.mayHave(wanted)) {
      answer(context, from.contact, query, { results: [], forwarded })
      return
    }
    const matched = (results: readonly SearchResult[]): void => {
      // The asker may have gone meanwhile, and with it the way back.
      const to = route.from === undefined ? undefined : neighbours.get(route.from)
      if (to !== undefined) answer(context, to.contact, query, { results, forwarded })
    }
    if (!matches.add(from.id, { query: query.query, matched }, now)) context.dropped('busy')
  }

  /** Known here, but those behind may not have heard of it. */
  private again(from: Neighbour, query: Query, now: Instant): void {
    const { context } = this.parts
    context.counters.widened++
    const forwarded = this.goOn(from, query, wantedBy(query.query), now)
    if (forwarded > 0) answer(context, from.contact, query, { results: [], forwarded })
  }

  private goOn(from: Neighbour, query: Query, wanted: Wanted, now: Instant): number {
    const outgoing = onward(query)
    if (outgoing === undefined) return 0
    const others = [...this.parts.neighbours].filter(({ id }) => id !== from.id)
    return this.spread(outgoing, wanted, others, now).sent
  }
}

/** What it set out with: stays the same on the way. */
function spanOf({ ttl, hops }: Query): number {
  return ttl + hops
}

function reachesFurther(query: Query, route: QueryRoute, widen: SearchSettings['widen']): boolean {
  return widen === 'rounds' ? spanOf(query) > route.span : query.ttl > route.ttl
}

function traced(hit: QueryHit, self: NodeId): QueryHit {
  return hit.trace === undefined ? hit : { ...hit, trace: { ...hit.trace, path: [...hit.trace.path, self] } }
}
