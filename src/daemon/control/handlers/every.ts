import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Yields at once and then every `ms`, until the signal aborts. For what no event announces: frames of `top` and `status --follow`, which
 * are samples, and ticket files, which other processes write. Whatever an event announces is waited for by that event.
 *
 * With `settled` (Services) it waits before each look until the node works in an overlay, and throws what that throws while the
 * signal has not aborted.
 */
export async function* every(
  ms: number,
  signal: AbortSignal,
  settled?: (signal: AbortSignal) => Promise<void>
): AsyncGenerator<void, void, void> {
  const isAborted = (): boolean => signal.aborted
  while (!isAborted()) {
    try {
      await settled?.(signal)
    } catch (error) {
      if (isAborted()) return
      throw error
    }
    yield
    await sleep(ms, undefined, { signal }).catch(() => undefined)
  }
}
