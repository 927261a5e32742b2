/**
 * `get`: the daemon fetches, this follows. Ctrl-C pauses the download and says how to go on; a terminal that is lost takes the
 * follower with it and leaves the download.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import {
  CONTROL_BODY_BYTES_MAX,
  type EventOf,
  type Params,
  type ResultOf,
  type TransferRow
} from '../../wire/control/methods.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import { askDaemon, type Context } from '../context.ts'
import { bytesText, count, rateText, secondsText } from '../terminal/format.ts'
import { readBounded } from '../files.ts'

/** What the other parameters may take of a call's body. */
const OTHER_PARAMS_BYTES_MAX = 128 * 1024
/** In base 64 it still fits into one call. */
export const TORRENT_BYTES_MAX = ((CONTROL_BODY_BYTES_MAX - OTHER_PARAMS_BYTES_MAX) / 4) * 3
const PAUSE_TIMEOUT_MS = 5_000

export interface GetOptions {
  output?: string
  include?: string[]
  overwrite?: boolean
  /** Commander's form of --no-share. */
  share?: boolean
  rename?: boolean
  /** Seconds. */
  timeout?: number
}

export async function get(context: Context, what: string, options: GetOptions): Promise<void> {
  const { output } = context
  let id: string | undefined
  let problem: string | undefined
  let state: string = ''
  const onEvent = (event: EventOf<'get'>): void => {
    output.event(event)
    if (event.event === 'progress') {
      id = event.id
      state = event.state
    }
    if (output.mode === 'json') return
    if (event.event === 'waiting') output.note(`waiting for ${escapeForTerminal(event.for)}`)
    else if (event.event === 'failed-before') output.note(`the last try failed: ${escapeForTerminal(event.message)}`)
    else {
      // A line of its own: without a terminal no progress is drawn.
      if (event.problem !== undefined && event.problem !== problem) output.note(escapeForTerminal(event.problem))
      ;({ problem } = event)
      output.progress(() => progressText(event))
    }
  }
  try {
    const done = await askDaemon(context, 'get', paramsOf(context, what, options), { onEvent })
    output.answer({ json: done, text: () => doneText(done), ids: () => [done.id] })
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'interrupted' || !context.signal.aborted) throw error
    if (state === 'copying') {
      throw new ShoalError('interrupted', 'the copy was interrupted: its unfinished files are deleted', {
        hint: 'the same command copies it'
      })
    }
    throw await pausedError(context, id ?? what)
  }
}

function paramsOf({ cwd }: Context, what: string, options: GetOptions): Params<'get'> {
  const { include, overwrite, share, rename, timeout } = options
  return {
    ...contentOf(cwd, what),
    dir: path.resolve(cwd, options.output ?? '.'),
    ...(include === undefined ? {} : { include }),
    ...(overwrite === true ? { overwrite } : {}),
    ...(share === false ? { share } : {}),
    ...(rename === true ? { rename } : {}),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 })
  }
}

/** A name may end in `.torrent` too: a file that is there decides, or a path that can only be one. */
function contentOf(cwd: string, what: string): { torrent: string } | { what: string } {
  const file = path.resolve(cwd, what)
  const isMeantAsFile = what.endsWith('.torrent') && (what.includes('/') || existsSync(file))
  if (!isMeantAsFile) return { what }
  const hint = 'get it by its magnet link or content ID: its holders have the rest of it'
  return { torrent: readBounded(file, TORRENT_BYTES_MAX, hint).toString('base64') }
}

/** `name  42.0 %  1.2 GiB of 2.9 GiB  35.0 MiB/s  50 s left  3 sources`. */
export function progressText(row: TransferRow): string {
  const { name, state, bytes, haveBytes, bytesPerSecond, sources } = row
  const reason = row.problem ?? row.reason
  const label = name === '' ? escapeForTerminal(row.id).slice(0, 16) : escapeForTerminal(name)
  if (state !== 'fetching') return `${label}  ${state}${reason === undefined ? '' : `: ${escapeForTerminal(reason)}`}`
  // Rounded down: 100 % is for what is whole.
  const percent = bytes === 0 ? 100 : Math.floor((haveBytes / bytes) * 1000) / 10
  const left =
    bytesPerSecond > 0
      ? `${secondsText((bytes - haveBytes) / bytesPerSecond)} left`
      : escapeForTerminal(reason ?? 'stalled')
  const amount = `${bytesText(haveBytes)} of ${bytesText(bytes)}`
  return [
    label,
    `${percent.toFixed(1)} %`,
    amount,
    rateText(bytesPerSecond),
    left,
    count(sources.length, 'source')
  ].join('  ')
}

function doneText({ path, bytes, fetchedBytes, reusedBytes, seconds, sources }: ResultOf<'get'>): string {
  const reused = reusedBytes > 0 ? `, ${bytesText(reusedBytes)} was there` : ''
  const rate = seconds > 0 && fetchedBytes > 0 ? ` (${rateText(fetchedBytes / seconds)})` : ''
  const from = sources.length > 0 ? ` from ${count(sources.length, 'source')}` : ''
  return `${escapeForTerminal(path)}: ${bytesText(bytes)}${reused}, in ${secondsText(seconds)}${rate}${from}\n`
}

async function pausedError(context: Context, id: string): Promise<ShoalError> {
  if (context.signal.reason === 'SIGHUP')
    return new ShoalError('interrupted', 'the terminal is gone; the download goes on')
  context.output.note('pausing')
  try {
    await askDaemon(context, 'pause', { id }, { signal: AbortSignal.timeout(PAUSE_TIMEOUT_MS) })
    return new ShoalError('interrupted', `paused ${id}`, { hint: 'the same command goes on where it was' })
  } catch (cause) {
    const why = cause instanceof ShoalError ? cause.message : String(cause)
    return new ShoalError('interrupted', `interrupted, but could not pause ${id}: ${why}`, {
      hint: 'the daemon may go on with it: shoal status',
      cause
    })
  }
}
