/**
 * The strategy of a search: which neighbours to ask, with which TTL, in which steps. `next` is called for the first
 * step and again after each wait. The limit, the timeout and a cancel end the search without the strategy.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Spread } from './flood/flood.ts'
import type { Neighbour } from './graph/neighbour.ts'
import { HELD_MS } from './settings.ts'

/** The inputs of a strategy, and its one action, `ask`. */
export interface Field {
  /** Distinct results so far, and the number at which the search ends. */
  readonly results: number
  readonly limit: number
  /** Members of the overlay, including this node. */
  readonly members: number
  /** All neighbours, in a random order for each step. */
  readonly neighbours: readonly Neighbour[]
  /** Time that a query and its hit take for one hop, with some room. */
  readonly hopMs: number
  /** Whether the tables allow a match when the neighbour is asked with this TTL. */
  leads(neighbour: Neighbour, ttl: number): boolean
  /**
   * Asks these neighbours. Returns how many were sent the query, and those to ask later because their rate is used up.
   * The tables exclude a match for all others.
   */
  ask(neighbours: readonly Neighbour[], ttl: number): Spread
}

export type Step = { readonly kind: 'wait'; readonly ms: number } | { readonly kind: 'exhausted' }

export interface Strategy {
  next(field: Field): Step
}

/** Factor of the wait after a flood. `hopMs` follows from this node's own links, and others may be slower. */
const LAST_WAITS = 2

/** The flood of Gnutella 0.4: asks all neighbours at once with the full TTL. */
export class FloodStrategy implements Strategy {
  private readonly ttl: number
  /** Neighbours that were asked, or for which the tables exclude a match. */
  private readonly asked = new Set<NodeId>()
  private sent = 0
  private stage: 'asking' | 'asked' = 'asking'

  constructor(ttl: number) {
    this.ttl = ttl
  }

  next(field: Field): Step {
    if (this.stage === 'asked') return { kind: 'exhausted' }
    const open = field.neighbours.filter(({ id }) => !this.asked.has(id))
    const { sent, held } = field.ask(open, this.ttl)
    this.sent += sent
    for (const { id } of open) this.asked.add(id)
    for (const { id } of held) this.asked.delete(id)
    if (held.length > 0) return { kind: 'wait', ms: HELD_MS }
    this.stage = 'asked'
    return this.sent === 0 ? { kind: 'exhausted' } : { kind: 'wait', ms: LAST_WAITS * (this.ttl + 1) * field.hopMs }
  }
}
