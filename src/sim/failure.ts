/** Failures of a run, and the checkers that find them. */

export interface Violation {
  /** The name of the violated property, used in mutants and reports. */
  readonly property: string
  readonly detail: string
}

/** Ends a run. The methods of World throw it. */
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

/** Checks properties of a run. Created anew for every run, so it may keep state. */
export interface Checker<W, N, E> {
  /** Called after every call of a machine; must be cheap. */
  afterEvent?(world: W, node: N): Violation | undefined
  /** The interval of `periodically`, in virtual time. */
  readonly everyMs?: number
  periodically?(world: W): Violation | undefined
  /** Called for every event that a machine emits. */
  emitted?(world: W, node: N, event: E): Violation | undefined
  /** Called before a process starts, and after one ended. May report a violation with `world.require`. */
  started?(world: W, node: N): void
  ended?(world: W, node: N): void
  /** Called after the scenario has played. */
  atEnd?(world: W): Violation | undefined
}
