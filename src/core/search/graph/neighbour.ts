/** One neighbour in the graph, and the rates of the messages from and to it. */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import { nodeTag, type NodeTag } from '../../../wire/gnutella/search.ts'
import { Bucket } from './bucket.ts'
import {
  HANDSHAKES_BURST,
  HANDSHAKES_PER_SECOND,
  HITS_PER_QUERY,
  HITS_PER_QUERY_MAX,
  OUT_SHARE,
  PINGS_BURST,
  PINGS_PER_SECOND,
  PUSHES_BURST,
  PUSHES_PER_SECOND,
  TABLE_PARTS_BURST,
  TABLE_PARTS_PER_SECOND,
  type SearchSettings
} from '../settings.ts'

/**
 * The rates of messages from and to one peer. They outlive the neighbourhood: a peer that reconnects keeps its debts.
 */
export class Meters {
  readonly handshakes: Bucket
  readonly own: Bucket
  readonly queries: Bucket
  readonly hits: Bucket
  readonly pings: Bucket
  readonly pushes: Bucket
  readonly tableParts: Bucket
  /** Rates for sending: a share of the rate that the peer accepts. */
  readonly ownOut: Bucket
  readonly queriesOut: Bucket
  readonly pingsOut: Bucket

  constructor({ ownPerSecond, ownBurst, ownFirst, queriesPerSecond, queriesBurst }: SearchSettings, now: Instant) {
    const bucket = (perSecond: number, burst: number, share = 1, first = share * burst): Bucket =>
      new Bucket({ perSecond: share * perSecond, burst: share * burst, first }, now)
    this.handshakes = bucket(HANDSHAKES_PER_SECOND, HANDSHAKES_BURST)
    this.own = bucket(ownPerSecond, ownBurst, 1, ownFirst)
    this.queries = bucket(queriesPerSecond, queriesBurst)
    // The burst: every node within reach may answer one query. The rate follows from the rate of queries.
    this.hits = bucket(HITS_PER_QUERY * queriesPerSecond, HITS_PER_QUERY_MAX)
    this.pings = bucket(PINGS_PER_SECOND, PINGS_BURST)
    this.pushes = bucket(PUSHES_PER_SECOND, PUSHES_BURST)
    this.tableParts = bucket(TABLE_PARTS_PER_SECOND, TABLE_PARTS_BURST)
    this.ownOut = bucket(ownPerSecond, ownBurst, OUT_SHARE, ownFirst)
    this.queriesOut = bucket(queriesPerSecond, queriesBurst, OUT_SHARE)
    this.pingsOut = bucket(PINGS_PER_SECOND, PINGS_BURST, OUT_SHARE)
  }
}

export class Neighbour {
  readonly contact: Contact
  readonly tag: NodeTag
  readonly meters: Meters
  /** Its number of neighbours, as last announced. */
  degree: number
  /** Smoothed round trip of the last pings; undefined before the first. */
  roundTripMs: number | undefined

  constructor(contact: Contact, degree: number, meters: Meters) {
    this.contact = contact
    this.tag = nodeTag(contact.id)
    this.degree = degree
    this.meters = meters
  }

  get id(): NodeId {
    return this.contact.id
  }
}
