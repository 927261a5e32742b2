/**
 * Pings and pongs. The membership knows the members, so pongs serve only for measurements: the round trip to a
 * neighbour, and the number of nodes and files within reach. Every neighbour is pinged periodically. Most pings are for
 * the neighbour alone (TTL 1), some for all nodes within the TTL.
 *
 * A ping for all is answered from a cache, as in the simple pong caching scheme of 0.6: one pong for each neighbour and
 * distance, used for 3 s, at most ten for a ping. Without the cache it floods as in 0.4, and every node within the TTL
 * answers it.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import { PONG_COUNT_MAX, TTL_HARD_MAX, type Ping, type Pong } from '../../../wire/gnutella/search.ts'
import type { SearchContext } from '../context.ts'
import { admit, onward } from '../flood/header.ts'
import type { Neighbour } from './neighbour.ts'
import type { SearchNeighbours } from './neighbours.ts'
import type { Routes } from '../flood/routes.ts'
import { HITS_PER_QUERY_MAX, PONGS_PER_PING_MAX, REACH_MAX, REACH_MS } from '../settings.ts'

interface Heard {
  readonly pong: Pong
  readonly at: Instant
}

/** Totals over this node and the nodes known from pongs. */
export interface Reach {
  readonly nodes: number
  readonly files: number
  readonly kilobytes: number
}

export class Pings {
  private readonly context: SearchContext
  private readonly neighbours: SearchNeighbours
  private readonly routes: Routes
  /** By neighbour, then by hops: at most degreeMax x TTL_HARD_MAX pongs. */
  private readonly cache = new Map<NodeId, Map<number, Heard>>()
  private readonly inReach = new LruMap<NodeId, Heard>(REACH_MAX)
  private own = { files: 0, kilobytes: 0 }
  private round = 0
  private roundAt: Instant | undefined

  constructor(context: SearchContext, neighbours: SearchNeighbours, routes: Routes) {
    this.context = context
    this.neighbours = neighbours
    this.routes = routes
  }

  shares(files: number, bytes: number): void {
    const kilobytes = Math.ceil(bytes / 1_024)
    this.own = { files: Math.min(files, PONG_COUNT_MAX), kilobytes: Math.min(kilobytes, PONG_COUNT_MAX) }
  }

  reach(now: Instant): Reach {
    let { files, kilobytes } = this.own
    let nodes = 1
    for (const { pong, at } of this.inReach.values()) {
      if (after(at, REACH_MS) < now) continue
      nodes++
      files += pong.files
      kilobytes += pong.kilobytes
    }
    return { nodes, files, kilobytes }
  }

  linked(neighbour: Neighbour, now: Instant): void {
    this.send([neighbour], 1, now)
    this.roundAt ??= after(now, this.context.random.jitter(this.context.settings.pingMs))
  }

  unlinked(id: NodeId): void {
    this.cache.delete(id)
    if (this.neighbours.size === 0) this.roundAt = undefined
  }

  ping(from: Neighbour, message: Ping, now: Instant): void {
    const { context, routes } = this
    if (!from.meters.pings.take(now)) {
      context.dropped('rate')
      return
    }
    const ping = admit(message)
    if (ping === undefined) {
      context.dropped('expired')
      return
    }
    if (routes.pings.get(ping.id, now) !== undefined) {
      context.dropped('duplicate')
      return
    }
    routes.pings.set(ping.id, { from: from.id, sentAt: now, pongs: 0 }, now)
    const header = { id: ping.id, ttl: ping.hops + 1, hops: 0 }
    context.send(from.contact, { kind: 'pong', ...header, peer: context.self, ...this.own })
    if (context.settings.pongCache) this.answerFromCache(from, ping, now)
    else this.sendOn(from, ping, now)
  }

  pong(from: Neighbour, message: Pong, now: Instant): void {
    const { context, routes } = this
    const pong = admit(message)
    if (pong === undefined) {
      context.dropped('expired')
      return
    }
    const route = routes.pings.get(pong.id, now)
    if (route === undefined || route.from === from.id || route.pongs >= HITS_PER_QUERY_MAX) {
      context.dropped(route === undefined ? 'no-route' : 'full')
      return
    }
    route.pongs++
    if (route.from === undefined) this.learn(from, pong, route.sentAt, now)
    else {
      const next = this.neighbours.get(route.from)
      const outgoing = onward(pong)
      if (next !== undefined && outgoing !== undefined) context.send(next.contact, outgoing)
      else context.dropped(next === undefined ? 'no-route' : 'expired')
    }
  }

  wake(now: Instant): void {
    if (this.roundAt === undefined || this.roundAt > now) return
    const { pingMs, wideEvery, ttl } = this.context.settings
    this.roundAt = after(now, this.context.random.jitter(pingMs))
    this.round++
    this.routes.turn(now)
    this.send([...this.neighbours], this.round % wideEvery === 0 ? ttl : 1, now)
  }

  nextWake(): Instant | undefined {
    return this.roundAt
  }

  private send(to: readonly Neighbour[], ttl: number, now: Instant): void {
    const ping: Ping = { kind: 'ping', id: this.context.newId(), ttl, hops: 0 }
    this.routes.pings.set(ping.id, { from: undefined, sentAt: now, pongs: 0 }, now)
    for (const { contact } of to) this.context.send(contact, ping)
  }

  private learn(from: Neighbour, pong: Pong, sentAt: Instant, now: Instant): void {
    if (pong.peer.id === this.context.self.id) return
    if (pong.hops === 0 && pong.peer.id === from.id) {
      const sample = now - sentAt
      // Smoothing factor of RFC 6298: 1/8.
      from.roundTripMs = from.roundTripMs === undefined ? sample : from.roundTripMs + (sample - from.roundTripMs) / 8
    }
    this.inReach.set(pong.peer.id, { pong, at: now })
    let byHops = this.cache.get(from.id)
    if (byHops === undefined) this.cache.set(from.id, (byHops = new Map<number, Heard>()))
    byHops.set(pong.hops, { pong, at: now })
  }

  private answerFromCache(to: Neighbour, { id, ttl, hops }: Ping, now: Instant): void {
    const known: Pong[] = []
    for (const [neighbour, byHops] of this.cache) {
      if (neighbour === to.id) continue
      for (const { pong, at } of byHops.values()) {
        const isFresh = after(at, this.context.settings.pongFreshMs) >= now
        const isWithin = pong.hops + 1 < ttl && pong.hops + 1 + hops + 1 <= TTL_HARD_MAX
        if (isFresh && isWithin && pong.peer.id !== to.id) known.push(pong)
      }
    }
    for (const pong of this.context.random.sample(known, PONGS_PER_PING_MAX))
      this.context.send(to.contact, { ...pong, id, ttl: hops + 1, hops: pong.hops + 1 })
  }

  private sendOn(from: Neighbour, ping: Ping, now: Instant): void {
    const outgoing = onward(ping)
    if (outgoing === undefined) return
    for (const neighbour of this.neighbours) {
      if (neighbour.id === from.id) continue
      if (neighbour.meters.pingsOut.spend(now)) this.context.send(neighbour.contact, outgoing)
      else this.context.dropped('shaped')
    }
  }
}
