/** Commands that look inside: status, ring. */
import { ShoalError } from '../../base/errors.ts'
import type {
  BannedRow,
  EventOf,
  ResultOf,
  RingResult,
  ShareRow,
  SharingRow,
  StatusResult,
  TransferRow
} from '../../wire/control/methods.ts'
import { escapeForTerminal, problemText, twinText } from '../../wire/control/text.ts'
import { askDaemon, type Context } from '../context.ts'
import { bytesText, count, rateText, secondsText, shortId, table } from '../terminal/format.ts'
import type { Answer } from '../terminal/output.ts'

export async function status(context: Context, id: string | undefined, options: { follow?: boolean }): Promise<void> {
  const { output } = context
  const params = { ...(id === undefined ? {} : { id }), ...(options.follow === true ? { follow: true } : {}) }
  if (options.follow !== true) {
    output.answer(statusAnswer(context, await askDaemon(context, 'status', params)))
    return
  }
  const onEvent = (event: EventOf<'status'>): void => {
    if (output.mode === 'json') output.event(event)
    else output.frame(statusAnswer(context, event))
  }
  try {
    output.frame(statusAnswer(context, await askDaemon(context, 'status', params, { onEvent })))
  } catch (error) {
    // Ctrl-C is how one stops looking.
    if (!(error instanceof ShoalError) || error.code !== 'interrupted') throw error
    if (output.mode === 'json') output.event({ event: 'done' })
  }
}

function statusAnswer({ output }: Context, result: StatusResult): Answer {
  return {
    json: result,
    text: () => statusText(result, text => output.colour('red', text)),
    ids: () => [result.id, ...result.transfers.map(({ id }) => id)]
  }
}

export function statusText(result: StatusResult, alarm: (text: string) => string): string {
  const { name, id, ready, overlay, addresses, gateway, members, transfers, damaged, banned, refused } = result
  const { uptimeSeconds, rssBytes, sharing = [], twin } = result
  const others = (['suspect', 'dead', 'left'] as const).filter(state => members[state] > 0)
  const memberText = [`${members.alive} alive`, ...others.map(state => `${members[state]} ${state}`)].join(', ')
  const head = [
    `${escapeForTerminal(name)}  ${id}  ${ready ? 'ready' : 'not ready'}`,
    ...(twin === undefined ? [] : [alarm(`warning  ${twinText(twin)}`)]),
    `overlay  ${overlay}`,
    `listens  ${addresses.join(', ')}`,
    ...(gateway === undefined ? [] : [`gateway  ${gateway}`]),
    `members  ${memberText}`,
    `process  up ${secondsText(uptimeSeconds)}, ${bytesText(rssBytes)} resident`,
    ...Object.entries(refused).map(
      ([reason, times]) => `refused  ${escapeForTerminal(reason)}: ${count(times, 'time')}`
    )
  ]
  const parts = [`${head.join('\n')}\n`]
  if (transfers.length > 0) parts.push(transfersText(transfers))
  if (damaged.length > 0) parts.push(alarm('changed or missing') + '\n' + damagedText(damaged))
  if (sharing.length > 0) parts.push(sharingText(sharing))
  const problems = transfers.flatMap(({ id, problem }) => (problem === undefined ? [] : [{ id, problem }]))
  if (problems.length > 0) {
    const lines = problems.map(({ id, problem }) => `${shortId(id)}  ${escapeForTerminal(problem)}\n`)
    parts.push(`${alarm('problems')}\n${lines.join('')}`)
  }
  if (banned.length > 0) parts.push(alarm('banned') + '\n' + bannedText(banned))
  return parts.join('\n')
}

