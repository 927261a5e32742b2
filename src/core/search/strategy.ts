/**
 * How a search of this node goes about it: the seam for everything that is not a flood. A strategy is asked for its next step at once,
 * and again after each wait. Limit, timeout and the user's leaving end the search without it.
 */
import type { Neighbour } from './neighbour.ts'

/** What a strategy sees, and what it can do. */
export interface Field {
  /** Distinct results until now, and how many are enough. */
  readonly results: number
  readonly limit: number
  /** Members of the shoal, this node included. */
  readonly members: number
  /** In an order drawn for this step. */
  readonly neighbours: readonly Neighbour[]
  /** What a query and its hit take for one hop, with some room. */
  readonly hopMs: number
  /** Whether the neighbour, asked with this TTL, may find something as far as tables tell. */
  leads(neighbour: Neighbour, ttl: number): boolean
  /** False when nothing was sent: it leads nowhere, or the neighbour has been sent too much. */
  ask(neighbour: Neighbour, ttl: number): boolean
}

export type Step = { readonly kind: 'wait'; readonly ms: number } | { readonly kind: 'exhausted' }

export interface Strategy {
  next(field: Field): Step
}

/** Links further on may be slower than this node's own, by which it waits. */
const LAST_WAITS = 2

/** Gnutella 0.4: everybody is asked at once, as far as the TTL goes. */
export class FloodStrategy implements Strategy {
  private readonly ttl: number
  private stage: 'new' | 'asked' = 'new'

  constructor(ttl: number) {
    this.ttl = ttl
  }

  next(field: Field): Step {
    if (this.stage === 'asked') return { kind: 'exhausted' }
    this.stage = 'asked'
    const asked = field.neighbours.filter(neighbour => field.ask(neighbour, this.ttl))
    return asked.length === 0 ? { kind: 'exhausted' } : { kind: 'wait', ms: LAST_WAITS * this.ttl * field.hopMs }
  }
}
