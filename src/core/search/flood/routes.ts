/**
 * The ways back. 0.4: "QueryHit descriptors may only be sent along the same path that carried the incoming Query descriptor."; "Push
 * descriptors may only be sent along the same path that carried the incoming QueryHit descriptor."; the same of Pong and Ping.
 * What is remembered for that is also what tells a duplicate: bounded, and forgotten in generations.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { DescriptorId } from '../../../wire/gnutella/search.ts'
import { Generations } from './generations.ts'
import { HOLDERS_PER_GENERATION_MAX, IDS_PER_GENERATION_MAX } from '../settings.ts'

export interface QueryRoute {
  /** Where answers go; undefined: this node asked itself. */
  from: NodeId | undefined
  /** Of the copy that came from there, as it came. */
  hops: number
  /** The highest TTL of the copies that came, as they came. */
  ttl: number
  /** The most that TTL and hops of a copy came to: how far the widest round goes from its origin. */
  span: number
  /** That went back. */
  hits: number
}

export interface PingRoute {
  readonly from: NodeId | undefined
  readonly sentAt: Instant
  /** That went back. */
  pongs: number
}

export class Routes {
  readonly queries: Generations<DescriptorId, QueryRoute>
  readonly pings: Generations<DescriptorId, PingRoute>
  /** The neighbour by which the last hit of a holder came. */
  readonly holders: Generations<NodeId, NodeId>
  readonly pushes: Generations<DescriptorId, true>
  /** Hits with results that went through here, by their signatures. */
  readonly hits: Generations<string, true>

  constructor(memoryMs: number) {
    this.queries = new Generations(IDS_PER_GENERATION_MAX, memoryMs)
    this.pings = new Generations(IDS_PER_GENERATION_MAX, memoryMs)
    this.holders = new Generations(HOLDERS_PER_GENERATION_MAX, memoryMs)
    this.pushes = new Generations(HOLDERS_PER_GENERATION_MAX, memoryMs)
    this.hits = new Generations(IDS_PER_GENERATION_MAX, memoryMs)
  }

  /** Forgets what nobody has looked up for long. */
  turn(now: Instant): void {
    for (const memory of [this.queries, this.pings, this.holders, this.pushes, this.hits]) memory.turn(now)
  }
}
