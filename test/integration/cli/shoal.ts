/** The command line as a user starts it, and a control server that answers what a test says. */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { serveControl, type Handlers } from '../../../src/daemon/control/server.ts'
import type { OtherUser } from '../../fixtures/other-user.ts'

export const bin = path.resolve(import.meta.dirname, '../../../bin/shoal.js')

export function temporaryFolder(): string {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-')))
  onTestFinished(() => {
    fs.rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

export interface Ended {
  status: number | NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Running {
  child: ChildProcess
  ended: Promise<Ended>
  /** Resolves once `text` was printed on stdout or stderr. Rejects when the process ends without. */
  said: (text: string) => Promise<void>
}

interface Start {
  args: readonly string[]
  cwd?: string
  input?: string
  env?: Record<string, string>
  /** Runs as this user and the group of the same number. */
  as?: OtherUser
}

/** What is set where the tests run must not show. */
function cleanEnv(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SHOAL_|XDG_|NO_COLOR|FORCE_COLOR)/.test(name))
  )
}

export function start({ args, cwd = os.tmpdir(), input, env = {}, as }: Start): Running {
  const user = as === undefined ? {} : { uid: as.uid, gid: as.uid }
  const child = spawn(as?.node ?? 'node', [as?.bin ?? bin, ...args], {
    ...{ cwd, env: { ...cleanEnv(), ...env }, stdio: ['pipe', 'pipe', 'pipe'] },
    ...user
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  const watchers = new Set<() => void>()
  const heard = (): void => {
    for (const watch of watchers) watch()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    heard()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    heard()
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input ?? '')
  const ended = new Promise<Ended>(resolve => {
    child.once('close', (status, signal) => {
      resolve({ status: status ?? signal, stdout, stderr })
    })
  })
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        if ((stdout + stderr).includes(text)) resolve()
      }
      watchers.add(watch)
      watch()
      ended.then(() => {
        reject(new Error(`ended without ${JSON.stringify(text)}: ${stdout}${stderr}`))
      }, reject)
    })
  return { child, ended, said }
}

export function shoal(home: string, args: readonly string[], more: Omit<Start, 'args'> = {}): Promise<Ended> {
  return start({ ...more, args: ['--home', home, ...args] }).ended
}

export function linesOf(stdout: string): Array<Record<string, unknown>> {
  const lines = stdout.split('\n').filter(line => line !== '')
  return lines.map(line => JSON.parse(line) as Record<string, unknown>)
}

/** A call as a fake handler sees it: it may emit what no schema knows. */
export interface FakeCall {
  readonly signal: AbortSignal
  readonly emit: (event: { event: string; [field: string]: unknown }) => void
}

type Fake = (params: Record<string, unknown>, call: FakeCall) => Promise<object>

export interface FakeDaemon {
  home: string
  /** Methods and parameters, as they came. */
  calls: Array<[method: string, params: Record<string, unknown>]>
}

/** A home whose daemon answers with `fakes`. */
export async function fakeDaemon(fakes: Record<string, Fake>): Promise<FakeDaemon> {
  const home = temporaryFolder()
  const socket = path.join(home, 'control.sock')
  const calls: FakeDaemon['calls'] = []
  const handlers = Object.fromEntries(
    Object.entries(fakes).map(([method, fake]) => [
      method,
      (params: Record<string, unknown>, call: FakeCall) => {
        calls.push([method, params])
        return fake(params, call)
      }
    ])
  )
  const onFault = (error: unknown): void => {
    throw error
  }
  const server = await serveControl({ socket, handlers: handlers as unknown as Handlers, onFault })
  fs.writeFileSync(path.join(home, 'socket'), `${socket}\n`)
  onTestFinished(() => server.close(0))
  return { home, calls }
}

/** Runs the command line in a terminal of its own and types `keys`. What is printed comes back as one text. */
export async function inTerminal(
  home: string,
  args: readonly string[],
  keys: string,
  env: Record<string, string> = {}
) {
  const quoted = ['node', bin, '--home', home, ...args].map(word => `'${word}'`).join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', `stty cols 80; ${quoted}`, '/dev/null'], {
    env: { ...cleanEnv(), TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text))
  child.stdin.write(keys)
  const status = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { status, screen }
}
