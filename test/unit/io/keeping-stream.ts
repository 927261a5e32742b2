/** A stream that pauses and resumes as the library's do, and what the other side was told. */
export class KeepingStream extends EventTarget {
  status = 'open'
  readStatus = 'readable'
  readableEnded = false
  /** Whether the other side is told to go on. */
  flowing = true
  private kept: Uint8Array[] = []

  arrive(chunks: number, bytes: number): void {
    for (let i = 0; i < chunks; i++) this.kept.push(new Uint8Array(bytes))
    this.handOut()
  }

  pause(): void {
    if (this.readStatus === 'paused') return
    this.readStatus = 'paused'
    this.flowing = false
  }

  /** Hands out what was kept, and then tells the other side to go on, whatever the listeners did meanwhile. */
  resume(): void {
    if (this.readStatus === 'readable') return
    this.readStatus = 'readable'
    this.handOut()
    this.flowing = true
  }

  private handOut(): void {
    if (this.readStatus === 'paused' || this.kept.length === 0) return
    const data = this.kept
    this.kept = []
    this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
}
