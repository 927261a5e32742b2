/** What is claimed, one after another, and the sum. A claim that fails does not end the run: the next ones say what else holds. */
export class Claims {
  private passed = 0
  private failed = 0
  private closed = false
  private readonly startMs = performance.now()

  /** `prove` throws where the claim is false, and may return figures. False when it failed. */
  async claim(what: string, prove: () => Promise<string | undefined>): Promise<boolean> {
    if (this.closed) return false
    const beganMs = performance.now()
    try {
      const figures = await prove()
      this.passed++
      console.log(`✓ ${what}${figures === undefined ? '' : `: ${figures}`}${spent(beganMs)}`)
      return true
    } catch (error) {
      if (this.isClosed()) return false
      this.fail(what, error, beganMs)
      return false
    }
  }

  fail(what: string, error: unknown, beganMs = performance.now()): void {
    this.failed++
    const why = error instanceof Error ? error.message : String(error)
    console.log(`✗ ${what}${spent(beganMs)}\n  ${why.trimEnd().replaceAll('\n', '\n  ')}`)
  }

  /** Nothing more is claimed: the rest was not tried. */
  close(): void {
    this.closed = true
  }

  private isClosed(): boolean {
    return this.closed
  }

  /** The last lines. Returns the exit status. */
  sum(): number {
    const seconds = ((performance.now() - this.startMs) / 1000).toFixed(0)
    console.log(`in ${seconds} s`)
    console.log(`${this.passed} passed, ${this.failed} failed`)
    return this.failed === 0 && this.passed > 0 ? 0 : 1
  }
}

function spent(beganMs: number): string {
  return ` [${((performance.now() - beganMs) / 1000).toFixed(1)} s]`
}
