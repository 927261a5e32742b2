/**
 * The client of the control API: it sends a method and its parameters, receives events, and returns the result. The daemon is called
 * over its Unix socket. The methods of a home without a daemon run in a child process, which holds the home's lock. Both
 * answer in lines of the control API.
 */
import { spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { ShoalError } from '../../base/errors.ts'
import { eventOf, resultOf } from '../../wire/control/check.ts'
import {
  HOME_METHODS,
  homeMark,
  parseSocketNote,
  SOCKET_NAME_FILE,
  type HomeApi,
  type SocketNote
} from '../../wire/control/home.ts'
import { answerLine } from '../../wire/control/line.ts'
import { METHODS, type ControlApi } from '../../wire/control/methods.ts'
import type { Api, EventIn, Infer, Method, ParamsIn, ResultIn } from '../../wire/control/schema.ts'
import { daemonEntry } from '../entry.ts'

export interface Asking<E> {
  /** Called with each line before the answer. */
  onEvent?: ((event: E) => void) | undefined
  signal: AbortSignal
}

/** A client of one API: of the daemon, or of a home without one. */
export interface Transport<A extends Api> {
  /**
   * Resolves with the answer, checked against the method's schema. Throws the ShoalError of the answer; `unreachable` when
   * nobody answers or the connection ends before the answer; `internal` for lines that the schema refuses; `interrupted`
   * when `signal` aborts, which ends the listening and not the work.
   */
  ask<M extends keyof A & string>(
    method: M,
    params: ParamsIn<A, M>,
    asking: Asking<EventIn<A, M>>
  ): Promise<ResultIn<A, M>>
}

/** No daemon runs on the home, as opposed to a daemon that reaches no other node. */
export class NoDaemonError extends ShoalError {
  constructor(home: string, startHint: string, cause: unknown) {
    super('unreachable', `no daemon runs on ${home}`, { hint: `start one: ${startHint}`, cause })
  }
}

/** `startHint`: the line that starts a daemon. */
export function socketTransport(home: string, startHint: string): Transport<ControlApi> {
  const nobody = (cause: unknown): ShoalError => new NoDaemonError(home, startHint, cause)
  return {
    async ask(method, params, asking) {
      const { signal } = asking
      const response = await post(socketOf(home, startHint), { method, params, signal, nobody })
      return answerIn(response, METHODS[method], asking)
    }
  }
}

export function homeTransport(home: string): Transport<HomeApi> {
  return {
    async ask(method, params, asking) {
      const [command, ...args] = daemonEntry('home', method, '--home', home)
      const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], signal: asking.signal })
      // A failure shows in the answer, or as a missing answer.
      child.on('error', () => undefined)
      child.stdin.on('error', () => undefined)
      child.stdin.end(JSON.stringify(params))
      return answerIn(child.stdout, HOME_METHODS[method], asking)
    }
  }
}

/** The path that the running daemon wrote to the home. Throws ShoalError. */
export function socketOf(home: string, startHint: string): string {
  const { note, mark } = noteIn(home, startHint)
  if (note.home === undefined || note.home === mark) return note.socket
  throw new NoDaemonError(home, startHint, new Error('the home is a copy: its socket file is that of the original'))
}

function noteIn(home: string, startHint: string): { note: SocketNote; mark: string } {
  try {
    const note = parseSocketNote(readFileSync(path.join(home, SOCKET_NAME_FILE), 'utf8'))
    return { note, mark: homeMark(statSync(home, { bigint: true })) }
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
    if (isAbsent) throw new NoDaemonError(home, startHint, cause)
    throw new ShoalError('permission', `cannot read the home ${home}`, { hint: 'is it yours?', cause })
  }
}

interface Post {
  method: string
  params: object
  signal: AbortSignal
  nobody: (cause: unknown) => ShoalError
}

function post(socketPath: string, { method, params, signal, nobody }: Post): Promise<Readable> {
  return new Promise((resolve, reject) => {
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

async function answerIn<M extends Method>(
  stream: Readable,
  method: M,
  { onEvent, signal }: Asking<Infer<M['event']>>
): Promise<Infer<M['result']>> {
  try {
    for await (const text of linesIn(stream)) {
      const line = answerLine(text)
      if (line.kind === 'error') throw line.error
      if (line.kind === 'result') return resultOf(method, line.fields)
      const event = eventOf(method, line.fields)
      if (event !== undefined) onEvent?.(event)
    }
  } catch (error) {
    if (error instanceof ShoalError) throw error
    throw signal.aborted ? interrupted(error) : gone(error)
  }
  throw signal.aborted ? interrupted(undefined) : gone(undefined)
}

/** A line without a line break at its end was cut off, and is dropped. */
async function* linesIn(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const part of stream.setEncoding('utf8')) {
    const chunk = String(part)
    rest += chunk
    // A listing of many files is one long line in many chunks: each chunk is searched once.
    if (!chunk.includes('\n')) continue
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

function gone(cause: unknown): ShoalError {
  return new ShoalError('unreachable', 'the daemon closed the connection before it answered', {
    hint: 'its log says why: daemon.log in the folder log of its home',
    cause
  })
}

export function interrupted(cause: unknown): ShoalError {
  return new ShoalError('interrupted', 'interrupted before the daemon answered', { cause })
}
