/** Commands on the overlay: invite, join, leave, members. */
import { createInterface } from 'node:readline'
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { TICKET_INPUT_LENGTH_MAX } from '../../wire/control/home.ts'
import type { EventOf, MemberRow } from '../../wire/control/methods.ts'
import { escapeForTerminal, twinText } from '../../wire/control/text.ts'
import { askDaemon, askHome, type Context } from '../context.ts'
import { count, table } from '../terminal/format.ts'
import { readBounded } from '../files.ts'
import { NoDaemonError } from '../client/transport.ts'
import { detached } from './daemon.ts'

export async function invite(context: Context): Promise<void> {
  const { ticket, warning } = await askDaemon(context, 'invite', {})
  context.output.answer({ json: { ticket }, text: () => `${ticket}\n`, ids: () => [ticket] })
  if (warning !== undefined) context.output.note(`note: ${warning}`)
}

export interface JoinOptions {
  file?: string
  detach?: boolean
  timeout?: number
}

export async function join(context: Context, told: string | undefined, options: JoinOptions): Promise<void> {
  const ticket = await readTicket(context, told, options.file)
  const timeout = options.timeout === undefined ? {} : { timeoutMs: Math.round(options.timeout * 1000) }
  const onEvent = (event: EventOf<'join'>): void => {
    context.output.note(`waiting for ${escapeForTerminal(event.for)}`)
  }
  const joinNow = () => askDaemon(context, 'join', { ticket, ...timeout }, { onEvent })
  try {
    answerJoined(context, await joinNow())
    return
  } catch (error) {
    if (!(error instanceof NoDaemonError)) throw error
  }
  const kept = await askHome(context, 'join', { ticket })
  if (options.detach === true) {
    const ready = await detached(context, [])
    context.output.note(`the daemon runs as ${ready.id}`)
    answerJoined(context, await joinNow())
  } else {
    context.output.answer({
      json: kept,
      text: () =>
        `kept the ticket for overlay ${kept.overlay}; it is used when the daemon starts: ${context.startHint}\n`,
      ids: () => [kept.overlay]
    })
  }
}

function answerJoined({ output }: Context, joined: { overlay: string; members: number }): void {
  output.answer({
    json: joined,
    text: () => `joined overlay ${joined.overlay}: ${count(joined.members, 'member')}\n`,
    ids: () => [joined.overlay]
  })
}

/** From the argument, from stdin for `-`, or from a file. */
async function readTicket(context: Context, told: string | undefined, file: string | undefined): Promise<string> {
  if ((told === undefined) === (file === undefined)) {
    throw new ShoalError('usage', 'join takes a ticket, - to read it from stdin, or --file', {
      hint: '`shoal invite` on a member prints a ticket'
    })
  }
  if (file !== undefined)
    return readBounded(path.resolve(context.cwd, file), TICKET_INPUT_LENGTH_MAX, 'is it the ticket?').toString()
  if (told !== '-') return told ?? ''
  if (!context.stdin.isTTY) return readAll(context.stdin)
  context.output.note('paste the ticket, then press Enter:')
  return readLine(context.stdin, context.signal)
}

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const chunk of stdin.setEncoding('utf8')) {
    text += String(chunk)
    if (text.length > TICKET_INPUT_LENGTH_MAX) throw new ShoalError('bad-input', 'what came on stdin is no ticket')
  }
  return text
}

async function readLine(stdin: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: stdin, signal })
  for await (const line of lines) {
    if (line.trim() === '') continue
    lines.close()
    return line
  }
  throw new ShoalError('interrupted', 'no ticket was given')
}

export async function leave(context: Context): Promise<void> {
  const { output } = context
  try {
    await askDaemon(context, 'leave', {})
  } catch (error) {
    if (!(error instanceof NoDaemonError)) throw error
    await askHome(context, 'leave', {})
    output.note('no daemon runs, so nobody was told')
  }
  output.answer({ json: { left: true }, text: () => 'left the overlay; shares and files stay\n', ids: () => [] })
}

export async function members(context: Context, options: { wait?: number; timeout?: number }): Promise<void> {
  const { wait, timeout } = options
  if (timeout !== undefined && wait === undefined) {
    throw new ShoalError('usage', '--timeout goes with --wait', { hint: 'shoal members --wait 3 --timeout 30' })
  }
  const params = {
    ...(wait === undefined ? {} : { wait }),
    ...(timeout === undefined ? {} : { timeoutMs: Math.round(timeout * 1000) })
  }
  const onEvent = ({ alive }: EventOf<'members'>): void => {
    context.output.progress(() => `waiting for ${count(wait ?? 0, 'live member')}, ${alive} so far`)
  }
  const { members, twin } = await askDaemon(context, 'members', params, { onEvent })
  context.output.answer({
    json: { members, ...(twin === undefined ? {} : { twin }) },
    text: () => membersText(context, members),
    ids: () => members.map(({ id }) => id)
  })
  if (twin !== undefined) context.output.note(`warning: ${twinText(twin)}`)
}

function membersText({ output }: Context, rows: readonly MemberRow[]): string {
  const stateColour = { alive: 'green', suspect: 'yellow', dead: 'red', left: 'dim' } as const
  return table<MemberRow>(
    [
      { head: 'NAME', cell: row => (row.self ? `${row.name} (this node)` : row.name) },
      { head: 'STATE', cell: row => row.state, style: (text, row) => output.colour(stateColour[row.state], text) },
      { head: 'ADDRESS', cell: row => row.address },
      { head: 'INC', cell: row => String(row.incarnation), align: 'right' },
      { head: 'ID', cell: row => row.id }
    ],
    rows
  )
}
