/**
 * The dynamic query (A. Fisk, "Gnutella Dynamic Query Protocol", 2003): a query for something frequent asks few nodes.
 * The first round asks a few neighbours with a low TTL. The number of results then gives an estimate of how many more
 * nodes to ask. The next round asks that many, and so on.
 *
 * With results, a round asks as many neighbours as the measured rate requires, at least one. Without results, it asks
 * all at the next TTL. The widest round asks no more neighbours than it takes to reach nearly every node. The search is
 * exhausted when the expected horizon (horizon.ts) holds all but a fiftieth of the overlay, or the TTL is at its limit:
 * each further ring would cost more than all before it, for the few nodes that are left.
 *
 * Deviations: neighbours may be asked again with a higher TTL, under the same descriptor id (see `widen` in
 * settings.ts), so a rare query grows ring by ring. In a random graph each ring costs about five times the one before,
 * so all rounds before the last cost together a quarter of it. A round that tables exclude sends nothing and does not
 * wait.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Spread } from './flood/flood.ts'
import { reachedBy, type Graph } from './tables/horizon.ts'
import type { Neighbour } from './graph/neighbour.ts'
import { HELD_MS, type SearchSettings } from './settings.ts'
import type { Field, Step, Strategy } from './strategy.ts'

/** Results assumed when none was found, so that the measured rate is never zero. */
const RESULTS_UNSEEN = 0.5
/**
 * Expected unreached nodes for which the query is not widened: a share of the overlay, or in a small one a constant.
 * The estimate is for an average graph: with a constant of 0.05, one search in some ten thousand missed a node.
 */
const LEFT_SHARE = 0.02
const LEFT_MIN = 0.005
/** From this size on, where LEFT_SHARE is two nodes, the widest round asks only the neighbours that it needs. */
const SAVING_NODES_MIN = 100

export class DynamicStrategy implements Strategy {
  private readonly settings: SearchSettings
  private ttl: number
  private stage: 'probe' | 'widen' | 'linger' = 'probe'
  /** The highest TTL with which each neighbour was asked, or excluded by the tables. */
  private readonly askedWith = new Map<NodeId, number>()

  constructor(settings: SearchSettings) {
    this.settings = settings
    this.ttl = Math.min(settings.probeTtl, settings.ttl)
  }

  next(field: Field): Step {
    const graph = graphOf(field)
    if (this.stage === 'probe') {
      this.stage = 'widen'
      const leading = field.neighbours.filter(neighbour => field.leads(neighbour, this.ttl))
      const { sent } = this.askAll(field, leading.slice(0, this.settings.probeNeighbours))
      if (sent > 0) return this.wait(field)
    }
    this.ttl = this.calledFor(field, graph)
    for (; this.ttl <= this.settings.ttl; this.ttl++) {
      // When the tables exclude all selected neighbours, none is sent the query, and the loop takes the next ones.
      for (let open = this.open(field, graph); open.length > 0; open = this.open(field, graph)) {
        const { sent, held } = this.askAll(field, open.slice(0, this.wanted(field, graph)))
        if (sent > 0) return this.wait(field)
        if (held.length > 0) return { kind: 'wait', ms: HELD_MS }
      }
      if (this.isWhole(graph, this.linksAt(field), this.ttl)) break
    }
    // `hopMs` follows from this node's own links, and others may be slower: the last answers get the same time again.
    if (this.stage === 'linger' || this.askedWith.size === 0) return { kind: 'exhausted' }
    this.stage = 'linger'
    return this.wait(field)
  }

  private wait(field: Field): Step {
    return { kind: 'wait', ms: this.ttl * field.hopMs }
  }

  /**
   * The lowest TTL, from the current one on, at which all neighbours reach nearly every node, or yield enough results
   * at the measured rate.
   */
  private calledFor(field: Field, graph: Graph): number {
    const { results, limit, neighbours } = field
    const rate = Math.max(results, RESULTS_UNSEEN) / this.reached(field, graph)
    let { ttl } = this
    for (; ttl < this.settings.ttl; ttl++) {
      const whole = this.isWhole(graph, neighbours.length, ttl)
      if (whole || rate * (1 + reachedBy(graph, neighbours.length, ttl)) >= limit) break
    }
    return ttl
  }

  /** Neighbours to ask with this TTL. None when those that were asked reach nearly every node. */
  private open(field: Field, graph: Graph): Neighbour[] {
    const open = field.neighbours.filter(({ id }) => (this.askedWith.get(id) ?? 0) < this.ttl)
    // In a small overlay an additional neighbour costs little, and compensates for a lost message.
    if (graph.nodes < SAVING_NODES_MIN) return open
    const links = this.linksAt(field)
    if (this.isWhole(graph, links, this.ttl)) return []
    let more = 1
    while (links + more < field.neighbours.length && !this.isWhole(graph, links + more, this.ttl)) more++
    return open.slice(0, more)
  }

  /** Number of neighbours that were asked with this TTL, or excluded by the tables. */
  private linksAt({ neighbours }: Field): number {
    return neighbours.filter(({ id }) => (this.askedWith.get(id) ?? 0) >= this.ttl).length
  }

  /** Asks the neighbours. Only those whose rate is used up remain to be asked. */
  private askAll(field: Field, neighbours: readonly Neighbour[]): Spread {
    const spread = field.ask(neighbours, this.ttl)
    for (const neighbour of neighbours) if (!spread.held.includes(neighbour)) this.askedWith.set(neighbour.id, this.ttl)
    return spread
  }

  /** Number of neighbours to ask at this TTL, by the rate of results so far. */
  private wanted(field: Field, graph: Graph): number {
    const { results, limit, neighbours } = field
    if (results === 0) return neighbours.length
    const nodes = (limit - results) / (results / Math.max(1, this.reached(field, graph)))
    return Math.ceil(nodes / Math.max(1, reachedBy(graph, 1, this.ttl)))
  }

  /** Expected number of nodes that were asked, including this one. */
  private reached({ neighbours }: Field, graph: Graph): number {
    let most = 1
    for (let ttl = 1; ttl <= this.settings.ttl; ttl++) {
      const links = neighbours.filter(({ id }) => (this.askedWith.get(id) ?? 0) >= ttl).length
      if (links > 0) most = Math.max(most, 1 + reachedBy(graph, links, ttl))
    }
    return most
  }

  /**
   * Whether `links` neighbours at this TTL reach nearly every node. A copy that arrives first by a detour ends a hop
   * early. In a small overlay, where every node matters, the estimate therefore uses one hop less.
   */
  private isWhole(graph: Graph, links: number, ttl: number): boolean {
    const { nodes } = graph
    if (links >= nodes - 1) return true
    const isSmall = nodes < SAVING_NODES_MIN
    const left = nodes - 1 - reachedBy(graph, links, isSmall ? ttl - 1 : ttl)
    return left <= (isSmall ? LEFT_MIN : LEFT_SHARE * nodes)
  }
}

function graphOf({ members, neighbours }: Field): Graph {
  const sum = neighbours.reduce((total, { degree }) => total + Math.max(1, degree), neighbours.length)
  return { nodes: members, degree: sum / Math.max(1, neighbours.length + 1) }
}
