/**
 * `share`: the daemon hashes and shares, this follows. Ctrl-C cancels what is not shared yet; a terminal that is lost ends the follower,
 * and the daemon goes on. One path that fails does not stop the others.
 */
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { exitStatus, isErrorCode } from '../../wire/control/exit.ts'
import {
  CONTROL_BODY_BYTES_MAX,
  CONTROL_LIST_MAX,
  errorLine,
  PATH_LENGTH_MAX,
  type EventOf,
  type FailedRow,
  type Params,
  type ResultOf,
  type SkippedRow
} from '../../wire/control/methods.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import { askDaemon, type Context } from '../context.ts'
import { bytesText, count } from '../terminal/format.ts'

type Shared = ResultOf<'share'>['shares'][number]

export interface ShareOptions {
  invite?: boolean
  listed?: boolean
  unlisted?: boolean
  strict?: boolean
}

/** Of all paths in one call, as JSON: the other parameters have room beside them. */
const BATCH_BYTES_MAX = CONTROL_BODY_BYTES_MAX / 2
const CANCEL_TIMEOUT_MS = 5_000

/** Why something was left out of a share, for people. */
const SKIP_REASONS: Readonly<Record<string, string>> = {
  symlink: 'a symlink',
  special: 'neither a file nor a folder',
  name: 'a name that is not UTF-8, or too long',
  path: 'a path that is too long or too deep',
  unreadable: 'permission denied',
  failing: 'the disk cannot read it',
  changed: 'it changed while it was read',
  vanished: 'it was removed while the folder was read'
}

/** The exit status is that of the first path that failed. */
export async function share(context: Context, paths: readonly string[], options: ShareOptions): Promise<void> {
  const params = paramsOf(options)
  const absolute = paths.map(one => path.resolve(context.cwd, one))
  const failed = absolute.filter(isTooLong).map(tooLongRow)
  for (const one of failed) printFailed(context, one)
  const printer = new Printer(context)
  let sent = failed.length
  try {
    for (const batch of batchesOf(absolute.filter(one => !isTooLong(one)))) {
      sent += batch.length
      const sending = { batch, params, total: absolute.length, unsent: absolute.length - sent }
      const result = await shareBatch(context, sending)
      for (const one of result.shares) printer.add(one)
      for (const one of result.failed ?? []) {
        printFailed(context, one)
        failed.push(one)
      }
    }
    if (options.invite === true && printer.isHolding) printer.end(await askDaemon(context, 'invite', {}))
  } finally {
    printer.end()
  }
  const [first] = failed
  if (first !== undefined) context.exit(exitStatus(errorOf(first).code))
}

/** Prints each share when the next one comes: the ticket belongs to the last line of JSON. */
class Printer {
  private readonly context: Context
  private last: Shared | undefined

  constructor(context: Context) {
    this.context = context
  }

  get isHolding(): boolean {
    return this.last !== undefined
  }

  add(one: Shared): void {
    this.end()
    this.last = one
  }

  end(invitation?: ResultOf<'invite'>): void {
    if (this.last === undefined) return
    printShared(this.context, this.last, invitation)
    this.last = undefined
    if (invitation !== undefined) printInvitation(this.context, invitation)
  }
}

function paramsOf({ listed, unlisted, strict }: ShareOptions): Omit<Params<'share'>, 'paths'> {
  if (listed === true && unlisted === true) {
    throw new ShoalError('usage', '--listed and --unlisted contradict each other', { hint: 'give one of them' })
  }
  const asListed = unlisted === true ? { unlisted } : listed === true ? { unlisted: false } : {}
  return strict === true ? { ...asListed, strict } : asListed
}

