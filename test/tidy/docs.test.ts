/** What is documented exists, and what exists is documented: settings, statuses, error codes, metrics, checks, commands. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ShoalError, type ErrorCode } from '../../src/base/errors.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { placesOf } from '../../src/cli/completion/tree.ts'
import { TOPIC_NAMES, topicOf } from '../../src/cli/docs/topics.ts'
import { ERROR_CODES, EXIT_STATUSES, exitStatus } from '../../src/wire/control/exit.ts'
import { METHODS } from '../../src/wire/control/methods.ts'
import { SETTING_KEYS } from '../../src/wire/control/settings.ts'
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
    const program = buildProgram(
      async () => undefined,
      '0.0.0',
      () => undefined
    )
    const table = /\n\| command \| does \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(read('README.md'))?.[1] ?? ''
    const rows = table.split('\n')
    const documented = new Set(
      rows.flatMap(row => [...(row.split(' | ')[0] ?? '').matchAll(/`([a-z]+)/g)].map(match => match[1]!))
    )
    expect([...documented].toSorted()).toEqual(program.commands.map(one => one.name()).toSorted())
  })

  it('print every setting, error code, exit status and method by `shoal help TOPIC`, and no other', () => {
    const terms = (name: string): string[] => topicOf(name)?.entries.map(({ term }) => term) ?? []
    expect(terms('settings')).toEqual(SETTING_KEYS)
    expect(terms('errors')).toEqual(Object.keys(ERROR_CODES))
    expect(terms('exit-codes')).toEqual(Object.keys(EXIT_STATUSES))
    expect(terms('api')).toEqual(Object.keys(METHODS))
    expect(TOPIC_NAMES).toEqual(['exit-codes', 'settings', 'errors', 'api'])
  })

  it.each(TOPIC_NAMES)('name the topic %s in the README, in the help and in the completion', name => {
    const program = buildProgram(
      async () => undefined,
      '0.0.0',
      () => undefined
    )
    expect(read('README.md')).toContain(`shoal help ${name}`)
    expect(program.commands.find(one => one.name() === 'help')?.description()).toContain(name)
    expect(placesOf(program).find(({ at }) => at === 'help')?.args).toEqual([TOPIC_NAMES])
  })

  it('name every exit status in the help', () => {
    const help = { text: '' }
    const program = buildProgram(
      async () => undefined,
      '0.0.0',
      () => undefined
    )
    program.configureOutput({ writeOut: text => (help.text += text) }).outputHelp()
    for (const [status, meaning] of Object.entries(EXIT_STATUSES)) expect(help.text).toContain(`${status}  ${meaning}`)
  })
})

describe('what a document cites', () => {
  /** A file, a folder, or the beginning of a file's name. */
  const exists = (name: string): boolean => {
    const [folder, base] = [path.dirname(path.join(root, name)), path.basename(name)]
    return fs.existsSync(folder) && fs.readdirSync(folder).some(entry => entry === base || entry.startsWith(`${base}.`))
  }

  it.each(documents())('%s: each path of sources and tests is there', name => {
    const paths = [...read(name).matchAll(/(?<![\w./-])(?:src|test)\/[\w./-]*[\w-]/g)].map(match => match[0])
    expect(paths.filter(one => !exists(one) && !/\b[A-Z]+\b/.test(one))).toEqual([])
  })

  it.each(documents())('%s: each source that it names in backticks is there', name => {
    const files = ['src', 'test', 'bin', 'docker'].flatMap(namesBelow)
    const named = [...read(name).matchAll(/`([\w/-]+\.[jt]s)`/g)].map(match => match[1]!)
    expect(named.filter(one => !/\b[A-Z]+\b/.test(one) && !files.some(file => `/${file}`.endsWith(`/${one}`)))).toEqual(
      []
    )
  })

  it('is a file of this repository in the comments of the sources too', () => {
    const files = ['src', 'test', 'bin', 'docker'].flatMap(namesBelow)
    const missing = files.flatMap(name => {
      const comments = read(name).match(/^ *(?:\/\*\*|\*|\/\/).*/gm) ?? []
      const paths = comments.flatMap(line => line.match(/(?<![\w./'"-])(?:[\w-]+\/)+[\w-]+\.[jt]s\b/g) ?? [])
      return paths
        .filter(one => !files.some(file => file === one || file.endsWith(`/${one}`)))
        .map(one => `${name}: ${one}`)
    })
    expect(missing).toEqual([])
  })

  it.each(documents())('%s: each link leads to a file', name => {
    const links = [...read(name).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(match =>
      path.join(path.dirname(name), match[1]!)
    )
    expect(links.filter(one => !fs.existsSync(path.join(root, one)))).toEqual([])
  })

  it('is a document of this repository, in the sources too', () => {
    const cited = [...sources('src'), ...sources('test')].flatMap(text =>
      [...text.matchAll(/(?<![\w./-])([A-Z][A-Z-]+|[\w./-]+\/[A-Z]+)\.md\b/g)].map(match => match[0])
    )
    const names = new Set(documents())
    const known = (one: string): boolean => names.has(one) || [...names].some(name => name.endsWith(`/${one}`))
    expect(cited.filter(one => !known(one))).toEqual([])
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

function documents(): string[] {
  const below = ['src', 'test', 'docker'].flatMap(folder =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.md'))
      .map(name => path.join(folder, name))
  )
  return ['README.md', 'CHANGELOG.md', ...below]
}

function sources(folder: string): string[] {
  return namesBelow(folder).map(read)
}

/** Of sources, from the root. */
function namesBelow(folder: string): string[] {
  const names = fs.readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter(name => /\.[jt]s$/.test(name)).map(name => path.join(folder, name))
}
