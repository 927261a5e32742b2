/** Work that no caller awaits. */

/**
 * Lets `work` run without being awaited. `work` must not reject: its failures are results, or are handled inside. A
 * rejection is therefore a bug, and is rethrown as an uncaught exception, which the process reports.
 */
export function inBackground(work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    queueMicrotask(() => {
      throw error
    })
  })
}
