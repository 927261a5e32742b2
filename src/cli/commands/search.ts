/**
 * `search`: results as they come on a terminal, the ranked list at the end; an event a hit with --json. The daemon numbers the
 * results for `get`, and ends the search when this process goes away.
 */
import { ShoalError } from '../../base/errors.ts'
import type { EventOf, HitRow, Params, SearchAnswer } from '../../wire/control/methods.ts'
import { askDaemon, type Context } from '../context.ts'
import { bytesText, count, cut, elapsedText, table, type Column } from '../terminal/format.ts'
import { traceText } from '../terminal/search-trace.ts'

/** Results are gathered so long on a terminal, so that the best of them come first in the order of their numbers. */
const TELL_MS = 100
/** Longer names are cut, for people: a path of 4 kB would hide the other results. */
const NAME_COLUMNS_MAX = 160
const HOLDERS_NAMED = 3

export interface SearchFlags {
  limit?: number
  /** Seconds. */
  timeout?: number
  type?: string
  minSize?: number
  maxSize?: number
  trace?: boolean
}

export async function search(context: Context, words: readonly string[], flags: SearchFlags): Promise<void> {
  const { output } = context
  const text = words.join(' ')
  const told = new Map<number, HitRow>()
  const onEvent = (event: EventOf<'search'>): void => {
    const { event: _, ...row } = event
    told.set(row.number, row)
    output.event(event)
    output.draw(() => lines([...told.values()]))
  }
  let answer: SearchAnswer
  try {
    answer = await askDaemon(context, 'search', paramsOf(context, text, flags), { onEvent })
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'interrupted' || !context.signal.aborted) throw error
    const hint = told.size === 0 ? {} : { hint: 'what it has found keeps its numbers: shoal get NUMBER' }
    if (output.redraws && told.size > 0)
      output.answer({ json: {}, text: () => lines([...told.values()]).join('\n') + '\n', ids: () => [] })
    throw new ShoalError('interrupted', 'interrupted; the search is over', { ...hint, cause: error })
  }
  tellMissing(context, answer, told)
  if (answer.hits === 0) throw nothing(context, text, answer)
  tell(context, answer)
}

function paramsOf({ output }: Context, text: string, flags: SearchFlags): Params<'search'> {
  const { limit, timeout, type, minSize, maxSize, trace } = flags
  const tellMs = output.mode === 'json' ? 0 : output.redraws ? TELL_MS : undefined
  return {
    text,
    ...(limit === undefined ? {} : { limit }),
    ...(timeout === undefined ? {} : { timeoutMs: Math.round(timeout * 1_000) }),
    ...(type === undefined ? {} : { type }),
    ...(minSize === undefined ? {} : { minBytes: minSize }),
    ...(maxSize === undefined ? {} : { maxBytes: maxSize }),
    ...(trace === true ? { trace } : {}),
    ...(tellMs === undefined ? {} : { tellMs })
  }
}

/** Events may be dropped when nobody reads for long; the answer has all. */
function tellMissing({ output }: Context, { results }: SearchAnswer, told: ReadonlyMap<number, HitRow>): void {
  for (const row of results) {
    if (JSON.stringify(told.get(row.number)) !== JSON.stringify(row)) output.event({ event: 'hit', ...row })
  }
}

function tell({ output }: Context, answer: SearchAnswer): void {
  const { results, reached, ...rest } = answer
  output.answer({
    json: { ...rest, ranked: results.map(({ number }) => number), ...(reached === undefined ? {} : { reached }) },
    text: () => `${lines(results).join('\n')}\n${reached === undefined ? '' : `\n${traceText(answer)}`}`,
    ids: () => [...new Set(results.map(({ id }) => id))]
  })
  if (output.mode !== 'text') return
  const { hits, answered, elapsedMs, ended } = answer
  output.note(
    `${count(hits, 'result')} from ${count(answered, 'node')} in ${elapsedText(elapsedMs)}; fetch one: shoal get NUMBER`
  )
  if (ended === 'limit') output.note('there may be more: --limit N')
  if (ended === 'timeout') output.note('not all nodes had answered: --timeout SECONDS')
}

function nothing({ output }: Context, text: string, answer: SearchAnswer): ShoalError {
  const { reached, ended, others, messages, elapsedMs } = answer
  if (reached !== undefined) {
    if (output.mode === 'json') output.event({ event: 'reached', reached })
    else output.answer({ json: {}, text: () => traceText(answer), ids: () => [] })
  }
  const asked = reached === undefined ? `${count(others, 'other node')} in this overlay` : count(reached.length, 'node')
  const how =
    others === 0
      ? 'there is no other node in this overlay'
      : messages === 0
        ? `none of the ${count(others, 'other node')} lists a name with these words`
        : `asked ${asked} with ${count(messages, 'message')} in ${elapsedText(elapsedMs)}`
  const late = ended === 'timeout' ? ', and not all had answered' : ''
  return new ShoalError('not-found', `nothing found for ${JSON.stringify(text)}: ${how}${late}`, {
    hint:
      ended === 'timeout'
        ? 'wait longer: --timeout SECONDS'
        : messages === 0 && others > 0
          ? 'try fewer or shorter words; what was shared in the last seconds may not be listed yet: search again'
          : 'every word must begin a word of the name: try fewer or shorter ones'
  })
}

function lines(rows: readonly HitRow[]): string[] {
  const columns: Array<Column<HitRow>> = [
    { head: '#', cell: row => String(row.number), align: 'right' },
    { head: 'SIZE', cell: row => bytesText(row.bytes), align: 'right' },
    { head: 'HOPS', cell: row => String(row.hops), align: 'right' },
    { head: 'HOLDERS', cell: holdersText },
    ...(rows.some(({ here }) => here !== undefined) ? [{ head: 'HERE', cell: (row: HitRow) => row.here ?? '' }] : []),
    { head: 'NAME', cell: row => cut(row.path === undefined ? row.name : `${row.name}/${row.path}`, NAME_COLUMNS_MAX) }
  ]
  return table(columns, rows).trimEnd().split('\n')
}

function holdersText({ holders, holderCount }: HitRow): string {
  const named = holders.slice(0, HOLDERS_NAMED).map(name => cut(name, 20))
  const more = holderCount - named.length
  return more > 0 ? `${named.join(', ')} +${more}` : named.join(', ')
}
