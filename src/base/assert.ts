/** Assertions of our own invariants. They stay on in production: a node whose state is inconsistent must stop. */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws AssertionError when `condition` is false. Not for input of peers or users, which is counted or refused. */
export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${claim}`)
}

/** The default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}

/** Returns `value`. Throws AssertionError when it is undefined. */
export function expectDefined<T>(value: T | undefined, claim: string): T {
  if (value === undefined) throw new AssertionError(`invariant broken: ${claim}`)
  return value
}
