/** What a command does when its output cannot be written: nothing is truncated without an error and a status. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { bin, fakeDaemon, temporaryFolder } from './shoal.ts'

const peer = '12D3KooWBCzhTompnKtSa2hz3XUHy33TYSNB2dYziPbbH5wZsw7m'
const self = { id: peer, name: 'cod', address: '10.0.0.1:7462', state: 'alive', incarnation: 3, self: true }
const members = Array.from({ length: 500 }, () => self)

interface Redirected {
  readonly args: readonly string[]
  readonly stdout?: string
  readonly stderr?: string
  /** In blocks of 512 bytes, as `ulimit -f` has it: a file that grows to this is a disk that becomes full. */
  readonly fileBlocksMax?: number
}

async function redirected({ args, stdout, stderr, fileBlocksMax }: Redirected) {
  const open = (file: string | undefined): 'pipe' | number => (file === undefined ? 'pipe' : fs.openSync(file, 'w'))
  const limit = fileBlocksMax === undefined ? '' : `ulimit -f ${fileBlocksMax}; `
  const command = ['-c', `${limit}exec "$0" "$@"`, 'node', bin, ...args]
  const child = spawn('sh', command, { stdio: ['ignore', open(stdout), open(stderr)] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => (said[name] += text))
  const status = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { status, ...said }
}

const full = 'shoal: cannot write to stdout: the disk is full\n  what was written is incomplete: '

describe('on a full disk', () => {
  it.each([
    ['an answer', ['members']],
    ['an answer in JSON', ['--json', 'members']],
    ['ids', ['-q', 'members']],
    ['the error of a command in JSON', ['--json', 'sing']],
    ['help', ['--help']],
    ['the help of a command', ['members', '--help']],
    ['the version', ['--version']]
  ])('%s ends with 9 and a line on stderr', async (_, words) => {
    const { home } = await fakeDaemon({ members: async () => ({ members }) })
    const { status, stderr } = await redirected({ args: ['--home', home, ...words], stdout: '/dev/full' })
    expect([status, stderr]).toEqual([9, expect.stringContaining(full)])
  })

  it('notes and errors that cannot be written show in the status, and the answer is there', async () => {
    const { home } = await fakeDaemon({
      invite: async () => ({ ticket: 'shoal1abc', warning: 'its only address is private' })
    })
    const invited = await redirected({ args: ['--home', home, 'invite'], stderr: '/dev/full' })
    expect([invited.status, invited.stdout]).toEqual([9, 'shoal1abc\n'])
    expect((await redirected({ args: ['sing'], stderr: '/dev/full' })).status).toBe(64)
  })
})

it('a short write is noticed: a disk that becomes full in the middle ends with 9', async () => {
  const { home } = await fakeDaemon({ members: async () => ({ members }) })
  const file = path.join(temporaryFolder(), 'out')
  const args = ['--home', home, '--json', 'members']
  const { status, stderr } = await redirected({ args, stdout: file, fileBlocksMax: 16 })
  expect([status, stderr]).toEqual([9, expect.stringContaining('cannot write to stdout: the file may not grow')])
  expect(fs.statSync(file).size).toBe(16 * 512)
  const whole = await redirected({ args, stdout: file })
  expect(whole.status).toBe(0)
  expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual({ v: 1, members })
})

it('a reader that has closed the pipe is no error, and nothing is printed', async () => {
  const { home } = await fakeDaemon({ members: async () => ({ members }) })
  const child = spawn('node', [bin, '--home', home, 'members'], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', chunk => (stderr += String(chunk)))
  const status = await new Promise(resolve => child.once('close', resolve))
  expect([status, stderr]).toEqual([0, ''])
})
