import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Yields at once and then every `ms`, until the signal aborts. For what no event announces: frames of `top` and `status --follow`, which
 * are samples, and ticket files, which other processes write. Whatever an event announces is waited for by that event.
 */
export async function* every(ms: number, signal: AbortSignal): AsyncGenerator<void, void, void> {
  while (!signal.aborted) {
    yield
    await sleep(ms, undefined, { signal }).catch(() => undefined)
  }
}
