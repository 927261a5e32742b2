/** Which counters of one sender were seen (RFC 6479's idea: a ring; older than the window counts as seen). */

/** Datagrams that may overtake one another. A gossip burst to one member is tens; 1,024 is generous, and a byte each is cheap. */
export const REPLAY_WINDOW = 1_024

export class ReplayWindow {
  private readonly seen = new Uint8Array(REPLAY_WINDOW)
  private highest = -1

  has(counter: number): boolean {
    if (counter > this.highest) return false
    if (counter <= this.highest - REPLAY_WINDOW) return true
    return this.seen[counter % REPLAY_WINDOW] === 1
  }

  /** False when it was there, or is too old to know. */
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
