/** The package as `npm pack` makes it: what is in it, and that it works where nothing else of the clone is. */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const run = promisify(execFile)
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, never> & {
  version: string
  scripts: Record<string, string>
}

let folder: string
let tarball: string
let names: string[]

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-package-'))
  // These tests run on what is built, as all of real processes do.
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const { stdout } = await run('npm', args, { cwd: root })
  tarball = path.join(
    folder,
    fs.readdirSync(folder).find(name => name.endsWith('.tgz'))!
  )
  names = (await run('tar', ['-tzf', tarball])).stdout.trimEnd().split('\n')
  expect(stdout).toContain(path.basename(tarball))
})
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true })
})

it('holds every built source and the command, and no tests, sources or tools', () => {
  const sources = fs
    .globSync('src/**/*.ts', { cwd: root })
    .map(name => name.replace(/^src/, 'dist').replace(/\.ts$/, '.js'))
  expect(sources.length).toBeGreaterThan(100)
  for (const name of sources) expect(names).toContain(`package/${name}`)
  const others = names.filter(name => !name.startsWith('package/dist/') || !name.endsWith('.js'))
  const expected = ['README.md', 'bin/shoal.js', 'package.json'].map(name => `package/${name}`)
  expect(others.toSorted()).toEqual(expected)
})

it('is built before it is packed', () => {
  expect(manifest.scripts['prepack']).toBe('node bin/setup.js')
})

it('installs globally, and its command runs a daemon', { timeout: 300_000 }, async () => {
  const prefix = path.join(folder, 'prefix')
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  await run('npm', ['install', '--global', '--prefix', prefix, '--ignore-scripts', ...quiet, tarball], { cwd: folder })
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SHOAL_')))
  const home = path.join(folder, 'home')
  const shoal = async (...args: string[]): Promise<string> =>
    (await run(path.join(prefix, 'bin/shoal'), args, { cwd: folder, env })).stdout
  expect(await shoal('--version')).toBe(`${manifest.version}\n`)
  expect(await shoal('--home', home, 'daemon', '--detach', '--listen', '127.0.0.1:0')).toContain(' is ready: ')
  const file = path.join(folder, 'a file')
  fs.writeFileSync(file, 'some bytes')
  const id = (await shoal('--home', home, '-q', 'share', file)).trim()
  expect(await shoal('--home', home, 'cat', id)).toBe('some bytes')
  expect(await shoal('--home', home, 'search', 'file')).toContain('a file')
  await shoal('--home', home, 'stop')
})

it('says what to do when a file of it is missing', async () => {
  const broken = path.join(folder, 'broken')
  fs.mkdirSync(broken)
  await run('tar', ['-xzf', tarball, '-C', broken])
  fs.rmSync(path.join(broken, 'package/dist'), { recursive: true })
  await expect(run('node', [path.join(broken, 'package/bin/shoal.js'), 'ls'])).rejects.toMatchObject({
    ...{ code: 1, stderr: 'shoal: this package is incomplete\n  install it again: npm install --global\n' }
  })
})
