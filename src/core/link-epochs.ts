/**
 * Numbers the links of one process: each link that comes up has a higher number than all before it, so that what belongs
 * to an earlier link to the same peer can be told apart. Drivers number links; machines are told (see Machine.link).
 */
import type { NodeId } from '../base/ids.ts'

/** The epoch of a dial that failed: no link came up. */
export const NO_LINK = 0

export class LinkEpochs {
  /** Of links that are up: as many as the driver has. */
  private readonly byPeer = new Map<NodeId, number>()
  private last = NO_LINK

  /** The epoch of the link that has come up, or that has ended. */
  changed(peer: NodeId, state: 'up' | 'down'): number {
    if (state === 'up') {
      this.byPeer.set(peer, ++this.last)
      return this.last
    }
    const ended = this.byPeer.get(peer) ?? NO_LINK
    this.byPeer.delete(peer)
    return ended
  }
}
