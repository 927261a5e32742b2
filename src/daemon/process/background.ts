/** Work that nobody awaits. */
import { AssertionError } from '../../base/assert.ts'
import type { Logger } from 'pino'

/**
 * Lets a promise run without a caller that waits for it. A rejection is logged under `what`, in words that follow
 * "failed:"; a broken invariant is thrown to the process instead, which ends.
 */
export function logFailure(promise: Promise<unknown>, what: string, log: Pick<Logger, 'error'>): void {
  promise.catch((err: unknown) => {
    log.error({ err }, `failed: ${what}`)
    if (err instanceof AssertionError) rethrow(err)
  })
}

/** As an uncaught exception, which the process hears (process.ts): not into whoever happens to call. */
function rethrow(error: unknown): void {
  setImmediate(() => {
    throw error
  })
}
