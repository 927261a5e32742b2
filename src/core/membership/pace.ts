/** Lets one thing through per peer in a while; remembers a bounded number of peers. */
import { LruMap } from '../../base/bounded.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Instant } from '../../base/time.ts'

/** Peers remembered; with more than that at once some are let through too early. */
export const PACED_PEERS_MAX = 256

export class Pace {
  private readonly last = new LruMap<NodeId, Instant>(PACED_PEERS_MAX)
  private readonly pauseMs: number

  constructor(pauseMs: number) {
    this.pauseMs = pauseMs
  }

  /** Whether it may happen now; then it counts as having happened. */
  allows(peer: NodeId, now: Instant): boolean {
    const before = this.last.get(peer)
    if (before !== undefined && now - before < this.pauseMs) return false
    this.last.set(peer, now)
    return true
  }
}
