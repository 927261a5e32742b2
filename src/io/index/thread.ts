/**
 * The daemon's end of the index worker: sends requests with deadlines, matches replies, and reports the worker's end.
 */
import { Worker } from 'node:worker_threads'
import { ShoalError } from '../../base/errors.ts'
import type { Answers, Failure, Reply, Request } from './messages.ts'

/** Deadline for opening: a check of 64 MiB, or the recovery of the WAL of a large share after a crash. */
const OPEN_MS_MAX = 60_000
/** The worker's heap; SQLite's page cache (schema.ts) is not part of it. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 2 }

export interface Listener {
  /** The file was damaged and has been recreated empty. */
  lost(): void
  /** The worker has ended, by `close` or by a failure. No further request is answered. */
  ended(why: string): void
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: ShoalError) => void
  readonly timer: NodeJS.Timeout
}

export class IndexThread {
  /** Whether an empty file was created at the start. */
  readonly rebuilt: boolean
  private readonly worker: Worker
  private readonly waiting = new Map<number, Waiting>()
  private listener: Listener | undefined
  private numbers = 0
  private hasEnded = false

  private constructor(worker: Worker, rebuilt: boolean) {
    this.worker = worker
    this.rebuilt = rebuilt
    worker.on('message', (reply: Reply) => {
      this.receive(reply)
    })
    worker.on('error', error => {
      this.end((error as Error).message)
    })
    worker.on('exit', () => {
      this.end('the thread has exited')
    })
  }

  /** Throws ShoalError 'timeout', 'disk-full', 'internal'. */
  static async start(path: string): Promise<IndexThread> {
    // The build does not rewrite URLs, so the worker's file has the same extension as this file.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    const worker = new Worker(new URL(file, import.meta.url), {
      ...{ name: 'index', workerData: { path }, resourceLimits: WORKER_LIMITS, execArgv: [] }
    })
    try {
      const reply = await firstReply(worker, path)
      if (reply.kind === 'failed') throw errorOf(reply.failure)
      return new IndexThread(worker, reply.kind === 'ready' && reply.rebuilt)
    } catch (error) {
      await worker.terminate()
      throw error
    }
  }

  listen(listener: Listener): void {
    this.listener = listener
  }

  /** Throws ShoalError: the worker's error, 'timeout' after `withinMs`, 'interrupted' when the thread ends. */
  ask<K extends Request['kind']>(request: Extract<Request, { kind: K }>, withinMs: number): Promise<Answers[K]> {
    if (this.hasEnded) return Promise.reject(goneError())
    return new Promise((resolve, reject) => {
      const number = ++this.numbers
      const timer = setTimeout(() => {
        this.waiting.delete(number)
        reject(lateError(request.kind, withinMs))
      }, withinMs)
      this.waiting.set(number, { resolve: value => resolve(value as Answers[K]), reject, timer })
      this.worker.postMessage({ number, request })
    })
  }

  /** Asks the worker to close the file and exit; terminates it after `withinMs`. */
  async close(withinMs: number): Promise<void> {
    if (this.hasEnded) return
    const exited = new Promise(resolve => this.worker.once('exit', resolve))
    try {
      await this.ask({ kind: 'close' }, withinMs)
      await exited
    } catch {
      await this.worker.terminate()
    }
  }

  private receive(reply: Reply): void {
    if (reply.kind === 'lost') this.listener?.lost()
    if (reply.kind !== 'done' && reply.kind !== 'refused') return
    const waiting = this.waiting.get(reply.number)
    // The request has timed out.
    if (waiting === undefined) return
    this.waiting.delete(reply.number)
    clearTimeout(waiting.timer)
    if (reply.kind === 'done') waiting.resolve(reply.value)
    else waiting.reject(errorOf(reply.failure))
  }

  private end(why: string): void {
    if (this.hasEnded) return
    this.hasEnded = true
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer)
      reject(goneError())
    }
    this.waiting.clear()
    this.listener?.ended(why)
  }
}

export function lateError(kind: Request['kind'], ms: number): ShoalError {
  return new ShoalError('timeout', `the search index did not answer a ${kind} within ${Math.ceil(ms)} ms`)
}

export function goneError(): ShoalError {
  return new ShoalError('interrupted', 'the search index is closed')
}

function errorOf({ code, message, hint }: Failure): ShoalError {
  return new ShoalError(code, message, hint === undefined ? {} : { hint })
}

function firstReply(worker: Worker, path: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ShoalError('timeout', `the search index ${path} did not open within ${OPEN_MS_MAX / 1_000} s`))
    }, OPEN_MS_MAX)
    const failed = (cause: unknown): void => {
      clearTimeout(timer)
      reject(new ShoalError('internal', `the search index ${path} did not open: its thread has exited`, { cause }))
    }
    worker.once('error', failed)
    worker.once('exit', failed)
    worker.once('message', (reply: Reply) => {
      clearTimeout(timer)
      worker.off('error', failed)
      worker.off('exit', failed)
      resolve(reply)
    })
  })
}
