/** Counts of sent, received and dropped messages, for metrics and simulations. */
import type { SearchMessage } from '../../wire/gnutella/search.ts'

export type DropReason =
  /** A descriptor that was seen before. */
  | 'duplicate'
  /** The TTL is used up, or the hops are at the hard limit. */
  | 'expired'
  /** A hit, pong or push for which this node has no reverse path, or whose next hop is no neighbour. */
  | 'no-route'
  /** From a peer that is no neighbour, and from a recent neighbour. */
  | 'stranger'
  | 'former'
  /** Over the rate that this node accepts from a peer, and over the rate at which it sends to one. */
  | 'rate'
  | 'shaped'
  /** Too many queries were waiting for the index. */
  | 'busy'
  /** Not signed by its holder. */
  | 'forged'
  /** Signed by its holder, but the results cannot be decoded. */
  | 'unreadable'
  /** An answer to a search that has ended. */
  | 'late'
  /** Over a limit of settings.ts. */
  | 'full'

export interface Counters {
  readonly sent: Readonly<Record<SearchMessage['kind'], number>>
  readonly received: Readonly<Record<SearchMessage['kind'], number>>
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Queries received for the first time, and queries forwarded again because a copy reaches further. */
  readonly queries: number
  readonly widened: number
  /** Copies that were not sent because a table excludes a match. */
  readonly pruned: number
  /** Neighbours that were cut off for exceeding their rate. */
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
