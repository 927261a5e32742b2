/**
 * The one ring query that a node may have in flight (Chord.v of verdi-chord: a node that waits
 * for an answer puts off the queries of others). Here they hear Busy and come back, so that nodes which wait for each other
 * in a circle do not wait for ever.
 */
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { RingContext } from './context.ts'
import type { RingMember } from '../members.ts'

export type Purpose =
  /** The state of the first successor, or of one behind successors that were silent. */
  | { kind: 'stabilise'; position: number }
  /** The state of a node that seems to stand between this one and its first successor. */
  | { kind: 'adopt' }
  /** Whether the predecessor lives, since somebody else notified. */
  | { kind: 'rectify'; notifier: RingMember }
  /** Whether the nearest member before this node is part of the ring, since no predecessor is known. */
  | { kind: 'precede' }
  /** The state of a member that may take this node in. */
  | { kind: 'join' }

export interface Query {
  readonly purpose: Purpose
  readonly to: RingMember
  readonly request: number
  readonly sentAt: Instant
  sends: number
  waitMs: number
  timeoutAt: Instant
}

export class QuerySlot {
  current: Query | undefined
  private readonly ring: RingContext

  constructor(ring: RingContext) {
    this.ring = ring
  }

  /** In place of the query in flight, if any. */
  start(purpose: Purpose, to: RingMember, now: Instant): void {
    const waitMs = this.ring.answerMs(to)
    const request = this.ring.nextRequest()
    this.current = { purpose, to, request, sentAt: now, sends: 0, waitMs, timeoutAt: after(now, waitMs) }
    this.send(this.current, now)
  }

  /** Ends the query that this answers and returns it. Late and repeated answers belong to none. */
  answered(from: NodeId, request: number, now: Instant): Query | undefined {
    const query = this.current
    if (query?.request !== request || query.to.id !== from) return undefined
    this.current = undefined
    // Which of several sends was answered is unknown (Karn's algorithm).
    if (query.sends === 1) this.ring.measured(from, query.sentAt, now)
    return query
  }

  /** Sends again what was not answered in time; returns and ends the query once it was sent often enough. */
  silent(now: Instant): Query | undefined {
    const query = this.current
    if (query === undefined || query.timeoutAt > now) return undefined
    if (query.sends < this.ring.settings.queryTries) {
      query.waitMs *= 2
      this.send(query, now)
      return undefined
    }
    this.current = undefined
    return query
  }

  private send(query: Query, now: Instant): void {
    query.sends++
    query.timeoutAt = after(now, query.waitMs)
    const pings = query.purpose.kind === 'rectify' || query.purpose.kind === 'precede'
    this.ring.send(query.to.contact, { kind: pings ? 'ping' : 'ask', request: query.request })
  }
}
