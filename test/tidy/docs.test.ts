/** What is documented exists, and what exists is documented: settings, statuses, error codes, metrics, checks, commands. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ShoalError, type ErrorCode } from '../../src/base/errors.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { EXIT_STATUSES, exitStatus } from '../../src/wire/control/exit.ts'
import { placeOf, TABLES, tableText, type Table } from './docs.ts'
import { root } from './tree.ts'

const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8')

describe('the docs', () => {
  it.each(TABLES.map(table => [table.file, table.head.join(' | '), table] as const))(
    '%s: the table "%s" is that of the code (node test/tidy/docs.ts writes it)',
    (file, _, table: Table) => {
      const text = read(file)
      const { start, end } = placeOf(table, text)
      expect(text.slice(start, end)).toBe(tableText(table))
      expect(table.rows.length).toBeGreaterThan(3)
    }
  )

  it('know every error code that the sources throw, and the status of each', () => {
    const thrown = new Set(
      sources('src').flatMap(text => [...text.matchAll(/new ShoalError\(\s*'([a-z-]+)'/g)].map(match => match[1]!))
    )
    expect(thrown.size).toBeGreaterThan(8)
    for (const code of thrown) {
      expect(new ShoalError(code as ErrorCode, '').code).toBe(code)
      expect(Object.keys(EXIT_STATUSES)).toContain(String(exitStatus(code as ErrorCode)))
    }
  })

  it('have a row for every command, and no other', () => {
    const program = buildProgram(async () => undefined, '0.0.0')
    const table = /\n\| command \| does \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(read('README.md'))?.[1] ?? ''
    const rows = table.split('\n')
    const documented = new Set(
      rows.flatMap(row => [...(row.split(' | ')[0] ?? '').matchAll(/`([a-z]+)/g)].map(match => match[1]!))
    )
    expect([...documented].toSorted()).toEqual(program.commands.map(one => one.name()).toSorted())
  })

  it('name every exit status in the help', () => {
    const help = { text: '' }
    const program = buildProgram(async () => undefined, '0.0.0')
    program.configureOutput({ writeOut: text => (help.text += text) }).outputHelp()
    for (const [status, meaning] of Object.entries(EXIT_STATUSES)) expect(help.text).toContain(`${status}  ${meaning}`)
  })
})

describe('a table', () => {
  const table: Table = { file: 'x', head: ['a', 'b'], rows: [['1', 'x|y']] }

  it('is found by its head, to its last row', () => {
    const text = `# X\n\n| a | b |\n|---|---|\n| 1 | x\\|y |\n\nmore\n`
    const { start, end } = placeOf(table, text)
    expect(text.slice(start, end)).toBe(tableText(table))
    expect(text.slice(end)).toBe('\n\nmore\n')
  })

  it('must be there, once', () => {
    expect(() => placeOf(table, 'none')).toThrow('0 tables')
    expect(() => placeOf(table, '| a | b |\n\n| a | b |\n')).toThrow('2 tables')
  })
})

function sources(folder: string): string[] {
  const names = fs.readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter(name => name.endsWith('.ts')).map(name => read(path.join(folder, name)))
}
