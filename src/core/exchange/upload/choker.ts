/**
 * Chooses the peers to unchoke. A choker receives the waiting and the served peers, and returns the peers to serve from
 * now on. Tit-for-tat would be another choker.
 *
 * `clusterChoker` fills the slots with the peers that wait longest. A peer that was served for 10 s yields its slot to
 * one that waits.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Now } from '../../machine.ts'
import { UNCHOKED_MS } from '../settings.ts'

export interface Chokable {
  readonly peer: NodeId
  readonly served: boolean
  /** When the peer was last choked or unchoked, or arrived. */
  readonly since: Instant
}

export interface Choker {
  choose(peers: readonly Chokable[], slots: number, now: Now): ReadonlySet<NodeId>
}

export const clusterChoker: Choker = {
  choose(peers, slots, now) {
    const longest = [...peers].sort((a, b) => a.since - b.since || (a.peer < b.peer ? -1 : 1))
    const served = longest.filter(one => one.served)
    const waiting = longest.filter(one => !one.served)
    const crowded = served.length >= slots && waiting.length > 0
    const rested = crowded ? served.filter(one => now.mono - one.since >= UNCHOKED_MS).slice(0, waiting.length) : []
    const staying = served.filter(one => !rested.includes(one)).slice(0, slots)
    return new Set([...staying, ...waiting].slice(0, slots).map(one => one.peer))
  }
}
