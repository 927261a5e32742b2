/** bin/shoal.js on whatever Node there is. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { takeLock } from '../../../src/daemon/home/lock.ts'
import { bin, temporaryFolder } from './shoal.ts'

/** A Node on PATH that is too old, outside of the packages. */
function oldNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter(folder => !folder.includes('node_modules'))
  return folders
    .map(folder => path.join(folder, 'node'))
    .find(node => {
      if (!fs.existsSync(node)) return false
      const [major = 0, minor = 0] = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })
        .split('.')
        .map(Number)
      return major < 22 || (major === 22 && minor < 18)
    })
}
const old = oldNode()

/** What `command` printed, after it ended. */
async function run(command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  child.stdout.on('data', chunk => (text += String(chunk)))
  child.stderr.on('data', chunk => (text += String(chunk)))
  await once(child, 'close')
  return { status: child.exitCode, text }
}

it('says what to do in a clone that is not built', async () => {
  const clone = temporaryFolder()
  fs.mkdirSync(path.join(clone, 'bin'))
  fs.writeFileSync(path.join(clone, 'package.json'), '{"type":"module"}')
  fs.copyFileSync(bin, path.join(clone, 'bin/shoal.js'))
  fs.writeFileSync(path.join(clone, 'bin/setup.js'), '')
  expect(await run('node', [path.join(clone, 'bin/shoal.js'), 'ls'])).toEqual({
    status: 1,
    text: 'shoal: this clone is not built\n  run `npm run setup` in the clone\n'
  })
  fs.mkdirSync(path.join(clone, 'dist/cli'), { recursive: true })
  fs.writeFileSync(path.join(clone, 'dist/cli/main.js'), "import 'commander'")
  const { status, text } = await run('node', [path.join(clone, 'bin/shoal.js'), 'ls'])
  expect([status, text]).toEqual([
    1,
    expect.stringMatching(/^shoal: this clone is incomplete: .*commander.*\n {2}run `npm run setup`/)
  ])
})

it.skipIf(old === undefined)('says what is needed when Node is too old and there is no other', async () => {
  const clone = temporaryFolder()
  for (const folder of ['bin', 'dist/cli']) fs.mkdirSync(path.join(clone, folder), { recursive: true })
  fs.writeFileSync(path.join(clone, 'package.json'), '{"type":"module"}')
  fs.writeFileSync(path.join(clone, 'dist/cli/main.js'), '')
  fs.copyFileSync(bin, path.join(clone, 'bin/shoal.js'))
  const { status, text } = await run(old!, [path.join(clone, 'bin/shoal.js'), 'ls'])
  expect([status, text]).toEqual([
    1,
    expect.stringMatching(/^shoal: Node\.js [\d.]+ is too old: 22\.18 or later is required\n/)
  ])
})

it.skipIf(old === undefined)('hands over from an older Node, status and all', async () => {
  const home = temporaryFolder()
  expect((await run(old!, [bin, '--home', home, 'ls'])).status).toBe(6)
  expect((await run(old!, [bin, '--home', home, 'sing'])).status).toBe(64)
})

it.skipIf(old === undefined)(
  'an older Node stands for its daemon: signals reach it, and kill -9 ends both',
  async () => {
    const home = path.join(temporaryFolder(), 'home')
    const daemon = () => {
      const args = [bin, '--home', home, '--json', 'daemon', '--listen', '127.0.0.1:0']
      const child = spawn(old!, args, { stdio: ['ignore', 'pipe', 'ignore'] })
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    }
    const first = daemon()
    await once(first.stdout, 'data')
    first.kill('SIGKILL')
    const isFree = (): boolean => {
      try {
        takeLock(path.join(home, 'lock.db')).release()
        return true
      } catch {
        return false
      }
    }
    await expect.poll(isFree, { timeout: 5_000 }).toBe(true)
    const second = daemon()
    await once(second.stdout, 'data')
    second.kill('SIGTERM')
    expect(await once(second, 'exit')).toEqual([0, null])
  }
)
