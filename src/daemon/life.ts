/**
 * The life of a daemon: which overlay it works in, and what may happen while that changes. One state machine owns it.
 *
 *     starting ──▶ running ◀──▶ moving          start; change
 *         │           │           │
 *         │           │           └──▶ lost     neither the next overlay nor the previous one could be opened
 *         ▼           ▼           ▼
 *      stopping ◀─────┴───────────┘             stop, from every state
 *         │
 *         ▼
 *      stopped
 *
 * running: the session of one overlay is open. moving: it is being closed and the next one opened; calls wait, or get `busy`.
 * stopping: what is under way ends first, then the session that is open then is closed.
 *
 * Changes run one at a time, in the order in which they were asked for. A change that fails before the session is closed
 * leaves it as it is; one that fails later goes back, by the ways that the change itself names. `stop` during a change lets
 * the present step end, opens nothing more, and closes what is open.
 *
 * `S` is a session: all that belongs to one overlay and is closed with it.
 */
import { AssertionError, assert } from '../base/assert.ts'
import { ShoalError } from '../base/errors.ts'

/** Changes that run or wait. More is a client that repeats itself. */
export const CHANGES_MAX = 4
/** Calls that wait for a change to end. */
export const WAITING_CALLS_MAX = 32
/** A call waits so long: over a goodbye, the closing of connections and a look-up of contacts together. */
export const WAIT_MS_MAX = 15_000

export type LifeState<S> =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly session: S }
  /** `from`: the session that is given up; it may be closed already. */
  | { readonly kind: 'moving'; readonly from: S }
  | { readonly kind: 'lost'; readonly problem: unknown }
  /** `session`: what has to be closed; undefined while a change still decides that, and when nothing is open. */
  | { readonly kind: 'stopping'; readonly session: S | undefined }
  | { readonly kind: 'stopped' }

/** One way into an overlay. */
export interface Way<S> {
  /** The signal aborts when the daemon is told to stop. */
  readonly open: (signal: AbortSignal) => Promise<S>
  /** For the log and the caller: follows "the node is back in its overlay". Empty when all is as before. */
  readonly note: string
}

export interface Move<S> {
  /** With the session still open: what makes the change certain. If it throws, nothing has changed. */
  readonly prepare: (from: S, signal: AbortSignal) => Promise<void>
  readonly close: (from: S) => Promise<void>
  readonly open: (signal: AbortSignal) => Promise<S>
  /** After `close` or `open` failed, in this order until one succeeds. */
  readonly back: ReadonlyArray<Way<S>>
}

/** What a change works with while it runs. */
export interface Turn<S> {
  readonly session: S
  readonly signal: AbortSignal
  /** Goes over to another overlay. At most once in a turn. Throws what failed; the session is the previous one then. */
  readonly move: (move: Move<S>) => Promise<S>
}

export interface LifeOptions {
  /** Nothing is open, and nothing can be opened: the process must end. */
  readonly onLost: (problem: unknown) => void
  /** After a change that failed, when the node is back: `note` says by which way. */
  readonly onBack?: (problem: unknown, note: string) => void
  /** For tests. */
  readonly waitMsMax?: number
}

export class Life<S> {
  private readonly options: LifeOptions
  private state: LifeState<S> = { kind: 'starting' }
  private readonly stopSignal = new AbortController()
  /** The last session, also while it is given up: for those who only look. */
  private last: S | undefined
  private turns: Promise<unknown> = Promise.resolve()
  private changes = 0
  private readonly waiting = new Set<() => void>()
  private ended: Promise<void> | undefined

  constructor(options: LifeOptions) {
    this.options = options
  }

  get kind(): LifeState<S>['kind'] {
    return this.state.kind
  }

  /** The session of now, or the last one while there is none. Calls of one that is closed fail with `busy`. */
  get session(): S {
    if (this.last === undefined) throw starting()
    return this.last
  }

  /** Whether this is the session that the node works in. */
  isRunning(session: S): boolean {
    return this.state.kind === 'running' && this.state.session === session
  }

  /** Opens the first session. Throws what `open` throws; the node is to be stopped then. */
  async start(open: (signal: AbortSignal) => Promise<S>): Promise<void> {
    assert(this.state.kind === 'starting' && this.changes === 0, 'a daemon starts once')
    const opened = this.inTurn(async () => {
      this.stopSignal.signal.throwIfAborted()
      this.settle(await open(this.stopSignal.signal))
    })
    await opened
  }

