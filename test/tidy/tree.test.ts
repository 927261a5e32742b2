/** What the repository holds, by what git knows of it: tracked files, and new ones that are not ignored. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './tree.ts'

const topLevel = new Set([
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'docker-compose.yml', 'README.md', 'CHANGELOG.md'],
  ...['src', 'bin', 'docker', 'test']
])
const floors = new Set(['base', 'wire', 'core', 'io', 'sim', 'daemon', 'cli', 'README.md'])

const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter(name => name !== '' && fs.lstatSync(path.join(root, name), { throwIfNoEntry: false })?.isFile())

const texts = files.map(name => ({ name, text: fs.readFileSync(path.join(root, name), 'utf8') }))

/** `where:line` of every match. */
function places(pattern: RegExp, among = texts): string[] {
  return among.flatMap(({ name, text }) =>
    [...text.matchAll(pattern)].map(match => `${name}:${text.slice(0, match.index).split('\n').length}`)
  )
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** This clone, its home folder, and where the machines that build this project keep their clones. */
function machinePaths(): RegExp {
  const own = [root, os.homedir()].filter(folder => folder.split(path.sep).length > 2)
  const builders = ['main', 'shared', 'wt'].map(name => ['', 'work', name].join('/'))
  return new RegExp(`(?<![\\w.-])(${[...own, ...builders].map(escaped).join('|')})(?![\\w-])`, 'g')
}

/** Written so that it does not find itself. */
const registryHosts =
  /registry[.-][a-z0-9-]+\.(org|com|io|net|dev)\b|\bnpmj[s]\.(org|com)|registry[=]https?:|"resolve[d]":\s*"https?:/g

/** Switching a rule of the pure floors off, or all rules at once. */
const purityOff =
  /eslint-disable(?:-next-line|-line)?(?=\s*(?:\*\/|--|$))|eslint(?:-disable(?:-next-line|-line)?)?\s[^\n]*no-restricted-/gm

describe('the tree', () => {
  it('has at the top only what a newcomer looks for', () => {
    const names = new Set(files.map(name => name.split('/')[0] ?? ''))
    expect([...names].filter(name => !name.startsWith('.') && !topLevel.has(name))).toEqual([])
  })

  it('has under src nothing but the floors', () => {
    const names = files.filter(name => name.startsWith('src/')).map(name => name.split('/')[1] ?? '')
    expect(names.filter(name => !floors.has(name))).toEqual([])
  })

  it('names no path of the machine that it was written on', () => {
    expect(places(machinePaths())).toEqual([])
  })

  it('names no package registry', () => {
    expect(places(registryHosts)).toEqual([])
  })

  it('switches no purity rule off by a comment', () => {
    const pure = texts.filter(({ name }) => /^src\/(base|wire|core|sim)\//.test(name))
    expect(places(purityOff, pure)).toEqual([])
  })
})

describe('the patterns above find', () => {
  const lines = (pattern: RegExp, text: string): string[] => places(pattern, [{ name: 'plant', text }])

  it.each([['', 'work', 'main', 'src'].join('/'), `see ${root}/README.md`, `"${root}"`])('the path in %j', text => {
    expect(lines(machinePaths(), `\n${text}\n`)).toEqual(['plant:2'])
  })

  it.each([
    `https://${['registry', 'npmjs', 'org'].join('.')}/x`,
    `${JSON.stringify('resolved')}: "https://example.org/x.tgz"`,
    `npm_config_${['registry', 'http'].join('=')}://10.0.0.1/`
  ])('the registry in %j', text => {
    expect(lines(registryHosts, text)).toEqual(['plant:1'])
  })

  it.each([
    '// eslint-disable-next-line',
    '/* eslint-disable */',
    '// eslint-disable-line -- I know better',
    '// eslint-disable-next-line no-restricted-globals',
    '/* eslint no-restricted-syntax: off */',
    '// eslint-disable-next-line no-var, no-restricted-imports -- so there'
  ])('the switch in %j', text => {
    expect(lines(purityOff, text)).toEqual(['plant:1'])
  })

  it('nothing in a directive that names another rule', () => {
    expect(lines(purityOff, '// eslint-disable-next-line no-control-regex -- names hold any byte')).toEqual([])
  })
})

describe('the packages', () => {
  interface Package {
    version?: string
    resolved?: string
    integrity?: string
    link?: boolean
  }
  const read = (name: string): unknown => JSON.parse(fs.readFileSync(path.join(root, name), 'utf8'))
  const manifest = read('package.json') as Record<'dependencies' | 'devDependencies', Record<string, string>>
  const { packages } = read('package-lock.json') as { packages: Record<string, Package> }
  const locked = Object.entries(packages).filter(([name]) => name !== '')

  it('are pinned exactly', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
  })

  it('are locked by version and hash, and not by where they came from', () => {
    expect(locked.length).toBeGreaterThan(100)
    const wrong = locked.filter(([, entry]) => !entry.version || !entry.integrity || entry.resolved !== undefined)
    expect(wrong.map(([name]) => name)).toEqual([])
  })
})
