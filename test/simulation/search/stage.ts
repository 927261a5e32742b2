/** The setup of the search scenarios: a small world with an oracle in place of membership, and all checks. */
import { Random } from '../../../src/base/random.ts'
import type { SearchCommand, SearchEvent } from '../../../src/core/search/contract.ts'
import { SEARCH_DEFAULTS, type SearchSettings } from '../../../src/core/search/settings.ts'
import type { NetworkSettings } from '../../../src/sim/network/network.ts'
import { scenario, type Scenario } from '../../../src/sim/scenario.ts'
import type { SearchMessage } from '../../../src/wire/gnutella/search.ts'
import { Oracle } from '../support/oracle.ts'
import { DegreeCheck, WireChecks } from './checks.ts'
import { disorder, graphOf } from './graph.ts'
import { Library, type LibrarySettings } from './library.ts'
import { SearchNet, type SearchNode, type TappedSearch } from './world.ts'

export interface StageSettings {
  readonly seed: number
  readonly nodes: number
  readonly library?: Partial<LibrarySettings>
  readonly settings?: Partial<SearchSettings>
  readonly network?: Partial<NetworkSettings>
  readonly matchMs?: number
}

/** Fewer pings than by default: the pings of a minute cost as much as several searches. */
export const FEW_PINGS = { pingMs: 60_000 }
/** For a graph that does not change once it has settled. */
export const NO_REWIRING = { rewireMs: 3_600_000 }
/** The time until all nodes have enough neighbours and their tables. */
const SETTLED_MAX_MS = 30_000

export class Stage {
  readonly net: SearchNet
  readonly library: Library
  readonly oracle: Oracle<SearchMessage, SearchCommand, SearchEvent, TappedSearch>
  readonly random: Random

  constructor({ seed, nodes, library, ...options }: StageSettings) {
    this.library = new Library(Random.from(`shoal/sim/library/${seed}`), { nodes, copiesMax: nodes, ...library })
    const settings = { ...SEARCH_DEFAULTS, ...options.settings }
    const wire = new WireChecks(settings)
    const checkers = [wire, new DegreeCheck(settings.degreeMax)]
    this.net = new SearchNet({ seed, library: this.library, ...options, checkers, taps: [wire] })
    const { world } = this.net
    this.oracle = new Oracle(world)
    this.random = world.random
    for (let i = 0; i < nodes; i++) world.add()
  }

  get nodes(): readonly SearchNode[] {
    return this.net.world.nodes
  }

  /** Starts all nodes within `withinMs`. */
  startAll(withinMs = 0): void {
    const { world } = this.net
    for (const node of this.nodes) {
      if (withinMs === 0) this.oracle.start(node)
      else world.at(world.timeMs + this.random.unit() * withinMs, () => this.oracle.start(node))
    }
  }

  get upNodes(): SearchNode[] {
    return this.nodes.filter(node => node.isUp)
  }

  /** Requires one valid graph within `limitMs`, then waits a little for route tables. */
  requireGraph(property: string, limitMs = SETTLED_MAX_MS): void {
    const { world, settings } = this.net
    const problem = (): string | undefined => disorder(graphOf(this.upNodes), settings)
    const settled = world.settle(() => problem() === undefined, { everyMs: 250, limitMs })
    world.require(settled, property, problem() ?? '')
  }

  /** A node that is up and does not hold the file that it searches for. */
  question(): { origin: SearchNode; text: string } {
    for (;;) {
      const text = this.library.drawText(this.random)
      const origin = this.random.pick(this.upNodes.filter(node => !this.library.find(text).has(node.index)))
      if (origin !== undefined) return { origin, text }
    }
  }

  /** The nodes that are up and whose index has an answer. */
  holders(text: string): SearchNode[] {
    return [...this.library.find(text).keys()].map(index => this.net.world.node(index)).filter(node => node.isUp)
  }
}

export interface StageSpec {
  readonly name: string
  readonly about: string
  readonly share?: number
  readonly build: (seed: number, random: Random) => Stage
  readonly play: (stage: Stage) => void
}

/** A scenario whose `play` gets the stage. */
export function staged({ name, about, share = 1, build, play }: StageSpec): Scenario {
  return {
    name,
    about,
    share,
    run: seed => {
      const stage = build(seed, Random.from(`shoal/sim/${name}/${seed}`))
      return scenario({ name, about, build: () => stage.net.world, play: () => play(stage) }).run(seed)
    }
  }
}
