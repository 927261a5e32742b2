/** One neighbour in the graph: what is known of it, and how much it may ask for. */
import type { NodeId } from '../../base/ids.ts'
import type { Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import { Bucket } from './bucket.ts'
import {
  HITS_PER_QUERY_MAX,
  OUT_SHARE,
  PINGS_BURST,
  PINGS_PER_SECOND,
  PUSHES_BURST,
  PUSHES_PER_SECOND,
  TABLE_PARTS_BURST,
  TABLE_PARTS_PER_SECOND,
  type SearchSettings
} from './settings.ts'

export class Neighbour {
  readonly contact: Contact
  /** Its number of neighbours, as it last said. */
  degree: number
  /** There and back, by the last ping; undefined until the first. */
  roundTripMs: number | undefined
  readonly queries: Bucket
  readonly hits: Bucket
  readonly pings: Bucket
  readonly pushes: Bucket
  readonly tableParts: Bucket
  /** What we send: a share of what it takes. */
  readonly queriesOut: Bucket
  readonly pingsOut: Bucket

  constructor(contact: Contact, degree: number, settings: SearchSettings, now: Instant) {
    const { queriesPerSecond, queriesBurst } = settings
    this.contact = contact
    this.degree = degree
    this.queries = new Bucket({ perSecond: queriesPerSecond, burst: queriesBurst }, now)
    // Every node in reach may answer one query at once; in the long run a node answers what it is asked.
    this.hits = new Bucket({ perSecond: 16 * queriesPerSecond, burst: HITS_PER_QUERY_MAX }, now)
    this.pings = new Bucket({ perSecond: PINGS_PER_SECOND, burst: PINGS_BURST }, now)
    this.pushes = new Bucket({ perSecond: PUSHES_PER_SECOND, burst: PUSHES_BURST }, now)
    this.tableParts = new Bucket({ perSecond: TABLE_PARTS_PER_SECOND, burst: TABLE_PARTS_BURST }, now)
    this.queriesOut = new Bucket({ perSecond: OUT_SHARE * queriesPerSecond, burst: OUT_SHARE * queriesBurst }, now)
    this.pingsOut = new Bucket({ perSecond: OUT_SHARE * PINGS_PER_SECOND, burst: OUT_SHARE * PINGS_BURST }, now)
  }

  get id(): NodeId {
    return this.contact.id
  }
}
