/** The same work for many items, a few at a time. */

/**
 * Runs `work` for every item, at most `limit` at once. The first failure stops the rest: what runs gets its signal, is waited
 * for, and the failure is thrown. So is the reason of `signal`.
 */
export async function eachOf<T>(
  items: Iterable<T>,
  options: { limit: number; signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>
): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const iterator = items[Symbol.iterator]()
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      signal.throwIfAborted()
      await work(next.value, signal)
    }
  }
  const lanes = Array.from({ length: options.limit }, async () => {
    try {
      await lane()
    } catch (error) {
      failed.abort(error)
    }
  })
  await Promise.all(lanes)
  signal.throwIfAborted()
}
