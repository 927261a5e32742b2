/** Runs jobs in child processes, so that a hang or a crash fails only its own seed. */
import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Outcome } from '../../src/sim/scenario.ts'
import type { Job } from './deal.ts'

export interface Played {
  readonly outcome: Outcome
  readonly cpuMs: number
}

/** Jobs that are sent to a child in advance, so that it does not wait between jobs. */
const JOBS_AHEAD = 3
/** The child is killed when a seed takes longer than this. */
const SEED_TIMEOUT_MS = 120_000
const WORKER = path.join(import.meta.dirname, 'worker.ts')

/** Runs all jobs. Calls `played` for every outcome, in order of completion, and stops when it returns false. */
export async function playJobs(
  jobs: readonly Job[],
  processes: number,
  played: (one: Played) => boolean
): Promise<void> {
  const waiting = jobs.slice()
  let wanted = true
  const take = (): Job | undefined => (wanted ? waiting.shift() : undefined)
  const heard = (one: Played): void => {
    if (!played(one)) wanted = false
  }
  const work = async (): Promise<void> => {
    // The next child runs the jobs that were sent to a child that died.
    for (let job = take(); job !== undefined; job = take()) waiting.unshift(...(await runChild(job, take, heard)))
  }
  await Promise.all(Array.from({ length: processes }, work))
}

/** Resolves with the jobs that were sent to the child and not run. */
function runChild(first: Job, take: () => Job | undefined, heard: (one: Played) => void): Promise<Job[]> {
  const child = spawn(process.execPath, [WORKER], { stdio: ['pipe', 'pipe', 'inherit'] })
  const atHand: Job[] = []
  const give = (job: Job | undefined): void => {
    if (job === undefined) return
    atHand.push(job)
    child.stdin.write(`${JSON.stringify(job)}\n`)
  }
  let timer = setTimeout(() => undefined, 0)
  const watch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => child.kill('SIGKILL'), SEED_TIMEOUT_MS)
  }
  watch()
  give(first)
  for (let i = 1; i < JOBS_AHEAD; i++) give(take())
  createInterface({ input: child.stdout }).on('line', line => {
    atHand.shift()
    heard(JSON.parse(line) as Played)
    give(take())
    if (atHand.length === 0) child.stdin.end()
    watch()
  })
  // The `close` event reports the death of the child.
  child.stdin.on('error', () => undefined)
  return ended(child).then(how => {
    clearTimeout(timer)
    const culprit = atHand.shift()
    if (culprit !== undefined) heard({ outcome: lost(culprit, how), cpuMs: 0 })
    return atHand
  })
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve(signal === null ? `exit status ${code ?? 'unknown'}` : `signal ${signal}`)
    })
  })
}

function lost(job: Job, how: string): Outcome {
  const detail = `the process ended by ${how} (it is sent SIGKILL after ${SEED_TIMEOUT_MS / 1_000} s)`
  const failure = { property: 'process', detail, atMs: 0, faults: [], trace: [] }
  return { ...job, failure, hash: '', messages: 0, worldMs: 0 }
}
