/** A topic as plain text: terms in a column, their texts wrapped beside it, and never a line wider than the terminal where words fit. */
import { greatest } from '../../base/numbers.ts'
import { width } from '../terminal/format.ts'
import type { Entry, Topic } from './topics.ts'

/** Longer terms stand on a line of their own. */
const TERM_COLUMNS_MAX = 24
/** Beside the terms, at least. */
const TEXT_COLUMNS_MIN = 24
const INDENT = 2

export function topicText({ title, about, entries }: Topic, columns: number): string {
  const paragraphs = about.map(one => wrapped(one, columns).join('\n'))
  return `${[title, ...paragraphs, entryLines(entries, { columns, indent: INDENT }).join('\n')].join('\n\n')}\n`
}

function entryLines(entries: readonly Entry[], { columns, indent }: { columns: number; indent: number }): string[] {
  const fitting = entries.map(({ term }) => width(term)).filter(one => one <= TERM_COLUMNS_MAX)
  const textAt = indent + greatest(0, fitting) + 2
  const textColumns = Math.max(TEXT_COLUMNS_MIN, columns - textAt)
  return entries.flatMap(({ term, text, entries: below }) => {
    const lines = wrapped(text, textColumns).map(line => ' '.repeat(textAt) + line)
    const head = ' '.repeat(indent) + term
    const isBeside = width(head) + 2 <= textAt
    const [first = '', ...rest] = lines
    const own = isBeside ? [head + first.slice(head.length), ...rest] : [head, ...lines]
    return below === undefined ? own : [...own, ...entryLines(below, { columns, indent: indent + 2 * INDENT }), '']
  })
}

/** Breaks at blanks; a word that is longer than the line stays whole. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && width(line) + 1 + width(word) > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
