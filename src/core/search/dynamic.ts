/**
 * The dynamic query (A. Fisk, "Gnutella Dynamic Query Protocol", 2003): no wider than the query is rare. A few neighbours are asked
 * with a low TTL first; what came back by then says how many more nodes have to be asked for enough; so many are, and again.
 *
 * Where results have come, neighbours are asked one at a time, or as many as the measured rate calls for; where none have, all at
 * the next TTL; on the widest round no more than it takes to reach nearly everybody. The search is exhausted when the expected
 * horizon (horizon.ts) holds all but a fiftieth of the shoal, or the TTL its limit: each further ring would cost more than all
 * before it for the few who are left.
 *
 * Deviations: neighbours may be asked again with a higher TTL, under the same descriptor id (see `widen` in settings.ts), so a
 * rare query grows ring by ring; in a random graph each ring costs about five times the one before, so the sum of all that
 * were in vain is a quarter of the last. A round in which tables lead nowhere costs nothing, and is not waited for.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Spread } from './flood/flood.ts'
import { reachedBy, type Graph } from './tables/horizon.ts'
import type { Neighbour } from './graph/neighbour.ts'
import { HELD_MS, type SearchSettings } from './settings.ts'
import type { Field, Step, Strategy } from './strategy.ts'

/** What nodes that had nothing are taken to have had together: no rate is zero. */
const RESULTS_UNSEEN = 0.5
/**
 * Nodes expected beyond the horizon for which it is not widened: a share of the shoal, in a small one next to nobody. The
 * horizon is that of an average graph: with 0.05 nodes left, one search in some ten thousand missed a node.
 */
const LEFT_SHARE = 0.02
const LEFT_MIN = 0.005
/** From here on LEFT_SHARE is two nodes and more: the widest round asks no more neighbours than it needs. */
const SAVING_NODES_MIN = 100

export class DynamicStrategy implements Strategy {
  private readonly settings: SearchSettings
  private ttl: number
  private stage: 'probe' | 'widen' | 'linger' = 'probe'
  /** The highest TTL that each neighbour was asked with. */
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
      // Those that lead nowhere have been dealt with when they were not sent anything: then others are looked at.
      for (let open = this.open(field, graph); open.length > 0; open = this.open(field, graph)) {
        const { sent, held } = this.askAll(field, open.slice(0, this.wanted(field, graph)))
        if (sent > 0) return this.wait(field)
        if (held.length > 0) return { kind: 'wait', ms: HELD_MS }
      }
      if (this.isWhole(graph, this.linksAt(field), this.ttl)) break
    }
    // Links further on may be slower than this node's own, by which it waits: the last answers have as long again.
    if (this.stage === 'linger' || this.askedWith.size === 0) return { kind: 'exhausted' }
    this.stage = 'linger'
    return this.wait(field)
  }

  private wait(field: Field): Step {
    return { kind: 'wait', ms: this.ttl * field.hopMs }
  }

  /** The lowest TTL, from the present one on, at which all neighbours would bring enough by the measured rate, or reach all. */
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

  /** Who is still to be asked with this TTL: nobody when those who were reach nearly everybody. */
  private open(field: Field, graph: Graph): Neighbour[] {
    const open = field.neighbours.filter(({ id }) => (this.askedWith.get(id) ?? 0) < this.ttl)
    // In a small shoal a neighbour more costs little, and makes up for one that is lost.
    if (graph.nodes < SAVING_NODES_MIN) return open
    const links = this.linksAt(field)
    if (this.isWhole(graph, links, this.ttl)) return []
    let more = 1
    while (links + more < field.neighbours.length && !this.isWhole(graph, links + more, this.ttl)) more++
    return open.slice(0, more)
  }

  /** Neighbours that were asked with this TTL, or led nowhere. */
  private linksAt({ neighbours }: Field): number {
    return neighbours.filter(({ id }) => (this.askedWith.get(id) ?? 0) >= this.ttl).length
  }

  /** Those that lead nowhere have been dealt with too; those that cannot take it yet are still to be asked. */
  private askAll(field: Field, neighbours: readonly Neighbour[]): Spread {
    const spread = field.ask(neighbours, this.ttl)
    for (const neighbour of neighbours) if (!spread.held.includes(neighbour)) this.askedWith.set(neighbour.id, this.ttl)
    return spread
  }

  /** How many neighbours to ask at this TTL, by the results of the nodes that were. */
  private wanted(field: Field, graph: Graph): number {
    const { results, limit, neighbours } = field
    if (results === 0) return neighbours.length
    const nodes = (limit - results) / (results / Math.max(1, this.reached(field, graph)))
    return Math.ceil(nodes / Math.max(1, reachedBy(graph, 1, this.ttl)))
  }

  /** Nodes that have been asked, this one included, as expected. */
  private reached({ neighbours }: Field, graph: Graph): number {
    let most = 1
    for (let ttl = 1; ttl <= this.settings.ttl; ttl++) {
      const links = neighbours.filter(({ id }) => (this.askedWith.get(id) ?? 0) >= ttl).length
      if (links > 0) most = Math.max(most, 1 + reachedBy(graph, links, ttl))
    }
    return most
  }

  /**
   * Whether so many neighbours at this TTL reach nearly everybody. What comes by a detour first ends a hop early: in a small shoal, of
   * which everybody counts, that hop is added.
   */
  private isWhole(graph: Graph, links: number, ttl: number): boolean {
    const { nodes } = graph
    if (links >= nodes - 1) return true
    const small = nodes < SAVING_NODES_MIN
    const left = nodes - 1 - reachedBy(graph, links, small ? ttl - 1 : ttl)
    return left <= (small ? LEFT_MIN : LEFT_SHARE * nodes)
  }
}

function graphOf({ members, neighbours }: Field): Graph {
  const sum = neighbours.reduce((total, { degree }) => total + Math.max(1, degree), neighbours.length)
  return { nodes: members, degree: sum / Math.max(1, neighbours.length + 1) }
}