function transfersText(rows: readonly TransferRow[]): string {
  return table<TransferRow>(
    [
      { head: 'ID', cell: row => shortId(row.id) },
      { head: 'STATE', cell: row => (row.reason === undefined ? row.state : `${row.state}: ${row.reason}`) },
      { head: 'HAVE', cell: row => bytesText(row.haveBytes), align: 'right' },
      { head: 'OF', cell: row => bytesText(row.bytes), align: 'right' },
      { head: 'RATE', cell: row => rateText(row.bytesPerSecond), align: 'right' },
      { head: 'SOURCES', cell: row => row.sources.map(({ name }) => name).join(', ') },
      { head: 'NAME', cell: row => row.name }
    ],
    rows
  )
}

function damagedText(rows: readonly ShareRow[]): string {
  const problemOf = ({ problem }: ShareRow): string => (problem === undefined ? '' : problemText(problem))
  return table<ShareRow>(
    [
      { head: 'ID', cell: row => shortId(row.id) },
      { head: 'STATE', cell: row => row.state },
      { head: 'NAME', cell: row => row.name },
      { head: 'WHAT', cell: problemOf },
      { head: 'DO', cell: row => row.problem?.fix ?? '' }
    ],
    rows
  )
}

function sharingText(rows: readonly SharingRow[]): string {
  return table<SharingRow>(
    [
      { head: 'SHARING', cell: row => row.state },
      { head: 'HASHED', cell: row => bytesText(row.bytes), align: 'right' },
      { head: 'OF', cell: row => bytesText(row.totalBytes), align: 'right' },
      { head: 'FILES', cell: row => String(row.files), align: 'right' },
      { head: 'PATH', cell: row => row.path }
    ],
    rows
  )
}

function bannedText(rows: readonly BannedRow[]): string {
  return table<BannedRow>(
    [
      { head: 'NAME', cell: row => row.name },
      { head: 'CONTENT', cell: row => shortId(row.content) },
      { head: 'WHY', cell: row => row.reason },
      { head: 'ID', cell: row => row.id }
    ],
    rows
  )
}

export async function ring(context: Context): Promise<void> {
  const result = await askDaemon(context, 'ring', {})
  context.output.answer({ json: result, text: () => ringText(result), ids: () => [result.id] })
}

export function ringText({ id, key, joined, predecessor, successors, fingers, records }: RingResult): string {
  type Row = { what: string; name: string; place: string; id: string }
  const near = (what: string, row: { id: string; name: string; key: string }): Row => ({
    ...row,
    what,
    place: shortId(row.key)
  })
  const rows: Row[] = [
    ...(predecessor === null ? [] : [near('predecessor', predecessor)]),
    ...successors.map((row, at) => near(`successor ${at + 1}`, row)),
    ...fingers.map((row, at) => near(`finger ${at + 1}`, row))
  ]
  const head = `${id}\nstands at ${shortId(key)}, ${joined ? 'joined' : 'not joined'}, keeps ${count(records, 'record')}\n`
  if (rows.length === 0) return head
  const columns = [
    { head: 'ENTRY', cell: (row: Row) => row.what },
    { head: 'NAME', cell: (row: Row) => row.name },
    { head: 'PLACE', cell: (row: Row) => row.place },
    { head: 'ID', cell: (row: Row) => row.id }
  ]
  return `${head}\n${table(columns, rows)}`
}

export async function ringLookup(context: Context, key: string, options: { trace?: boolean }): Promise<void> {
  const result = await askDaemon(context, 'ring.lookup', { key, ...(options.trace === true ? { trace: true } : {}) })
  context.output.answer({
    json: result,
    text: () => lookupText(result, options.trace === true),
    ids: () => [result.owner.id]
  })
}

function lookupText({ owner, hops, path, ms }: ResultOf<'ring.lookup'>, trace: boolean): string {
  const head = `${escapeForTerminal(owner.name)}  ${owner.id}  (${count(hops, 'hop')}, ${Math.round(ms)} ms)\n`
  return trace ? head + path.map(({ name, id }, at) => `  ${at}  ${escapeForTerminal(name)}  ${id}\n`).join('') : head
}
