/** Tracks the counters received from one sender in a ring (RFC 6479). Counters older than the window count as seen. */

/** How far datagrams may be reordered. A gossip burst to one member has tens of datagrams; a slot costs one byte. */
export const REPLAY_WINDOW = 1_024

export class ReplayWindow {
  private readonly seen = new Uint8Array(REPLAY_WINDOW)
  private highest = -1

  has(counter: number): boolean {
    if (counter > this.highest) return false
    if (counter <= this.highest - REPLAY_WINDOW) return true
    return this.seen[counter % REPLAY_WINDOW] === 1
  }

  /** False when the counter was seen before, or is older than the window. */
  add(counter: number): boolean {
    if (this.has(counter)) return false
    if (counter > this.highest) {
      const passed = Math.min(counter - this.highest, REPLAY_WINDOW)
      for (let i = 1; i <= passed; i++) this.seen[(counter - passed + i) % REPLAY_WINDOW] = 0
      this.highest = counter
    }
    this.seen[counter % REPLAY_WINDOW] = 1
    return true
  }
}
