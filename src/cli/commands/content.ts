/** Commands on what this node has: ls, rm. */
import { createInterface } from 'node:readline/promises'
import { ShoalError } from '../../base/errors.ts'
import type { EntryRow, ShareRow } from '../../wire/control/methods.ts'
import { escapeForTerminal, problemText } from '../../wire/control/text.ts'
import { askDaemon, type Context } from '../context.ts'
import { bytesText, count, shortId, table } from '../terminal/format.ts'

const STATE_COLOURS = { partial: 'yellow', changed: 'red', missing: 'red' } as const

export async function ls(context: Context, id: string | undefined, options: { all?: boolean }): Promise<void> {
  if (id !== undefined && options.all === true) {
    throw new ShoalError('usage', 'ls takes an ID or --all, not both', { hint: 'shoal ls --help' })
  }
  const params = { ...(id === undefined ? {} : { id }), ...(options.all === true ? { all: true } : {}) }
  const result = await askDaemon(context, 'ls', params)
  if ('shares' in result) {
    const { shares } = result
    context.output.answer({
      json: { shares },
      text: () => (shares.length === 0 ? '' : sharesText(context, shares)),
      ids: () => shares.map(share => share.id)
    })
    if (shares.length === 0) context.output.note('nothing is shared: shoal share PATH')
    noteDamaged(context, shares)
    return
  }
  context.output.answer({ json: result, text: () => entriesText(result), ids: () => [result.id] })
}

/** A line for each share of this node that cannot be served whole. */
function noteDamaged({ output }: Context, shares: readonly ShareRow[]): void {
  for (const { name, problem } of shares) {
    if (problem !== undefined)
      output.note(
        `${escapeForTerminal(name)}: ${escapeForTerminal(problemText(problem))}\n  ${escapeForTerminal(problem.fix)}`
      )
  }
}

function sharesText({ output }: Context, rows: readonly ShareRow[]): string {
  const hasHolders = rows.some(({ holders }) => holders !== undefined)
  return table<ShareRow>(
    [
      { head: 'ID', cell: row => shortId(row.id) },
      { head: 'SIZE', cell: row => bytesText(row.bytes), align: 'right' },
      { head: 'FILES', cell: row => String(row.files), align: 'right' },
      {
        head: 'STATE',
        cell: row => (row.unlisted === true ? `${row.state}, unlisted` : row.state),
        style: (text, row) => (row.state === 'complete' ? text : output.colour(STATE_COLOURS[row.state], text))
      },
      { head: 'NAME', cell: row => row.name },
      hasHolders
        ? { head: 'HOLDERS', cell: row => (row.holders ?? []).join(', ') }
        : { head: 'WHERE', cell: row => row.path ?? '' }
    ],
    rows
  )
}

function entriesText(content: { id: string; name: string; bytes: number; files: number; entries: EntryRow[] }): string {
  const { id, name, bytes, files, entries } = content
  const head = `${id}  ${escapeForTerminal(name)}  (${bytesText(bytes)}, ${count(files, 'file')})\n`
  const rows = table<EntryRow>(
    [
      { head: 'SIZE', cell: row => (row.path.endsWith('/') ? '-' : bytesText(row.bytes)), align: 'right' },
      { head: 'MODE', cell: row => (row.executable ? 'x' : '') },
      ...(entries.some(({ state }) => state !== undefined)
        ? [{ head: 'STATE', cell: (row: EntryRow) => row.state ?? '' }]
        : []),
      { head: 'PATH', cell: row => row.path }
    ],
    entries
  )
  return head + rows
}

export async function rm(
  context: Context,
  id: string,
  options: { deleteFiles?: boolean; yes?: boolean }
): Promise<void> {
  const params = { id, ...(options.deleteFiles === true ? { deleteFiles: true } : {}) }
  let result = await askDaemon(context, 'rm', options.yes === true ? { ...params, yes: true } : params)
  if (!result.removed && result.lastHolder === true) {
    await confirmLast(context, id)
    result = await askDaemon(context, 'rm', { ...params, yes: true })
  }
  const { removed, deletedFiles, unfinished } = result
  if (!removed) throw new ShoalError('internal', `the daemon did not forget ${id}, and did not say why`)
  const deleted = deletedFiles === undefined ? '' : `, ${count(deletedFiles, 'file')} deleted`
  context.output.answer({
    json: {
      ...{ id: result.id, removed },
      ...(deletedFiles === undefined ? {} : { deletedFiles }),
      ...(unfinished === undefined ? {} : { unfinished })
    },
    text: () => `forgot ${result.id}${deleted}\n`,
    ids: () => [result.id]
  })
  if (unfinished === undefined) return
  const { path: place, bytes } = unfinished
  context.output.note(
    `note: ${bytesText(bytes)} of an unfinished download stay at ${escapeForTerminal(place)}, in files that end in .part: ` +
      'delete them by hand (`shoal rm --delete-files` deletes them with the download)'
  )
}

/** Throws ShoalError unless somebody says yes. */
async function confirmLast(context: Context, id: string): Promise<void> {
  const { stdin, stderr, signal, output } = context
  if (!stdin.isTTY || output.mode === 'json') {
    throw new ShoalError('conflict', `nobody else is known to hold ${id}: it would be gone from the shoal`, {
      hint: `if that is meant: shoal rm --yes ${id}`
    })
  }
  const terminal = createInterface({ input: stdin, output: stderr })
  try {
    const answer = await terminal.question(`Nobody else is known to hold ${escapeForTerminal(id)}. Forget it? [y/N] `, {
      signal
    })
    if (/^y(es)?$/i.test(answer.trim())) return
  } catch (cause) {
    throw new ShoalError('interrupted', 'nothing was forgotten', { cause })
  } finally {
    terminal.close()
  }
  throw new ShoalError('interrupted', 'nothing was forgotten')
}
