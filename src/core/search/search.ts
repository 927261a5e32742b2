/**
 * Search: Gnutella's flood over a random graph of the members. A query for something frequent asks few nodes.
 *
 * Purpose: `search` finds shares, and files inside them, by words, anywhere in the overlay. Results are emitted as they
 * arrive. `requestPush` asks a holder that cannot be dialled to dial this node.
 *
 * Participants: the membership, through the owner of this machine, reports which members are up, and their addresses.
 * The index, outside of the machine, answers `match`. Neighbours (neighbours.ts) forward queries (flood.ts), guided by
 * tables of words (tables.ts). Hits, pongs and pushes take the reverse path (routes.ts). The strategy (strategy.ts)
 * decides how far a query of this node goes.
 *
 * State: nothing is persisted. All state is bounded, and ends with the link of a neighbour or after a time.
 *
 * Sources: the Gnutella 0.4 specification (Clip2); the 0.6 draft for pong caching and query routing; A. Fisk's dynamic
 * query. Each part names its deviations.
 *
 * Non-goals: proof that a holder has a content (the transfer gives that), privacy of queries, ranking.
 */
import { assert } from '../../base/assert.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import { earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import type { QrpTable } from '../../wire/gnutella/qrp.ts'
import type { Descriptor, Handshake, SearchMessage, SearchQuery } from '../../wire/gnutella/search.ts'
import type { Channel, Effect, Machine, Now, Result, MachineContext } from '../machine.ts'
import { SearchContext } from './context.ts'
import type { SearchCommand, SearchEvent, SearchId, SearchOptions } from './contract.ts'
import type { Counters } from './counters.ts'
import { Flood } from './flood/flood.ts'
import { Matches } from './flood/matches.ts'
import type { Neighbour } from './graph/neighbour.ts'
import { SearchNeighbours } from './graph/neighbours.ts'
import { Pings, type Reach } from './graph/pings.ts'
import { Pushes } from './flood/pushes.ts'
import { Routes } from './flood/routes.ts'
import { Searches } from './searches.ts'
import { SEARCH_DEFAULTS, type SearchSettings } from './settings.ts'
import { Tables } from './tables/tables.ts'

export type { Counters } from './counters.ts'
export type { Reach } from './graph/pings.ts'
export type { SearchSettings } from './settings.ts'

export class Search implements Machine<SearchMessage, SearchCommand, SearchEvent> {
  private readonly context: SearchContext
  private readonly graph: SearchNeighbours
  private readonly routes: Routes
  private readonly tables: Tables
  private readonly pings: Pings
  private readonly matches: Matches
  private readonly flood: Flood
  private readonly searches: Searches
  private readonly pushes: Pushes

  constructor(machine: MachineContext, options: { settings?: Partial<SearchSettings> }, now: Now) {
    const settings = { ...SEARCH_DEFAULTS, ...options.settings }
    const { degreeMin, degreeTarget, degreeMax } = settings
    assert(degreeMin <= degreeTarget && degreeTarget <= degreeMax, 'degreeTarget lies between degreeMin and degreeMax')
    const context = new SearchContext(machine, settings)
    this.context = context
    this.graph = new SearchNeighbours(
      context,
      {
        linked: (neighbour, at) => {
          this.pings.linked(neighbour, at)
          this.tables.linked(neighbour, at)
        },
        unlinked: (id, at) => {
          this.pings.unlinked(id)
          this.tables.unlinked(id, at)
          this.matches.forget(id)
        }
      },
      now.mono
    )
    const neighbours = this.graph
    const routes = new Routes(settings.memoryMs)
    const tables = new Tables(context, neighbours)
    const matches = new Matches(context)
    this.routes = routes
    this.tables = tables
    this.matches = matches
    this.pings = new Pings(context, neighbours, routes)
    this.flood = new Flood({
      ...{ context, neighbours, routes, matches, tables },
      arrived: (from, hit, at) => {
        this.searches.arrived(from, hit, at)
      }
    })
    this.searches = new Searches({ context, neighbours, routes, matches, tables, flood: this.flood })
    this.pushes = new Pushes({ context, neighbours, routes, searches: this.searches, now: now.mono })
  }

  /** Starts to look for neighbours. */
  start(now: Now): void {
    this.graph.start(now.mono)
    this.settle(now.mono)
  }

