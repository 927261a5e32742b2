/**
 * One temporary folder and all processes that were started: whatever happens, `close` ends the processes by their ids and
 * removes the folder. Everything a benchmark starts is started here.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

const SAID_CHARACTERS_MAX = 4_000

export class Workshop {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-bench-'))
  private readonly children = new Set<ChildProcess>()
  private readonly cleanups: Array<() => void> = []
  private names = 0

  /** A path below the folder that nothing has yet. */
  path(name: string): string {
    return path.join(this.root, `${++this.names}-${name}`)
  }

  folder(name: string): string {
    const folder = this.path(name)
    fs.mkdirSync(folder)
    return folder
  }

  /** Done at the end, after all processes. */
  atEnd(cleanup: () => void): void {
    this.cleanups.push(cleanup)
  }

  start(command: readonly string[], options: SpawnOptions = {}): Running {
    const [file = '', ...args] = command
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    this.children.add(child)
    child.once('close', () => this.children.delete(child))
    return new Running(child, command)
  }

  /** Ends within a moment; safe to call twice. */
  close(): void {
    for (const child of this.children) child.kill('SIGKILL')
    this.children.clear()
    for (const cleanup of this.cleanups.splice(0)) cleanup()
    fs.rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** A process with what it said. */
export class Running {
  readonly pid: number
  readonly child: ChildProcess
  /** Resolves when it has ended well; rejects with its last words. */
  readonly ended: Promise<void>
  said = ''
  private listeners = new Set<() => void>()

  constructor(child: ChildProcess, command: readonly string[]) {
    this.child = child
    this.pid = child.pid ?? -1
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', this.hear)
    this.ended = new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) => {
        if (status === 0) resolve()
        else
          reject(
            new Error(`${command.join(' ')}: ${signal ?? `status ${status}`}\n${this.said.slice(-SAID_CHARACTERS_MAX)}`)
          )
      })
    })
    // Whoever waits hears it; a process that is killed at the end has nobody who waits.
    this.ended.catch(() => undefined)
  }

  /** Resolves once the words were said by either of its streams. Rejects when it ends, or after `ms`. */
  async says(pattern: RegExp, ms: number): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
    const look = (): void => {
      const match = pattern.exec(this.said)
      if (match !== null) resolve(match)
    }
    const timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${pattern.source}\n${this.said}`)), ms)
    this.listeners.add(look)
    this.ended.then(() => reject(new Error(`ended without ${pattern.source}`)), reject)
    look()
    return promise.finally(() => {
      clearTimeout(timer)
      this.listeners.delete(look)
    })
  }

  async inTime(ms: number): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), ms)
    await this.ended.finally(() => clearTimeout(timer))
  }

  kill(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal)
    return this.ended.catch(() => undefined)
  }

  private readonly hear = (text: string): void => {
    this.said += text
    for (const listener of this.listeners) listener()
  }
}

/** A TCP port of the loopback that nobody has now. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return address.port
}

/** Where the program is, or undefined. */
export function installed(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.map(folder => path.join(folder, program)).find(file => fs.existsSync(file))
}

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
