/** A stream that pauses and resumes like the library's streams, and records what the sender was told. */
export class KeepingStream extends EventTarget {
  status = 'open'
  readStatus = 'readable'
  readableEnded = false
  /** Whether the sender may send. */
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

  /** Emits the buffered bytes, and then resumes the sender, even when a listener has paused the stream in between. */
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
