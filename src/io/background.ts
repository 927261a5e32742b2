/** Work that nobody waits for. */

/**
 * Lets `work` run to its end without a caller. `work` must not reject: its failures are results, or are handled inside. A
 * rejection is therefore a broken assumption of our own code, and is thrown where the process reports such faults.
 */
export function inBackground(work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    queueMicrotask(() => {
      throw error
    })
  })
}
