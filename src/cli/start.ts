/** Starting a daemon: in this process's place, or beside it and detached. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { expectDefined } from '../base/assert.ts'
import { ShoalError } from '../base/errors.ts'
import { valueOf } from '../wire/control/check.ts'
import { GUARDIAN_VARIABLE, readyRow, type Ready } from '../wire/control/home.ts'
import { answerLine } from '../wire/control/line.ts'
import { daemonEntry } from './entry.ts'

/** A start rejoins and looks at its files; it hashes nothing. */
const START_TIMEOUT_MS = 60_000
/** What it says before it can log; nearly always nothing. */
const STDERR_BYTES_MAX = 1 << 20

export interface Start {
  home: string
  /** Flags of settings, as the daemon takes them. */
  flags: readonly string[]
}

/**
 * The daemon takes this process's place: signals, exit status and kill -9 are the daemon's own. Never returns; the output of
 * this process must not have been used.
 */
export function becomeDaemon({ home, flags, report }: Start & { report: 'text' | 'json' | 'quiet' }): never {
  const [command, ...args] = daemonEntry('daemon', '--home', home, '--report', report, ...flags)
  if (process.execve === undefined) {
    throw new ShoalError('internal', 'this system cannot replace a process', { hint: 'start it with --detach' })
  }
  return process.execve(command, [command, ...args], definedOnly(process.env))
}

/** Resolves when the daemon is ready. Throws the error with which it ended instead. */
export async function startDetached({ home, flags, signal }: Start & { signal: AbortSignal }): Promise<Ready> {
  const errors = openErrors(home)
  const [command, ...args] = daemonEntry('daemon', '--home', home, '--report', 'json', '--detached', ...flags)
  // It outlives whoever runs this one in its place.
  const { [GUARDIAN_VARIABLE]: _, ...env } = process.env
  const child = spawn(command, args, { cwd: '/', detached: true, env, stdio: ['ignore', 'pipe', errors.handle] })
  closeSync(errors.handle)
  const stdout = expectDefined(child.stdout ?? undefined, 'stdout is a pipe')
  try {
    const line = answerLine(await firstLine(child, stdout, signal, errors))
    if (line.kind === 'error') throw line.error
    return valueOf(readyRow, line.fields)
  } catch (error) {
    child.kill('SIGTERM')
    throw error
  } finally {
    stdout.destroy()
    child.unref()
  }
}

export function logFolder(home: string): string {
  return path.join(home, 'log')
}

export function isHome(home: string): boolean {
  return existsSync(path.join(home, 'version'))
}

function firstLine(child: ChildProcess, stdout: Readable, signal: AbortSignal, errors: Errors): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ShoalError('timeout', `the daemon was not ready within ${START_TIMEOUT_MS / 1000} s`))
    }, START_TIMEOUT_MS)
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      end()
    }
    signal.addEventListener('abort', () => settle(() => reject(new ShoalError('interrupted', 'interrupted'))))
    child.once('error', cause =>
      settle(() => reject(new ShoalError('internal', `no start: ${cause.message}`, { cause })))
    )
    createInterface({ input: stdout }).once('line', line => settle(() => resolve(line)))
    child.once('close', (status, killer) => settle(() => reject(endedEarly(killer ?? `status ${status}`, errors))))
  })
}

/** Where a crash of Node itself leaves its words; the log is the daemon's own. */
interface Errors {
  file: string
  handle: number
  /** What stands in it from before. */
  lengthBefore: number
}

/** Where that cannot be kept, the daemon will say itself what is wrong with its home. */
function openErrors(home: string): Errors {
  const file = path.join(logFolder(home), 'stderr.log')
  try {
    mkdirSync(logFolder(home), { recursive: true, mode: 0o700 })
    const length = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    const isFull = length > STDERR_BYTES_MAX
    return { file, handle: openSync(file, isFull ? 'w' : 'a', 0o600), lengthBefore: isFull ? 0 : length }
  } catch {
    return { file: os.devNull, handle: openSync(os.devNull, 'a'), lengthBefore: 0 }
  }
}

function endedEarly(how: string, { file, lengthBefore }: Errors): ShoalError {
  const last = readFileSync(file).subarray(lengthBefore).toString().trimEnd().split('\n').at(-1) ?? ''
  const said = last === '' ? '' : `: ${last}`
  return new ShoalError('internal', `the daemon ended with ${how} before it was ready${said}`, { hint: `see ${file}` })
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
