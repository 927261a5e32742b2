/**
 * The reverse paths. 0.4: "QueryHit descriptors may only be sent along the same path that carried the incoming Query
 * descriptor."; "Push descriptors may only be sent along the same path that carried the incoming QueryHit descriptor.";
 * the same of Pong and Ping. The same entries detect duplicates. They are bounded and expire in generations.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { DescriptorId } from '../../../wire/gnutella/search.ts'
import { Generations } from './generations.ts'
import { HOLDERS_PER_GENERATION_MAX, IDS_PER_GENERATION_MAX } from '../settings.ts'

export interface QueryRoute {
  /** The neighbour to which answers go; undefined for a query of this node. */
  from: NodeId | undefined
  /** Hops of the copy from that neighbour, as received. */
  hops: number
  /** The highest TTL of all copies, as received. */
  ttl: number
  /** The highest sum of TTL and hops of all copies: how far the widest round goes from its origin. */
  span: number
  /** Hits that went back. */
  hits: number
}

export interface PingRoute {
  readonly from: NodeId | undefined
  readonly sentAt: Instant
  /** Pongs that went back. */
  pongs: number
}

export class Routes {
  readonly queries: Generations<DescriptorId, QueryRoute>
  readonly pings: Generations<DescriptorId, PingRoute>
  /** The neighbour that sent the last hit of a holder, by holder. */
  readonly holders: Generations<NodeId, NodeId>
  readonly pushes: Generations<DescriptorId, true>
  /** Hits with results that passed through this node, by their signatures. */
  readonly hits: Generations<string, true>

  constructor(memoryMs: number) {
    this.queries = new Generations(IDS_PER_GENERATION_MAX, memoryMs)
    this.pings = new Generations(IDS_PER_GENERATION_MAX, memoryMs)
    this.holders = new Generations(HOLDERS_PER_GENERATION_MAX, memoryMs)
    this.pushes = new Generations(HOLDERS_PER_GENERATION_MAX, memoryMs)
    this.hits = new Generations(IDS_PER_GENERATION_MAX, memoryMs)
  }

  /** Drops expired entries of maps that are not in use. */
  turn(now: Instant): void {
    for (const memory of [this.queries, this.pings, this.holders, this.pushes, this.hits]) memory.turn(now)
  }
}
