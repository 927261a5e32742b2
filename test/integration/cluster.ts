/**
 * Real daemons as separate processes on loopback, driven by the command line as a person would. Ports are free ones, and
 * everything lives in one temporary folder. `close` ends every process that was started here and removes the folder; should
 * the process of the tests die before that, its daemons end by themselves (SHOAL_GUARDIAN).
 *
 * Deadlines are for machines that are busy with something else: no test measures speed.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import fsp from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { socketTransport } from '../../src/cli/client/transport.ts'
import type { ControlMethod, MemberRow, Params, ResultOf, TransferRow } from '../../src/wire/control/methods.ts'

const BIN = path.resolve(import.meta.dirname, '../../bin/shoal.js')
const PEER = path.resolve(import.meta.dirname, '../fixtures/peers/peer.ts')
const COMMAND_MS_MAX = 8 * 60_000
const START_MS_MAX = 60_000
const LOOK_MS = 25
const ANY_PORT = '127.0.0.1:0'

/** What a command with --json says last. */
interface Told extends Omit<{ [M in ControlMethod]: ResultOf<M> }, 'share'> {
  init: { id: string; name: string; overlay: string }
  share: ResultOf<'share'>['shares'][number] & { ticket?: string }
}

export interface Answer {
  code: number
  /** JSON lines of stdout. */
  lines: Array<Record<string, unknown>>
  stdout: string
  stderr: string
}

export interface RunOptions {
  input?: string
  cwd?: string
}

/** Of an answer that is an error. */
export function errorOf({ lines, stderr }: Answer): { code: string; message: string; hint?: string } {
  const error = lines.at(-1)?.['error']
  if (typeof error !== 'object') throw new Error(`no error was told: ${JSON.stringify(lines)} ${stderr}`)
  return error as { code: string; message: string; hint?: string }
}

/** Resolves with the first answer that is not undefined or false. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = 60_000
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen as Exclude<T, false | undefined>
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs / 1000} s until ${what}`)
    await sleep(LOOK_MS)
  }
}

export class Daemon {
  readonly name: string
  readonly home: string
  /** HOST:PORT; the next start listens there too. */
  address = ANY_PORT
  id = ''
  readonly env: NodeJS.ProcessEnv
  private child: ChildProcess | undefined
  private lastWords = ''

  constructor(name: string, home: string, env: NodeJS.ProcessEnv) {
    this.name = name
    this.home = home
    this.env = env
  }

  /** Of the process that was started last; null while it runs, or when a signal ended it. */
  get exitCode(): number | null {
    return this.child?.exitCode ?? null
  }

  get running(): boolean {
    return this.child !== undefined && !hasEnded(this.child)
  }

  /** Begins `shoal --home HOME --json ARGS`. The child may be sent signals. */
  begin(
    args: readonly string[],
    { input = '', cwd }: RunOptions = {}
  ): { child: ChildProcess; answer: Promise<Answer> } {
    const child = spawn('node', [BIN, '--home', this.home, '--json', ...args], {
      ...{ env: this.env, stdio: ['pipe', 'pipe', 'pipe'] },
      ...(cwd === undefined ? {} : { cwd })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    return { child, answer: answerOf(child, `${this.name}: shoal ${args.join(' ')}`) }
  }

  run(args: readonly string[], options?: RunOptions): Promise<Answer> {
    return this.begin(args, options).answer
  }

  /** A command that must succeed: what it says last. */
  async ok<C extends keyof Told>(command: C, args: readonly string[] = [], options?: RunOptions): Promise<Told[C]> {
    const { code, lines, stderr } = await this.run([command, ...args], options)
    const line = lines.at(-1)
    if (code !== 0 || line === undefined) {
      throw new Error(
        `${this.name}: shoal ${command} ${args.join(' ')}: exit ${code}: ${JSON.stringify(line)}\n${stderr}`
      )
    }
    return line as unknown as Told[C]
  }

  /** Over the control socket, where no claim is about the command line: a process less. */
  async ask<M extends ControlMethod>(method: M, params: Params<M>): Promise<ResultOf<M>> {
    const signal = AbortSignal.timeout(COMMAND_MS_MAX)
    return socketTransport(this.home, '').ask(method, params, { signal })
  }

  /** The state in which this one sees another. */
  async sees(other: Daemon): Promise<MemberRow['state'] | undefined> {
    const { members } = await this.ask('members', {})
    return members.find(({ id }) => id === other.id)?.state
  }

  /** Undefined while it has nothing of this content. */
  async transfer(content: string): Promise<TransferRow | undefined> {
    const { transfers } = await this.ask('status', {})
    return transfers.find(({ id }) => id === content)
  }

  /** Ready when it resolves. With `peer`, arguments of test/fixtures/peers/peer.ts, it is that one instead. */
  async start({ listen = this.address, peer }: { listen?: string; peer?: readonly string[] } = {}): Promise<void> {
    const args =
      peer === undefined
        ? [BIN, '--home', this.home, '--json', 'daemon', '--listen', listen]
        : ['--disable-warning=ExperimentalWarning', PEER, '--home', this.home, '--listen', listen, ...peer]
    const child = spawn('node', args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.lastWords = text))
    const ready = JSON.parse(await firstLine(child, () => this.lastWords)) as { id?: string; addresses?: string[] }
    if (ready.id === undefined) throw new Error(`${this.name} did not start: ${JSON.stringify(ready)}`)
    this.id = ready.id
    this.address = ready.addresses![0]!
  }

  /** Resolves at its end, unless it only stops or goes on. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const { child } = this
    if (child === undefined || hasEnded(child)) return
    child.kill(signal)
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await ended(child)
  }

  /** `shoal stop`, and its end. */
  async stop(): Promise<void> {
    await this.ok('stop')
    await ended(this.child!)
  }

  /** The most resident memory that it ever had, bytes. */
  get peakMemoryBytes(): number {
    const status = fs.readFileSync(`/proc/${this.child!.pid}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024
  }

  /** The lines of its log so far with this message. */
  logged(message: string): Array<Record<string, unknown>> {
    const text = fs.readFileSync(path.join(this.home, 'log', 'daemon.log'), 'utf8')
    const lines = text.split('\n').filter(Boolean)
    return lines.map(line => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === message)
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function ended(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  await new Promise<void>(resolve => child.once('exit', () => resolve()))
}

function firstLine(child: ChildProcess, lastWords: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not ready in ${START_MS_MAX / 1000} s: ${lastWords()}`)),
      START_MS_MAX
    )
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      end()
    }
    createInterface({ input: child.stdout! }).once('line', line => settle(() => resolve(line)))
    child.once('exit', (code, signal) =>
      settle(() => reject(new Error(`ended with ${signal ?? code}: ${lastWords()}`)))
    )
  })
}

