/**
 * The flood: queries are received from neighbours, answered once, and forwarded to all other neighbours. 0.4: "A
 * servent will forward incoming Ping and Query descriptors to all of its directly connected servents, except the one
 * that delivered the incoming Ping or Query." and "A servent receiving a descriptor with the same Payload Descriptor
 * and Descriptor ID as one it has received before, should attempt to avoid forwarding the descriptor to any connected
 * servent." Hits return by the reverse path.
 *
 * Deviations:
 *   - A query names the nodes that it was sent to, and others do not send it to these (`tellAsked`). In a small
 *     overlay, where neighbours have neighbours in common, this saves half of all copies. A node that lies in the list
 *     hides a query from some nodes, which it could always do with a TTL of 1.
 *   - A copy that reaches further than those before is forwarded again (see `widen` in settings.ts).
 *   - A copy is not sent where the tables exclude a match (tables.ts).
 *   - Each neighbour has a rate for its own queries and one for those it forwards. A neighbour far over one is cut off.
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

/** Bytes of a signature that identify a hit. */
const HIT_KEY_BYTES = 16

export interface FloodParts {
  readonly context: SearchContext
  readonly neighbours: SearchNeighbours
  readonly routes: Routes
  readonly matches: Matches
  readonly tables: Tables
  /** Called with each hit for a query of this node. */
  readonly arrived: (from: Neighbour, hit: QueryHit, now: Instant) => void
}

export interface Spread {
  /** Copies sent. */
  readonly sent: number
  /** Neighbours that were sent no copy because their rate is used up. */
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
    // The first copy took the fastest path, not the shortest. Hops only fall along a reverse path, so it has no cycle.
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
   * Sends a query to those of the neighbours that it does not name, for which the tables allow a match and whose rate
   * permits it.
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

  /** The list for a query: this node, the receivers, and the nodes named before, as far as they fit. */
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
    // Each node on the path of a traced hit adds itself, so a longer list means that the hit went too far.
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
    // A node that has forgotten its own query takes a copy as a new query. Then the reverse paths form a cycle.
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
    // Empty hits of traced nodes are equal in each round.
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
      context.misbehaved(from.id, 'sent queries far beyond its rate')
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
      // The neighbour that asked may have left in the meantime, and with it the reverse path.
      const to = route.from === undefined ? undefined : neighbours.get(route.from)
      if (to !== undefined) answer(context, to.contact, query, { results, forwarded })
    }
    if (!matches.add(from.id, { query: query.query, matched }, now)) context.dropped('busy')
  }

  /** Forwards a known query again, because nodes further on may not have received it. */
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

/** The TTL that the query started with: the sum does not change on the path. */
function spanOf({ ttl, hops }: Query): number {
  return ttl + hops
}

function reachesFurther(query: Query, route: QueryRoute, widen: SearchSettings['widen']): boolean {
  return widen === 'rounds' ? spanOf(query) > route.span : query.ttl > route.ttl
}

function traced(hit: QueryHit, self: NodeId): QueryHit {
  return hit.trace === undefined ? hit : { ...hit, trace: { ...hit.trace, path: [...hit.trace.path, self] } }
}