/** As many paths as one call takes. */
export function* batchesOf(paths: readonly string[]): Generator<string[]> {
  let batch: string[] = []
  let bytes = 0
  for (const one of paths) {
    const oneBytes = Buffer.byteLength(JSON.stringify(one)) + 1
    if (batch.length === CONTROL_LIST_MAX || (batch.length > 0 && bytes + oneBytes > BATCH_BYTES_MAX)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(one)
    bytes += oneBytes
  }
  if (batch.length > 0) yield batch
}

/** No system opens it, and the daemon refuses a whole call because of it. */
function isTooLong(path: string): boolean {
  return path.length > PATH_LENGTH_MAX
}

function tooLongRow(path: string): FailedRow {
  return { path, code: 'bad-input', message: `a path has ${path.length} letters, the limit is ${PATH_LENGTH_MAX}` }
}

interface Batch {
  readonly batch: string[]
  /** Paths of the command. */
  readonly total: number
  /** Paths in the batches after this one. */
  readonly unsent: number
  readonly params: Omit<Params<'share'>, 'paths'>
}

async function shareBatch(context: Context, sending: Batch): Promise<ResultOf<'share'>> {
  const { batch, params, total } = sending
  const onEvent = (event: EventOf<'share'>): void => {
    context.output.progress(() => hashingText(event))
  }
  try {
    return await askDaemon(context, 'share', { paths: batch, ...params }, { onEvent })
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
    if (error.code === 'interrupted' && context.signal.aborted) throw await interruptedError(context, sending)
    const [only = ''] = batch
    // Only a call with one path fails because of it.
    if (batch.length > 1 || total === 1 || error.code === 'unreachable') throw error
    const { code, message, hint } = error
    return { shares: [], failed: [{ path: only, code, message, ...(hint === undefined ? {} : { hint }) }] }
  }
}

async function interruptedError(context: Context, { batch, total, unsent }: Batch): Promise<ShoalError> {
  const rest = unsent > 0 ? `; it was not given the last ${unsent} of ${total} paths` : ''
  if (context.signal.reason === 'SIGHUP') {
    return new ShoalError('interrupted', `the terminal is gone; the daemon continues to share${rest}`)
  }
  context.output.note('cancelling')
  try {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS)
    const { cancelled = 0 } = await askDaemon(context, 'share', { paths: batch, cancel: true }, { signal })
    const missing = cancelled + unsent
    if (missing === 0) {
      return new ShoalError('interrupted', 'interrupted; everything was shared already', { hint: 'shoal ls lists it' })
    }
    return new ShoalError('interrupted', `cancelled; ${missing} of ${count(total, 'path')} not shared`, {
      hint: 'nothing of it changed; the same command starts it again, and reuses the hashes of files that are done'
    })
  } catch (cause) {
    const why = cause instanceof ShoalError ? cause.message : String(cause)
    return new ShoalError('interrupted', `interrupted, but the share could not be cancelled: ${why}`, {
      hint: 'the daemon may go on with it: shoal status',
      cause
    })
  }
}

function hashingText({ path, files, bytes, totalBytes }: EventOf<'share'>): string {
  const total = totalBytes === undefined ? '' : ` of ${bytesText(totalBytes)}`
  return `hashing ${bytesText(bytes)}${total}, ${count(files, 'file')}: ${escapeForTerminal(path)}`
}

function printShared(context: Context, one: Shared, invitation?: ResultOf<'invite'>): void {
  const json = invitation === undefined ? one : { ...one, ticket: invitation.ticket }
  context.output.answer({ json, text: () => sharedText(one), ids: () => [one.id] })
  noteSkipped(context, one)
}

function sharedText({ id, name, bytes, files, filesHashed, filesReused, unlisted }: Shared): string {
  const work = filesReused > 0 ? `, ${filesHashed} hashed anew` : ''
  return `${id}  ${escapeForTerminal(name)}  (${bytesText(bytes)}, ${count(files, 'file')}${work})${unlisted === true ? '  unlisted' : ''}\n`
}

function noteSkipped({ output }: Context, { name, skipped }: Shared): void {
  for (const { path, reason } of skipped.examples) {
    output.note(`skipped ${escapeForTerminal(path)}: ${SKIP_REASONS[reason] ?? escapeForTerminal(reason)}`)
  }
  const more = skippedCount(skipped) - skipped.examples.length
  if (more > 0) output.note(`skipped ${more} more in ${escapeForTerminal(name)}`)
}

function skippedCount({ examples: _, ...counts }: SkippedRow): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0)
}

/** In JSON on stdout, like the answers beside it. */
function printFailed({ output }: Context, row: FailedRow): void {
  const error = errorOf(row)
  if (output.mode === 'json') output.event({ ...errorLine(error), path: row.path })
  else output.error(error)
}

/** A code that only a newer daemon knows becomes `internal`. */
function errorOf({ code, message, hint }: FailedRow): ShoalError {
  return new ShoalError(isErrorCode(code) ? code : 'internal', message, hint === undefined ? {} : { hint })
}

/** In JSON it is part of the last line. */
function printInvitation({ output }: Context, { ticket, warning }: ResultOf<'invite'>): void {
  if (output.mode !== 'json') output.answer({ json: {}, text: () => `${ticket}\n`, ids: () => [ticket] })
  if (warning !== undefined) output.note(`note: ${warning}`)
  output.note('on the other machine: shoal join - --detach, and paste the ticket')
}
