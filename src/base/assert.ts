/** Asserts of our own invariants. They stay on in production: a node that is wrong about itself must stop, not go on. */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws AssertionError when `condition` is false. Never for what a peer or a user sent: that is counted or refused. */
export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${claim}`)
}

/** The default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}

/** A value that our own bookkeeping says is there. */
export function expectDefined<T>(value: T | undefined, claim: string): T {
  if (value === undefined) throw new AssertionError(`invariant broken: ${claim}`)
  return value
}
