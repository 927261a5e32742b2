/** The scripts run in the shells that are installed: they must offer what the grammar has, at every place of it. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { bashScript } from '../../../src/cli/completion/bash.ts'
import { fishScript } from '../../../src/cli/completion/fish.ts'
import { placesOf, type Place } from '../../../src/cli/completion/tree.ts'
import { zshScript } from '../../../src/cli/completion/zsh.ts'
import { buildProgram } from '../../../src/cli/program.ts'

const places = placesOf(
  buildProgram(
    async () => undefined,
    '0.0.0',
    () => undefined
  )
)

function folder(): string {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-completion-'))
  onTestFinished(() => fs.rmSync(made, { recursive: true, force: true }))
  fs.mkdirSync(path.join(made, 'a folder'))
  fs.writeFileSync(path.join(made, 'a file'), '')
  return made
}

function run(shell: string, args: readonly string[], cwd: string): string[] {
  const env = { PATH: process.env['PATH'], HOME: cwd, LC_ALL: 'C.UTF-8', TERM: 'dumb' }
  const { status, stdout, stderr } = spawnSync(shell, args, { encoding: 'utf8', cwd, env, timeout: 30_000 })
  if (status !== 0) throw new Error(`${shell} ended with ${status}: ${stderr}${stdout}`)
  expect(stderr).toBe('')
  return stdout.split('\n').filter(line => line !== '')
}

interface Shell {
  name: string
  /** What is offered for the last word, for each line of words after `shoal`. */
  complete: (cwd: string, lines: ReadonlyArray<readonly string[]>) => string[][]
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

const bash: Shell = {
  name: 'bash',
  complete: (cwd, lines) => {
    fs.writeFileSync(path.join(cwd, '.script'), bashScript(places))
    const ask = lines.map(
      words =>
        `COMP_WORDS=(shoal ${words.map(quoted).join(' ')}); COMP_CWORD=${words.length}; COMPREPLY=(); _shoal;` +
        ' printf "%s\\n" "${COMPREPLY[@]}"; echo END'
    )
    return parts(run('bash', ['--norc', '-c', `source ./.script\n${ask.join('\n')}`], cwd))
  }
}

/** The functions of zsh's completion system stand for what they would show. */
const ZSH_FAKES = `
compdef() { : }
_describe() { while [[ $1 == -* ]]; do shift 2; set -- x "$@"; break; done; print -l -- \${(P)@[-1]} }
_files() { if [[ $1 == -/ ]]; then print -l -- *(/N); else print -l -- *(N); fi }
compadd() { shift; print -l -- "$@" }
`
const zsh: Shell = {
  name: 'zsh',
  complete: (cwd, lines) => {
    fs.writeFileSync(path.join(cwd, '.script'), zshScript(places))
    const ask = lines.map(
      words => `words=(shoal ${words.map(quoted).join(' ')}); CURRENT=${words.length + 1}; _shoal; print END`
    )
    const said = parts(run('zsh', ['-f', '-c', `${ZSH_FAKES}\nsource ./.script\n${ask.join('\n')}`], cwd))
    // It filters by what was typed, and shows what stands before the colon.
    return said.map((offers, at) => {
      const typed = lines[at]!.at(-1)!
      return offers.map(offer => offer.replace(/(?<!\\):.*/, '')).filter(offer => offer.startsWith(typed))
    })
  }
}

const fish: Shell = {
  name: 'fish',
  complete: (cwd, lines) => {
    fs.writeFileSync(path.join(cwd, '.script'), fishScript(places))
    const ask = lines.map(words => `complete --do-complete=${quoted(['shoal', ...words].join(' '))}; echo END`)
    const said = parts(run('fish', ['--no-config', '-c', `source ./.script\n${ask.join('\n')}`], cwd))
    return said.map(offers => offers.map(offer => offer.replace(/\t.*/, '').replace(/\/$/, '')))
  }
}

function parts(lines: readonly string[]): string[][] {
  const found: string[][] = [[]]
  for (const line of lines) {
    if (line === 'END') found.push([])
    else found.at(-1)!.push(line)
  }
  return found.slice(0, -1)
}

const isInstalled = ({ name }: Shell): boolean => spawnSync(name, ['-c', 'true']).status === 0
const words = ({ at }: Place): string[] => (at === '' ? [] : at.split(' '))

describe.each([bash, zsh, fish].filter(isInstalled))('$name', shell => {
  it('offers the subcommands of every place', () => {
    const parents = places.filter(({ commands }) => commands.length > 0)
    const offered = shell.complete(
      folder(),
      parents.map(place => [...words(place), ''])
    )
    expect(offered.map(names => names.toSorted())).toEqual(
      parents.map(({ commands }) => commands.map(({ name }) => name).toSorted())
    )
  })

  it('offers all long options of every place, and no others', () => {
    const offered = shell.complete(
      folder(),
      places.map(place => [...words(place), '--'])
    )
    const long = (names: readonly string[]): string[] => names.filter(name => name.startsWith('--')).toSorted()
    expect(offered.map(long)).toEqual(places.map(({ options }) => long(options.flatMap(({ names }) => names))))
  })

  it.each([
    [['da'], ['daemon']],
    [['--home', 'da', 'da'], ['daemon']],
    [['--json', 'ring', 'l'], ['lookup']],
    [['config', 'get', 'up'], ['upload-slots']],
    [['config', 'set', 'upload-slots', ''], []],
    [
      ['init', '--preset', 'l'],
      ['lan', 'local']
    ],
    [['daemon', '--log-level', 'w'], ['warn']],
    [
      ['completion', ''],
      ['bash', 'fish', 'zsh']
    ],
    [['ring', 'lookup', ''], []],
    [
      ['share', ''],
      ['a file', 'a folder']
    ],
    [
      ['share', 'x', ''],
      ['a file', 'a folder']
    ],
    [
      ['get', ''],
      ['a file', 'a folder']
    ],
    [['get', 'x', ''], []],
    [['get', '-o', ''], ['a folder']],
    [['--home', ''], ['a folder']],
    [
      ['join', '--file', ''],
      ['a file', 'a folder']
    ]
  ])('offers for %j: %j', (line, wanted) => {
    const [offered = []] = shell.complete(folder(), [line])
    const seen = offered.map(offer => offer.replaceAll('\\ ', ' ')).filter(offer => offer !== '.script')
    expect(seen.toSorted()).toEqual(wanted)
  })
})

describe('the places', () => {
  let all: Map<string, Place>
  beforeAll(() => {
    all = new Map(places.map(place => [place.at, place]))
  })

  it('know the value of every option that takes one of a few', () => {
    const values = (at: string, name: string) => all.get(at)?.options.find(({ names }) => names.includes(name))?.values
    expect(values('init', '--preset')).toEqual(['lan', 'local', 'wan'])
    expect(values('get', '-o')).toBe('folders')
    expect(values('get', '--overwrite')).toBeUndefined()
    expect(values('daemon', '--listen')).toBe('anything')
    expect(values('daemon', '--metrics-token-file')).toBe('files')
  })
})