  /**
   * Runs `act` when all changes before it have ended. Throws ShoalError `busy` when too many wait, `interrupted` when the
   * daemon stops, and what `act` throws.
   */
  async change<T>(act: (turn: Turn<S>) => Promise<T>): Promise<T> {
    this.refuseEnding()
    if (this.changes >= CHANGES_MAX) throw changing('too many changes of the overlay wait')
    this.changes++
    try {
      return await this.inTurn(async () => {
        this.refuseEnding()
        if (this.state.kind !== 'running') throw changing('the node has no overlay')
        const { session } = this.state
        return act({ session, signal: this.stopSignal.signal, move: move => this.move(session, move) })
      })
    } finally {
      this.changes--
    }
  }

  /**
   * Resolves when the node works in an overlay: at once, unless that changes just now. Throws ShoalError `busy` when too many
   * calls wait or the change takes too long, `interrupted` when the daemon stops, and the signal's reason.
   */
  async settled(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + (this.options.waitMsMax ?? WAIT_MS_MAX)
    for (;;) {
      signal.throwIfAborted()
      this.refuseEnding()
      if (this.state.kind === 'running') return
      const leftMs = deadline - performance.now()
      if (leftMs <= 0 || this.waiting.size >= WAITING_CALLS_MAX) throw changing('the node is changing its overlay')
      await this.changed(signal, leftMs)
    }
  }

  /**
   * Ends everything: what is under way ends first, then `end` closes the session that is open, if any. Idempotent: `end` runs
   * once, and every caller waits for it.
   */
  stop(end: (session: S | undefined) => Promise<void>): Promise<void> {
    this.ended ??= this.endOnce(end)
    return this.ended
  }

  private async endOnce(end: (session: S | undefined) => Promise<void>): Promise<void> {
    const { state } = this
    this.become({ kind: 'stopping', session: state.kind === 'running' ? state.session : undefined })
    this.stopSignal.abort(new StoppingError())
    await this.turns
    const now: LifeState<S> = this.state
    try {
      await end(now.kind === 'stopping' ? now.session : undefined)
    } finally {
      this.become({ kind: 'stopped' })
    }
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.turns.then(act)
    this.turns = turn.catch(() => undefined)
    return turn
  }

  private async move(from: S, { prepare, close, open, back }: Move<S>): Promise<S> {
    assert(this.isRunning(from) || this.kind === 'stopping', 'one move in a turn')
    const { signal } = this.stopSignal
    signal.throwIfAborted()
    this.become({ kind: 'moving', from })
    try {
      await prepare(from, signal)
    } catch (error) {
      // A stop in the meantime finds the session open, and closes it.
      this.settle(from)
      throw error
    }
    try {
      await close(from)
      signal.throwIfAborted()
      return this.settle(await open(signal))
    } catch (error) {
      return await this.goBack(error, back)
    }
  }

  /** Always throws: the previous overlay is open again then, or nothing is. */
  private async goBack(error: unknown, back: ReadonlyArray<Way<S>>): Promise<never> {
    const { signal } = this.stopSignal
    let problem = error
    for (const { open, note } of back) {
      if (signal.aborted || problem instanceof AssertionError) break
      try {
        this.settle(await open(signal))
      } catch (another) {
        problem = another
        continue
      }
      this.options.onBack?.(error, note)
      throw failedMove(error, note)
    }
    if (signal.aborted) throw new StoppingError()
    this.become({ kind: 'lost', problem })
    this.options.onLost(problem)
    throw problem
  }

  /** This session is open from now on: the node works in it, or a stop that came meanwhile closes it. */
  private settle(session: S): S {
    this.last = session
    this.become(this.state.kind === 'stopping' ? { kind: 'stopping', session } : { kind: 'running', session })
    return session
  }

  private become(state: LifeState<S>): void {
    this.state = state
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Resolves with the next change of the state, after `ms`, or when the signal aborts. */
  private changed(signal: AbortSignal, ms: number): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake)
      this.waiting.add(wake)
    })
  }

  private refuseEnding(): void {
    const { state } = this
    if (state.kind === 'stopping' || state.kind === 'stopped') throw new StoppingError()
    if (state.kind === 'lost') throw state.problem
  }
}

/** The reason of every signal that a stop aborts. */
export class StoppingError extends ShoalError {
  /** `goesOn`: what becomes of the work, in words that follow "the daemon is stopping; ". */
  constructor(goesOn?: string) {
    super('interrupted', `the daemon is stopping${goesOn === undefined ? '' : `; ${goesOn}`}`, {
      hint: 'start it again: shoal daemon --detach'
    })
  }
}

function starting(): ShoalError {
  return new ShoalError('busy', 'the daemon is starting', RETRY)
}

function changing(message: string): ShoalError {
  return new ShoalError('busy', message, RETRY)
}

/** The error keeps its code; a fault of ours stays as it is. */
function failedMove(error: unknown, note: string): unknown {
  if (!(error instanceof ShoalError)) return error
  return new ShoalError(error.code, `${error.message}; the node is back in its overlay${note}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error
  })
}

const RETRY = { hint: 'run the command again in a few seconds' }
