/** What search sent, took and dropped, for metrics and for the figures of simulations. */
import type { SearchMessage } from '../../wire/gnutella/search.ts'

export type DropReason =
  /** Seen before. */
  | 'duplicate'
  /** Its TTL is used up, or its hops are at the hard limit. */
  | 'expired'
  /** A hit, pong or push whose cause did not come through here, or whose way back is gone. */
  | 'no-route'
  /** From a peer that is no neighbour, and from one that was a moment ago. */
  | 'stranger'
  | 'former'
  /** Over the rate that is taken from a neighbour, and over the one that a neighbour takes from us. */
  | 'rate'
  | 'shaped'
  /** The index had too much to do. */
  | 'busy'
  /** Not signed by its holder. */
  | 'forged'
  /** Signed by its holder, but no results as they are written. */
  | 'unreadable'
  /** An answer to a search that has ended. */
  | 'late'
  /** A bound of this node: see settings.ts. */
  | 'full'

export interface Counters {
  readonly sent: Readonly<Record<SearchMessage['kind'], number>>
  readonly received: Readonly<Record<SearchMessage['kind'], number>>
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Queries processed for the first time, and those sent on again since a copy with a higher TTL came. */
  readonly queries: number
  readonly widened: number
  /** Copies that were not sent since a table says that they would find nothing. */
  readonly pruned: number
  readonly cutOff: number
}

type Changing<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Changing<T[K]> }
export type MutableCounters = Changing<Counters>

function kinds(): Record<SearchMessage['kind'], number> {
  return {
    ping: 0,
    pong: 0,
    query: 0,
    'query-hit': 0,
    push: 0,
    'route-table': 0,
    connect: 0,
    accept: 0,
    refuse: 0,
    bye: 0
  }
}

export const MESSAGE_KINDS = Object.keys(kinds())

export function newCounters(): MutableCounters {
  return {
    sent: kinds(),
    received: kinds(),
    dropped: {
      duplicate: 0,
      expired: 0,
      'no-route': 0,
      stranger: 0,
      former: 0,
      rate: 0,
      shaped: 0,
      busy: 0,
      forged: 0,
      unreadable: 0,
      late: 0,
      full: 0
    },
    queries: 0,
    widened: 0,
    pruned: 0,
    cutOff: 0
  }
}

export const DROP_REASONS = Object.keys(newCounters().dropped)