  /** The membership reports a member, or a new address of one. */
  memberUp(contact: Contact, now: Now): void {
    this.graph.memberUp(contact, now.mono)
    this.settle(now.mono)
  }

  memberDown(id: NodeId, now: Now): void {
    this.graph.memberDown(id, now.mono)
    this.settle(now.mono)
  }

  /**
   * Starts a search. It emits `hit`, `reached` when traced, and exactly one `ended` at the end. The timeout is limited
   * to SEARCH_TIMEOUT_MS_MAX. Beyond SEARCHES_MAX active searches, the new one ends at once as `cancelled`.
   */
  search(query: SearchQuery, options: SearchOptions, now: Now): SearchId {
    const search = this.searches.start(query, options, now.mono)
    this.settle(now.mono)
    return search
  }

  /** No effect when the search has ended. */
  cancel(search: SearchId, now: Now): void {
    this.searches.cancel(search, now.mono)
    this.settle(now.mono)
  }

  /** The node's index changed. `table` has the words of its names, and the hexadecimal digits of each content. */
  indexed(table: QrpTable, files: number, bytes: number, now: Now): void {
    this.pings.shares(files, bytes)
    this.tables.indexed(table, now.mono)
    this.settle(now.mono)
  }

  /** The holder's machine emits `push`, if a path to it is found. There is no answer and no retry. */
  requestPush(holder: NodeId, content: ContentId, now: Now): void {
    this.pushes.request(holder, content, now.mono)
    this.settle(now.mono)
  }

  neighbours(): readonly Contact[] {
    return [...this.graph].map(({ contact }) => contact)
  }

  counters(): Counters {
    return this.context.counters
  }

  /** The nodes known from pongs, including this one, and what they share. */
  reach(now: Now): Reach {
    return this.pings.reach(now.mono)
  }

  receive(from: Contact, via: Channel, message: SearchMessage, now: Now): void {
    this.context.counters.received[message.kind]++
    if (via === 'datagram' && message.kind === 'push') this.pushes.receiveDirect(from, message, now.mono)
    else if (via !== 'stream') this.context.misbehaved(from.id, 'sent a search message in a datagram')
    else if (isHandshake(message)) this.graph.receive(from, message, now.mono)
    else this.descriptor(from, message, now.mono)
    this.settle(now.mono)
  }

  link(peer: NodeId, state: 'up' | 'down', now: Now): void {
    if (state === 'down') this.graph.linkDown(peer, now.mono)
    this.settle(now.mono)
  }

  done(token: number, result: Result, now: Now): void {
    this.matches.done(token, result, now.mono)
    this.settle(now.mono)
  }

  wake(now: Now): void {
    this.settle(now.mono)
  }

  nextWake(): Instant | undefined {
    const { graph, pings, tables, matches, searches } = this
    return earliest(...[graph, pings, tables, matches, searches].map(part => part.nextWake()))
  }

  drain(): Array<Effect<SearchMessage, SearchCommand, SearchEvent>> {
    return this.context.outbox.drain()
  }

  private settle(now: Instant): void {
    this.graph.wake(now)
    this.pings.wake(now)
    this.tables.wake(now)
    this.matches.wake(now)
    this.searches.wake(now)
  }

  private descriptor(from: Contact, message: Descriptor, now: Instant): void {
    const neighbour = this.graph.standing(from, now)
    if (neighbour === 'former') this.context.dropped('former')
    else if (neighbour === 'stranger') {
      this.context.dropped('stranger')
      this.context.misbehaved(from.id, 'sent a descriptor, but is not a neighbour')
    } else this.handle(neighbour, message, now)
  }

  private handle(from: Neighbour, message: Descriptor, now: Instant): void {
    switch (message.kind) {
      case 'ping':
        this.pings.ping(from, message, now)
        break
      case 'pong':
        this.pings.pong(from, message, now)
        break
      case 'query':
        this.flood.query(from, message, now)
        break
      case 'query-hit':
        this.flood.hit(from, message, now)
        break
      case 'push':
        this.pushes.receive(from, message, now)
        break
      case 'route-table':
        this.tables.receive(from, message, now)
        break
    }
  }
}

const HANDSHAKES: readonly string[] = ['connect', 'accept', 'refuse', 'bye'] satisfies ReadonlyArray<Handshake['kind']>

function isHandshake(message: SearchMessage): message is Handshake {
  return HANDSHAKES.includes(message.kind)
}
