/** The way of a traced search: a tree of the nodes that it reached, each below the one that it came by. */
import type { ReachedRow, SearchAnswer } from '../../wire/control/methods.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import { count, cut, elapsedText } from './format.ts'

/** Numbers of results that a line names. */
const RESULTS_NAMED = 12
const NAME_COLUMNS_MAX = 40

interface Branch {
  row: ReachedRow | undefined
  readonly below: Map<string, Branch>
}

/** Messages sent, nodes reached, and the path of each result, by its number. */
export function traceText({ messages, elapsedMs, reached = [] }: SearchAnswer): string {
  const head = `${count(messages, 'message')} sent, ${count(reached.filter(({ hops }) => hops > 0).length, 'other node')} reached in ${elapsedText(elapsedMs)}\n`
  const own = reached.find(({ hops }) => hops === 0)
  const top = `this node${own === undefined ? '' : resultsText(own)}\n`
  return head + top + branchesText(treeOf(reached), '')
}

/** A node on a way that did not tell of itself has its place without a row. */
function treeOf(reached: readonly ReachedRow[]): Branch {
  const root: Branch = { row: undefined, below: new Map() }
  for (const row of reached) {
    if (row.hops === 0) continue
    let branch = root
    for (const id of [...row.path, row.id]) {
      let next = branch.below.get(id)
      if (next === undefined) {
        next = { row: undefined, below: new Map() }
        branch.below.set(id, next)
      }
      branch = next
    }
    branch.row = row
  }
  return root
}

function branchesText({ below }: Branch, indent: string): string {
  return [...below]
    .map(([id, branch], at) => {
      const isLast = at === below.size - 1
      const line = `${indent}${isLast ? '└─' : '├─'} ${nodeText(id, branch.row)}\n`
      return line + branchesText(branch, `${indent}${isLast ? '  ' : '│ '} `)
    })
    .join('')
}

function nodeText(id: string, row: ReachedRow | undefined): string {
  if (row === undefined) return `…${escapeForTerminal(id.slice(-8))}`
  const sent = row.forwarded === 0 ? '' : `  sent on ${row.forwarded}`
  return `${cut(escapeForTerminal(row.name), NAME_COLUMNS_MAX)}${sent}${resultsText(row)}`
}

function resultsText({ results }: ReachedRow): string {
  if (results.length === 0) return ''
  const named = results.slice(0, RESULTS_NAMED).join(', ')
  const more = results.length > RESULTS_NAMED ? `, and ${results.length - RESULTS_NAMED} more` : ''
  return `  ${results.length === 1 ? 'result' : 'results'} ${named}${more}`
}
