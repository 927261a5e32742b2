/**
 * The tables of the docs that the code decides: `node test/tidy/docs.ts` writes them into their files, and docs.test.ts holds
 * the files against them. A table is known by its head.
 */
import fs from 'node:fs'
import path from 'node:path'
import { METRICS } from '../../src/daemon/ops/metrics/all.ts'
import { DOCTOR_CHECKS } from '../../src/wire/control/doctor.ts'
import { VERSION } from '../../src/daemon/process/version.ts'
import { root } from './tree.ts'

export interface Table {
  /** From the root. */
  file: string
  head: readonly string[]
  rows: ReadonlyArray<readonly string[]>
}

const code = (text: string): string => `\`${text}\``
/** A value that is of this build only. */
const OF_THIS_BUILD = new Set([VERSION, process.version])

export const TABLES: readonly Table[] = [
  {
    file: 'src/daemon/ops/README.md',
    head: ['metric', 'type', 'labels', 'meaning'],
    rows: METRICS.map(({ name, type, labels = {}, help }) => {
      const texts = Object.entries(labels).map(([label, values]) => {
        const known = values.filter(value => !OF_THIS_BUILD.has(value))
        return known.length === 0 ? code(label) : `${code(label)}: ${known.join(', ')}`
      })
      if (type === 'summary') texts.push(code('quantile'))
      return [code(name), type, texts.join('; '), help]
    })
  },
  {
    file: 'src/daemon/ops/README.md',
    head: ['check', 'what it looks at'],
    rows: Object.entries(DOCTOR_CHECKS).map(([check, looks]) => [code(check), looks])
  }
]

const lineOf = (cells: readonly string[]): string =>
  `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`.replaceAll('|  |', '| |')

export function tableText({ head, rows }: Table): string {
  return [lineOf(head), `|${'---|'.repeat(head.length)}`, ...rows.map(lineOf)].join('\n')
}

/** Where the table stands in the text. Throws when it is not there, or there twice. */
export function placeOf({ file, head }: Table, text: string): { start: number; end: number } {
  const parts = text.split(`${lineOf(head)}\n`)
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} tables ${lineOf(head)}`)
  const start = parts[0]!.length
  const end = /\n(?!\|)|$/.exec(text.slice(start))!.index + start
  return { start, end }
}

if (import.meta.main) {
  for (const table of TABLES) {
    const file = path.join(root, table.file)
    const text = fs.readFileSync(file, 'utf8')
    const { start, end } = placeOf(table, text)
    fs.writeFileSync(file, text.slice(0, start) + tableText(table) + text.slice(end))
  }
}