async function answerOf(child: ChildProcess, what: string): Promise<Answer> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS_MAX)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (...end) => resolve(end))
  })
  clearTimeout(timer)
  if (code === null) throw new Error(`${what} was ended by ${signal}\n${stdout}${stderr}`)
  const lines = stdout.split('\n').filter(line => line.startsWith('{'))
  return { code, lines: lines.map(line => JSON.parse(line) as Record<string, unknown>), stdout, stderr }
}

export class Cluster {
  readonly root: string
  private readonly daemons: Daemon[] = []

  private constructor(root: string) {
    this.root = root
  }

  /** `count` daemons of one overlay, n1, n2, …, all of which see each other alive. */
  static async start(count: number): Promise<Cluster> {
    const cluster = await Cluster.empty()
    try {
      await cluster.found('n1')
      for (let i = 2; i <= count; i++) await cluster.join(`n${i}`)
      await cluster.converged()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  static async empty(): Promise<Cluster> {
    return new Cluster(await fsp.mkdtemp(path.join(os.tmpdir(), 'shoal-it-')))
  }

  /** A daemon that founded an overlay for processes of one machine. */
  async found(name: string): Promise<Daemon> {
    const daemon = this.add(name)
    await daemon.ok('init', ['--name', name, '--preset', 'local'])
    await daemon.start()
    return daemon
  }

  /** One that joins by a ticket of the first. `before`: done before it starts. */
  async join(
    name: string,
    { before, ...options }: { peer?: readonly string[]; before?: (daemon: Daemon) => Promise<void> } = {}
  ): Promise<Daemon> {
    const daemon = this.add(name)
    const { ticket } = await this.node(1).ask('invite', {})
    await daemon.ok('init', ['--name', name])
    await daemon.ok('join', ['-'], { input: ticket })
    await before?.(daemon)
    await daemon.start(options)
    return daemon
  }

  /** One that is not started. `own`: variables of its own. */
  add(name: string, own: NodeJS.ProcessEnv = {}): Daemon {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('SHOAL_')))
    const env = { ...inherited, NO_COLOR: '1', SHOAL_GUARDIAN: String(process.pid), ...own }
    const daemon = new Daemon(name, path.join(this.root, name), env)
    this.daemons.push(daemon)
    return daemon
  }

  /** From 1, as they are named. */
  node(number: number): Daemon {
    const daemon = this.daemons[number - 1]
    if (daemon === undefined) throw new Error(`no daemon n${number}`)
    return daemon
  }

  /** A folder that is not there yet. */
  folder(name: string): string {
    return path.join(this.root, name)
  }

  /** Every running daemon sees all that run alive, and no other. */
  async converged(): Promise<void> {
    const running = this.daemons.filter(daemon => daemon.running)
    const wanted = JSON.stringify(running.map(({ id }) => id).toSorted())
    for (const daemon of running) {
      await until(`${daemon.name} sees the ${running.length} that run alive`, async () => {
        const { members } = await daemon.ask('members', {})
        const alive = members.filter(({ state }) => state === 'alive')
        return JSON.stringify(alive.map(({ id }) => id).toSorted()) === wanted
      })
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.daemons.map(daemon => daemon.kill('SIGKILL')))
    await fsp.rm(this.root, { recursive: true, force: true, maxRetries: 3 })
  }
}
