/** What a run can be found guilty of. */

export interface Violation {
  /** The name of the property, as mutants and reports know it. */
  readonly property: string
  readonly detail: string
}

/** Ends a run. Thrown out of World's methods. */
export class SimFailure extends Error implements Violation {
  override readonly name = 'SimFailure'
  readonly property: string
  readonly detail: string

  constructor(violation: Violation, cause?: unknown) {
    super(`${violation.property}: ${violation.detail}`, cause === undefined ? undefined : { cause })
    this.property = violation.property
    this.detail = violation.detail
  }
}

/** Watches a run; made anew for every run, so it may remember. */
export interface Checker<W, N, E> {
  /** After every call of a machine. Keep it cheap. */
  afterEvent?(world: W, node: N): Violation | undefined
  /** Every so often, in milliseconds of the world. */
  readonly everyMs?: number
  periodically?(world: W): Violation | undefined
  /** An event that a machine emitted. */
  emitted?(world: W, node: N, event: E): Violation | undefined
  /** A process is about to start on the disk as it is, or has just ended. `world.require` says what is wrong with that. */
  started?(world: W, node: N): void
  ended?(world: W, node: N): void
  /** When the scenario has played. */
  atEnd?(world: W): Violation | undefined
}
