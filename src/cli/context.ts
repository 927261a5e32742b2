/** What every command works with. */
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlApi, ControlMethod, EventOf, Params, ResultOf } from '../wire/control/methods.ts'
import type { ExitStatus } from '../wire/control/exit.ts'
import type { HomeApi, HomeMethod, HomeParams, HomeResult } from '../wire/control/home.ts'
import type { Output } from './terminal/output.ts'
import type { Transport } from './client/transport.ts'

export interface Context {
  readonly output: Output
  /** Absolute. */
  readonly home: string
  /** `shoal daemon --detach`, with --home where it is needed. */
  readonly startHint: string
  /** Of this program. */
  readonly version: string
  readonly cwd: string
  readonly stdin: NodeJS.ReadStream
  /** For bytes; answers go through `output`. */
  readonly stdout: Writable
  /** For prompts; notes and progress go through `output`. */
  readonly stderr: Writable
  /** stdout where it is a terminal, for a command that draws on all of it. */
  readonly terminal: NodeJS.WriteStream | undefined
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, which is its reason. */
  readonly signal: AbortSignal
  /** Over the socket, of the daemon. */
  readonly daemon: Transport<ControlApi>
  /** Of the home itself, where no daemon runs. */
  readonly homeProcess: Transport<HomeApi>
  /** Sets the exit status of a command that has printed its answer; 0 without a call. */
  readonly exit: (status: ExitStatus) => void
}

/** Delay before a "waiting" note is shown. */
const SLOW_MS = 2_000

interface AskOptions<M extends ControlMethod> {
  onEvent?: (event: EventOf<M>) => void
  /** In place of the context's. */
  signal?: AbortSignal
}

/** Throws ShoalError as Transport.ask. */
export async function askDaemon<M extends ControlMethod>(
  { daemon, output, signal }: Context,
  method: M,
  params: Params<M>,
  options: AskOptions<M> = {}
): Promise<ResultOf<M>> {
  const asked = daemon.ask(method, params, { signal: options.signal ?? signal, onEvent: options.onEvent })
  // A method that streams reports itself what it waits for.
  return options.onEvent === undefined ? noteIfSlow(output, "the daemon's answer", asked) : asked
}

/** Prints what it waits for when the work takes longer than SLOW_MS. */
export async function noteIfSlow<T>(output: Output, what: string, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => {
    output.note(`waiting for ${what}`)
  }, SLOW_MS)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}

/** Throws ShoalError as Transport.ask. */
export async function askHome<M extends HomeMethod>(
  { homeProcess, signal }: Context,
  method: M,
  params: HomeParams<M>
): Promise<HomeResult<M>> {
  return homeProcess.ask(method, params, { signal })
}

/** Polls until `isSo` returns true. Resolves with false when the time is up or the signal aborts. */
export async function eventually(
  isSo: () => Promise<boolean>,
  timeoutMs: number,
  signal: AbortSignal
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > endMs || signal.aborted) return false
    await sleep(50)
  }
  return true
}
