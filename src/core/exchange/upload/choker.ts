/**
 * Who is served. The seam for tit-for-tat: a choker sees who waits and who is served, and names those to serve from now on.
 *
 * `cluster` owes nobody anything: as many as there are slots, the longest waiting first; who was served for 10 s makes
 * room for one that waits.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Now } from '../../machine.ts'
import { UNCHOKED_MS } from '../settings.ts'

export interface Chokable {
  readonly peer: NodeId
  readonly served: boolean
  /** When it began to be served, or to wait. */
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
