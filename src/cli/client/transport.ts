/**
 * How a command asks: a method and its parameters go in, events come while it works, one answer comes at the end. A daemon is
 * asked over its Unix socket; a home without one is asked of a child process that holds the home's lock meanwhile. Both
 * answer in the lines of the control API.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { ShoalError } from '../../base/errors.ts'
import { CONTROL_VERSION } from '../../wire/control/methods.ts'
import { isErrorCode } from '../../wire/control/exit.ts'
import { SOCKET_NAME_FILE } from '../../wire/control/home.ts'
import { daemonEntry } from '../entry.ts'

export interface Line {
  [field: string]: unknown
}

export interface Asking {
  onEvent?: ((event: Line) => void) | undefined
  signal: AbortSignal
}

export interface Transport {
  /**
   * The answer's fields without `v`. Throws the ShoalError of the answer; `unreachable` when there is nobody to ask, or they
   * went away in the middle; `interrupted` when `signal` aborts, which stops listening and nothing else.
   */
  ask(method: string, params: object, asking: Asking): Promise<Line>
}

/** There is nobody to ask, as against a daemon that reached nobody. */
export class NoDaemonError extends ShoalError {
  constructor(home: string, startHint: string, cause: unknown) {
    super('unreachable', `no daemon runs on ${home}`, { hint: `start one: ${startHint}`, cause })
  }
}

/** `startHint`: the line that starts a daemon. */
export function socketTransport(home: string, startHint: string): Transport {
  const nobody = (cause: unknown): ShoalError => new NoDaemonError(home, startHint, cause)
  return {
    async ask(method, params, asking) {
      const response = await post(socketOf(home, startHint), { method, params, asking, nobody })
      return answerIn(response, asking)
    }
  }
}

export function homeTransport(home: string): Transport {
  return {
    async ask(method, params, asking) {
      const [command, ...args] = daemonEntry('home', method, '--home', home)
      const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], signal: asking.signal })
      // What it died of shows in its answer, or in there being none.
      child.on('error', () => undefined)
      child.stdin.on('error', () => undefined)
      child.stdin.end(JSON.stringify(params))
      return answerIn(child.stdout, asking)
    }
  }
}

/** The daemon that runs has written where its socket is. Throws ShoalError. */
export function socketOf(home: string, startHint: string): string {
  try {
    return readFileSync(path.join(home, SOCKET_NAME_FILE), 'utf8').trim()
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
    if (isAbsent) throw new NoDaemonError(home, startHint, cause)
    throw new ShoalError('permission', `cannot read the home ${home}`, { hint: 'is it yours?', cause })
  }
}

interface Post {
  method: string
  params: object
  asking: Asking
  nobody: (cause: unknown) => ShoalError
}

function post(socketPath: string, { method, params, asking, nobody }: Post): Promise<Readable> {
  return new Promise((resolve, reject) => {
    const { signal } = asking
    const headers = { host: 'shoal', 'content-type': 'application/json' }
    const request = http.request({ socketPath, path: `/v1/${method}`, method: 'POST', headers, signal })
    request.once('response', resolve)
    request.once('error', (cause: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(interrupted(cause))
      else if (cause.code === 'EACCES') {
        reject(new ShoalError('permission', `the daemon's socket ${socketPath} is not yours`, { cause }))
      } else if (cause.code === 'ECONNREFUSED' || cause.code === 'ENOENT') reject(nobody(cause))
      else reject(gone(cause))
    })
    request.end(JSON.stringify(params))
  })
}

async function answerIn(stream: Readable, { onEvent, signal }: Asking): Promise<Line> {
  try {
    for await (const text of linesIn(stream)) {
      const { v: _, ...line } = lineOf(text)
      if (line['error'] !== undefined) throw errorOf(line['error'])
      if (line['event'] === undefined || line['event'] === 'done') return line
      onEvent?.(line)
    }
  } catch (error) {
    if (error instanceof ShoalError) throw error
    throw signal.aborted ? interrupted(error) : gone(error)
  }
  throw signal.aborted ? interrupted(undefined) : gone(undefined)
}

/** A line that was not ended was cut off, and is none. */
async function* linesIn(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    rest += chunk
    // A listing of many files is one long line in many chunks: it is looked through once.
    if (!chunk.includes('\n')) continue
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

export function lineOf(text: string): Line {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch {
    line = undefined
  }
  if (typeof line === 'object' && line !== null && 'v' in line && line.v === CONTROL_VERSION) return line
  throw new ShoalError('internal', 'the daemon answers in a form that this shoal does not know', {
    hint: 'both must be of one version: shoal stop, then start the daemon again'
  })
}

/** A text of an event, or nothing where a newer daemon sends something else. */
export function textIn(event: Line, field: string): string {
  const value = event[field]
  return typeof value === 'string' ? value : ''
}

/** The error as the daemon told it; a code that only a newer daemon knows becomes `internal`. */
export function errorOf(told: unknown): ShoalError {
  const { code, message, hint } = told as { code?: unknown; message?: unknown; hint?: unknown }
  const known = typeof code === 'string' && isErrorCode(code) ? code : 'internal'
  const options = typeof hint === 'string' ? { hint } : {}
  return new ShoalError(known, typeof message === 'string' ? message : 'an error without a message', options)
}

function gone(cause: unknown): ShoalError {
  return new ShoalError('unreachable', 'the daemon went away before it had answered', {
    hint: 'its log says why: daemon.log in the folder log of its home',
    cause
  })
}

export function interrupted(cause: unknown): ShoalError {
  return new ShoalError('interrupted', 'interrupted; what the daemon began for it goes on', { cause })
}
