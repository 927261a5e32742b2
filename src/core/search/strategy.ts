/**
 * How a search of this node goes about it: the seam for everything that is not a flood. A strategy is asked for its next step at once,
 * and again after each wait. Limit, timeout and the user's leaving end the search without it.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Spread } from './flood/flood.ts'
import type { Neighbour } from './graph/neighbour.ts'
import { HELD_MS } from './settings.ts'

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
  /** How many of them were sent something, and who has to be asked later, having been sent too much; the others lead nowhere. */
  ask(neighbours: readonly Neighbour[], ttl: number): Spread
}

export type Step = { readonly kind: 'wait'; readonly ms: number } | { readonly kind: 'exhausted' }

export interface Strategy {
  next(field: Field): Step
}

/** Links further on may be slower than this node's own, by which it waits; an index is a hop more. */
const LAST_WAITS = 2

/** Gnutella 0.4: everybody is asked at once, as far as the TTL goes. */
export class FloodStrategy implements Strategy {
  private readonly ttl: number
  /** Those that need not be asked any more. */
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
