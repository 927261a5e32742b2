/** doctor: what keeps this node from working, and what to do. */
import type { DoctorResult, DoctorRow } from '../../wire/control/doctor.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import { askDaemon, askHome, type Context } from '../context.ts'
import { count, table } from '../terminal/format.ts'
import { NoDaemonError } from '../client/transport.ts'

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const

export async function doctor(context: Context): Promise<void> {
  const { rows } = await examined(context)
  const fails = rows.filter(({ status }) => status === 'fail').length
  context.output.answer({
    json: { ok: fails === 0, rows },
    text: () => doctorText(context, rows),
    ids: () => rows.filter(({ status }) => status === 'fail').map(({ check }) => check)
  })
  if (fails > 0) context.exit(1)
}

async function examined(context: Context): Promise<DoctorResult> {
  try {
    return await askDaemon(context, 'doctor', { client: context.version })
  } catch (error) {
    if (!(error instanceof NoDaemonError)) throw error
    const { rows } = await askHome(context, 'doctor', {})
    return { rows: rows.map(row => (row.check === 'daemon' ? { ...row, fix: context.startHint } : row)) }
  }
}

function doctorText({ output }: Context, rows: readonly DoctorRow[]): string {
  const lines = table<DoctorRow>(
    [
      { head: 'CHECK', cell: row => row.check },
      { head: 'STATE', cell: row => row.status, style: (text, row) => output.colour(COLOURS[row.status], text) },
      { head: 'WHAT', cell: row => row.text }
    ],
    rows
  ).split('\n')
  const indent = ' '.repeat(Math.max(0, lines[0]?.indexOf('WHAT') ?? 0))
  const [head = '', ...told] = lines
  const withFixes = rows.map((row, at) => {
    const line = told[at] ?? ''
    return row.fix === undefined
      ? `${line}\n`
      : `${line}\n${indent}${output.colour('dim', `→ ${escapeForTerminal(row.fix)}`)}\n`
  })
  const bad = (['fail', 'warn'] as const).flatMap(status => {
    const number = rows.filter(row => row.status === status).length
    return number === 0 ? [] : [count(number, status === 'fail' ? 'failure' : 'warning')]
  })
  return `${head}\n${withFixes.join('')}\n${bad.length === 0 ? 'all is well' : bad.join(', ')}\n`
}
