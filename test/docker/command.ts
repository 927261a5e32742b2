/** Other programs, run to their end within a deadline. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Ended {
  /** Undefined when a signal ended it. */
  code: number | undefined
  stdout: string
  stderr: string
}

export interface CommandOptions {
  timeoutMs?: number
  cwd?: string
  env?: NodeJS.ProcessEnv
}

const COMMAND_MS_MAX = 60_000
const LOOK_MS = 20

const running = new Set<ChildProcess>()
const cleaning = new AsyncLocalStorage<boolean>()
let halted: Error | undefined

/** Ends what runs, and lets nothing begin any more but what cleans up. */
export function halt(why: Error): void {
  halted = why
  for (const child of running) child.kill('SIGTERM')
}

export function cleanUp<T>(work: () => Promise<T>): Promise<T> {
  return cleaning.run(true, work)
}

function mayGoOn(): void {
  if (halted !== undefined && cleaning.getStore() === undefined) throw halted
}

/** Whatever its exit status. Rejects when it cannot be started or is late. */
export async function ended(command: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const { timeoutMs = COMMAND_MS_MAX, cwd, env = process.env } = options
  mayGoOn()
  const [file = '', ...args] = command
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) })
  running.add(child)
  child.once('close', () => running.delete(child))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const beganMs = performance.now()
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  }).finally(() => clearTimeout(timer))
  if (code === null && performance.now() - beganMs >= timeoutMs)
    throw new Error(`${command.join(' ')} took longer than ${timeoutMs / 1000} s\n${stdout}${stderr}`)
  return { code: code ?? undefined, stdout, stderr }
}

/** What it printed; it must end with 0. */
export async function ok(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await ended(command, options)
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code ?? 'a signal'}\n${stdout}${stderr}`)
  return stdout.trimEnd()
}

/** Whether it runs here and ends with 0. */
export async function works(command: readonly string[]): Promise<boolean> {
  try {
    return (await ended(command)).code === 0
  } catch {
    return false
  }
}

/** Seconds until `look` is true. `what` completes "waited for … s until"; a text of `look` says what is there instead. */
export async function until(
  what: string,
  look: () => boolean | string | Promise<boolean | string>,
  timeoutMs: number,
  sinceMs = performance.now()
): Promise<number> {
  for (;;) {
    mayGoOn()
    const seen = await look()
    const seconds = (performance.now() - sinceMs) / 1000
    if (seen === true) return seconds
    if (seconds * 1000 > timeoutMs) {
      throw new Error(`waited ${timeoutMs / 1000} s until ${what}${seen === false ? '' : `: ${seen}`}`)
    }
    await sleep(LOOK_MS)
  }
}
