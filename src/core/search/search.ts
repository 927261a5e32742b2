/**
 * Search: Gnutella's flood over a random graph of the members, asked no wider than a query is rare.
 *
 * Purpose: `search` finds, by words, shares and files inside them, anywhere in the shoal; results come as events while they
 * arrive. `requestPush` asks a holder that cannot be dialled to dial.
 *
 * Participants: the membership, through the owner of this machine, says who is up and where; the index, outside, answers `match`;
 * neighbours (neighbours.ts) pass queries on (flood.ts), guided by tables of words (tables.ts), and hits, pongs and pushes
 * back the way that their cause came (routes.ts). How far a query of this node goes is its strategy's decision (strategy.ts).
 *
 * State: nothing is persisted; all of it is bounded, and ends with a neighbour's link or in time.
 *
 * Sources: the Gnutella 0.4 specification (Clip2); the 0.6 draft for pong caching and query routing; A. Fisk's dynamic query. Each
 * part says where it deviates.
 *
 * Non-goals: proof that a holder has what it says (the transfer shows that); hiding who asks for what; ranking.
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
    assert(degreeMin <= degreeTarget && degreeTarget <= degreeMax, 'the degree looked for is between its bounds')
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

  /** SearchNeighbours are looked for from now on. */
  start(now: Now): void {
    this.graph.start(now.mono)
    this.settle(now.mono)
  }

  /** From the membership; also when the address changed. */
  memberUp(contact: Contact, now: Now): void {
    this.graph.memberUp(contact, now.mono)
    this.settle(now.mono)
  }

  memberDown(id: NodeId, now: Now): void {
    this.graph.memberDown(id, now.mono)
    this.settle(now.mono)
  }

  /**
   * Events `hit` follow, `reached` when traced, and last of all one `ended`. A timeout over SEARCH_TIMEOUT_MS_MAX is cut to that. More
   * than SEARCHES_MAX at once: the new one ends at once, as cancelled.
   */
  search(query: SearchQuery, options: SearchOptions, now: Now): SearchId {
    const search = this.searches.start(query, options, now.mono)
    this.settle(now.mono)
    return search
  }

  /** Nothing when it has ended. */
  cancel(search: SearchId, now: Now): void {
    this.searches.cancel(search, now.mono)
    this.settle(now.mono)
  }

  /** The own index changed. Its table has the words of names, and the hexadecimal digits of each content as one word. */
  indexed(table: QrpTable, files: number, bytes: number, now: Now): void {
    this.pings.shares(files, bytes)
    this.tables.indexed(table, now.mono)
    this.settle(now.mono)
  }

  /** The holder's machine emits `push`, if there is a way to it. No answer, and no retry: ask again. */
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

  /** What pongs tell of: nodes, this one included, and what they share. */
  reach(now: Now): Reach {
    return this.pings.reach(now.mono)
  }

  receive(from: Contact, via: Channel, message: SearchMessage, now: Now): void {
    this.context.counters.received[message.kind]++
    if (via === 'datagram' && message.kind === 'push') this.pushes.receiveDirect(from, message, now.mono)
    else if (via !== 'stream') this.context.misbehaved(from.id, 'sent a message of search as a datagram')
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
      this.context.misbehaved(from.id, 'sent a descriptor and is no neighbour')
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
