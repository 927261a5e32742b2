/** Bytes a second from totals that are looked at now and then. One for each who looks: every frame is since the one before. */

export class Rates {
  private before = new Map<string, number>()
  private beforeMs: number | undefined
  private seen = new Map<string, number>()
  private seconds = 0

  /** A new look begins. What nobody asks for in it is forgotten. */
  begin(nowMs: number): void {
    this.seconds = this.beforeMs === undefined ? 0 : (nowMs - this.beforeMs) / 1_000
    this.before = this.seen
    this.beforeMs = nowMs
    this.seen = new Map()
  }

  /** Since the look before; 0 for what was not there. A total that fell was begun anew. */
  of(name: string, totalBytes: number): number {
    this.seen.set(name, totalBytes)
    const before = this.before.get(name)
    if (before === undefined || this.seconds <= 0) return 0
    return Math.round(Math.max(0, totalBytes - before) / this.seconds)
  }
}
