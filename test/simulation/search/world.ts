/**
 * `Search` machines in a simulated world, with a simulated index at each node. No other machine runs; the scenario
 * stands in for membership (support/oracle.ts, herald.ts).
 */
import type { NodeId } from '../../../src/base/ids.ts'
import type { SearchCommand, SearchEvent } from '../../../src/core/search/contract.ts'
import { Search } from '../../../src/core/search/search.ts'
import { SEARCH_DEFAULTS, type SearchSettings } from '../../../src/core/search/settings.ts'
import type { Channel, Effect, Now } from '../../../src/core/machine.ts'
import type { NetworkSettings } from '../../../src/sim/network/network.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { World, type Outside, type WorldChecker } from '../../../src/sim/world.ts'
import type { Contact } from '../../../src/wire/common.ts'
import { searchMessage, type SearchMessage } from '../../../src/wire/gnutella/search.ts'
import type { Library } from './library.ts'
import { Searches } from './searches.ts'

export type SearchWorld = World<SearchMessage, SearchCommand, SearchEvent, TappedSearch>
export type SearchNode = SimNode<TappedSearch>
export type SearchChecker = WorldChecker<SearchMessage, SearchCommand, SearchEvent, TappedSearch>

/** Observes every message at the receiver, before the machine handles it, and at the sender. May end the run. */
export interface Tap {
  received(node: SearchNode, from: NodeId, message: SearchMessage): void
  sent(node: SearchNode, to: NodeId, message: SearchMessage): void
}

/** The machine, with an observer of its messages. */
export class TappedSearch extends Search {
  taps: readonly Tap[] = []
  node: SearchNode | undefined

  override receive(from: Contact, via: Channel, message: SearchMessage, now: Now): void {
    for (const tap of this.taps) tap.received(this.node!, from.id, message)
    super.receive(from, via, message, now)
  }

  override drain(): Array<Effect<SearchMessage, SearchCommand, SearchEvent>> {
    const effects = super.drain()
    if (this.node === undefined) return effects
    for (const effect of effects) {
      if (effect.kind === 'send') for (const tap of this.taps) tap.sent(this.node, effect.to.id, effect.message)
    }
    return effects
  }

  /** Required by the oracle. Does nothing, because `memberUp` finds neighbours. */
  rejoin(): void {
    // Nothing to do: unlike on the ring, a node that lost a neighbour reconnects by itself.
  }
}

export interface SearchNetSettings {
  readonly seed: number | string
  readonly library: Library
  readonly settings?: Partial<SearchSettings>
  readonly network?: Partial<NetworkSettings>
  /** The time that an index takes for one query. It answers one at a time. */
  readonly matchMs?: number
  /** False for the largest runs: messages are not encoded. */
  readonly encode?: boolean
  readonly traceLines?: number
  readonly checkers?: readonly SearchChecker[]
  readonly taps?: readonly Tap[]
}

/** FTS5 answers 95 of 100 prefix queries over a million names within this. */
const MATCH_MS = 1
/** The time until a new process has opened its index. */
const INDEXED_AFTER_MS = 20

export class SearchNet {
  readonly world: SearchWorld
  readonly library: Library
  readonly searches: Searches
  readonly settings: SearchSettings
  readonly taps: Tap[] = []

  constructor(options: SearchNetSettings) {
    const settings: SearchSettings = { ...SEARCH_DEFAULTS, ...options.settings }
    this.settings = settings
    this.library = options.library
    this.world = new World({
      seed: options.seed,
      create: (birth, node) => {
        const machine = new TappedSearch(birth, { settings }, birth.now)
        machine.node = node
        machine.taps = this.taps
        return machine
      },
      codec: searchMessage,
      encode: options.encode ?? true,
      outside: new Indexes(this, options.matchMs ?? MATCH_MS),
      network: { latencyMinMs: 5, latencyMaxMs: 50, ...options.network },
      traceLines: options.traceLines ?? 80,
      checkers: [{ started: (_, node) => this.started(node) }, ...(options.checkers ?? [])],
      onEvent: (_, node, event) => this.searches.emitted(node, event)
    })
    this.searches = new Searches(this.world, this.library)
    this.taps.push(this.searches, ...(options.taps ?? []))
  }

  private started(node: SearchNode): void {
    this.world.after(INDEXED_AFTER_MS, node, () => {
      const { library } = this
      this.world.call(node, (machine, now) => {
        machine.indexed(library.tableAt(node.index), library.filesAt(node.index), library.bytesAt(node.index), now)
      })
    })
  }
}

/** Answers `match` commands from the library, one at a time, with a delay. */
class Indexes implements Outside<SearchMessage, SearchCommand, SearchEvent, TappedSearch> {
  private readonly net: SearchNet
  private readonly matchMs: number
  private readonly freeMs: number[] = []

  constructor(net: SearchNet, matchMs: number) {
    this.net = net
    this.matchMs = matchMs
  }

  started(world: SearchWorld, node: SearchNode): void {
    this.freeMs[node.index] = world.timeMs
  }

  command(world: SearchWorld, node: SearchNode, token: number, { query, limit }: SearchCommand): void {
    this.net.searches.matching(node, query)
    const doneMs = Math.max(world.timeMs, this.freeMs[node.index] ?? 0) + this.matchMs
    this.freeMs[node.index] = doneMs
    world.after(doneMs - world.timeMs, node, () => {
      world.done(node, token, { ok: true, value: this.net.library.match(node.index, query, limit) })
    })
  }
}
