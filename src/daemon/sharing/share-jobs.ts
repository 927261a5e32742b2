/**
 * Shares that are being made. A share is a job of the daemon: whoever asks for it follows it, and a client that hangs up only stops
 * following. A second request for the same path and options joins the job instead of hashing the files again. A job ends when its work
 * ends, when it is cancelled, or when the daemon stops.
 *
 * At most HASHING_MAX jobs run, and never two of one path; the others wait in the order in which they came.
 */
import { assert } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import { quotedPath } from '../../wire/bittorrent/paths.ts'
import { SHARING_ROWS_MAX, type SharingRow } from '../../wire/control/methods.ts'

/** More read from one disk at once without being faster. */
export const HASHING_MAX = 2
/** Running and waiting. */
export const SHARE_JOBS_MAX = 10_000

export interface ShareRequest {
  /** Absolute. */
  readonly target: string
  /** Undefined: as it was. */
  readonly unlisted: boolean | undefined
  readonly strict: boolean
}

export interface ShareProgress {
  readonly files: number
  readonly bytes: number
  readonly totalBytes: number
}

export interface Work {
  /** Its reason is the ShoalError that the job ends with. */
  readonly signal: AbortSignal
  readonly onProgress: (progress: ShareProgress) => void
  /** From now on the job cannot be cancelled: it changes what is shared. */
  readonly commit: () => void
}

export interface Follower {
  /** Aborts when the follower is gone. */
  readonly signal: AbortSignal
  readonly onProgress: (progress: ShareProgress) => void
}

export interface ShareJobsOptions<Result> {
  /** Rejects with the signal's reason when that aborts before `commit`. */
  readonly work: (request: ShareRequest, work: Work) => Promise<Result>
  /** The job ended, and nobody follows it any more. `error` is undefined when it succeeded. */
  readonly onUnheard: (request: ShareRequest, error: unknown) => void
}

interface Job<Result> {
  readonly request: ShareRequest
  readonly stop: AbortController
  readonly ended: PromiseWithResolvers<Result>
  readonly followers: Set<Follower>
  state: 'queued' | 'hashing' | 'committing'
  progress: ShareProgress
}

export class ShareJobs<Result> {
  private readonly options: ShareJobsOptions<Result>
  /** By keyOf, in the order in which they came. */
  private readonly jobs = new Map<string, Job<Result>>()
  private readonly targets = new Set<string>()
  private readonly running = new Set<Promise<void>>()
  private closed = false

  constructor(options: ShareJobsOptions<Result>) {
    this.options = options
  }

  /**
   * Starts the job, or joins the one that is there, before it returns. Rejects with the job's error; with ShoalError 'interrupted' when
   * the follower's signal aborts or the daemon stops, 'busy' when there are too many jobs.
   */
  async follow(request: ShareRequest, follower: Follower): Promise<Result> {
    if (this.closed) throw stopped(request.target)
    const job = this.jobs.get(keyOf(request)) ?? this.start(request)
    job.followers.add(follower)
    const gone = Promise.withResolvers<never>()
    const leave = (): void => {
      job.followers.delete(follower)
      gone.reject(
        new ShoalError('interrupted', `the client hung up; ${quotedPath(request.target)} is still being shared`)
      )
    }
    follower.signal.addEventListener('abort', leave, { once: true })
    if (follower.signal.aborted) leave()
    try {
      return await Promise.race([job.ended.promise, gone.promise])
    } finally {
      follower.signal.removeEventListener('abort', leave)
      job.followers.delete(follower)
    }
  }

  /** Ends the jobs of this path that have not begun to change what is shared. Returns how many. */
  cancel(target: string): number {
    const jobs = [...this.jobs.values()].filter(job => job.request.target === target && job.state !== 'committing')
    for (const job of jobs) this.abort(job, cancelled(target))
    return jobs.length
  }

  /** Resolves when the jobs that were cancelled have ended. */
  async cancelledEnded(): Promise<void> {
    const cancelled = [...this.jobs.values()].filter(({ stop }) => stop.signal.aborted)
    await Promise.allSettled(cancelled.map(({ ended }) => ended.promise))
  }

  rows(): SharingRow[] {
    return [...this.jobs.values()].slice(0, SHARING_ROWS_MAX).map(({ request, state, progress }) => ({
      ...{ path: request.target, state: state === 'queued' ? 'queued' : 'hashing' },
      ...progress
    }))
  }

  /** Ends all jobs; resolves when none runs. Idempotent. */
  async close(): Promise<void> {
    this.closed = true
    for (const job of this.jobs.values()) if (job.state !== 'committing') this.abort(job, stopped(job.request.target))
    await Promise.all(this.running)
  }

  private start(request: ShareRequest): Job<Result> {
    if (this.jobs.size >= SHARE_JOBS_MAX) {
      throw new ShoalError('busy', `${SHARE_JOBS_MAX} paths are being shared already`, { hint: 'try again later' })
    }
    const job: Job<Result> = {
      ...{ request, stop: new AbortController(), ended: Promise.withResolvers<Result>(), followers: new Set() },
      ...{ state: 'queued', progress: { files: 0, bytes: 0, totalBytes: 0 } }
    }
    // Nobody may be following when it fails.
    job.ended.promise.catch(() => undefined)
    this.jobs.set(keyOf(request), job)
    this.runNext()
    return job
  }

  private runNext(): void {
    for (const job of this.jobs.values()) {
      if (this.running.size >= HASHING_MAX) return
      if (job.state !== 'queued' || this.targets.has(job.request.target)) continue
      job.state = 'hashing'
      this.targets.add(job.request.target)
      const run = this.run(job).finally(() => {
        this.running.delete(run)
        this.targets.delete(job.request.target)
        if (!this.closed) this.runNext()
      })
      this.running.add(run)
    }
  }

  /** Never rejects. */
  private async run(job: Job<Result>): Promise<void> {
    const work: Work = {
      signal: job.stop.signal,
      onProgress: progress => {
        job.progress = progress
        for (const follower of job.followers) follower.onProgress(progress)
      },
      commit: () => {
        job.stop.signal.throwIfAborted()
        job.state = 'committing'
      }
    }
    try {
      const result = await this.options.work(job.request, work)
      this.end(job, undefined, () => job.ended.resolve(result))
    } catch (error) {
      this.end(job, error, () => job.ended.reject(error))
    }
  }

  private abort(job: Job<Result>, error: ShoalError): void {
    job.stop.abort(error)
    if (job.state === 'queued') this.end(job, error, () => job.ended.reject(error))
  }

  private end(job: Job<Result>, error: unknown, settle: () => void): void {
    assert(this.jobs.get(keyOf(job.request)) === job, 'a job ends once')
    this.jobs.delete(keyOf(job.request))
    if (job.followers.size === 0) this.options.onUnheard(job.request, error)
    settle()
  }
}

function keyOf({ target, unlisted, strict }: ShareRequest): string {
  return JSON.stringify([target, unlisted ?? null, strict])
}

function cancelled(target: string): ShoalError {
  return new ShoalError('interrupted', `the share of ${quotedPath(target)} was cancelled`, {
    hint: 'nothing changed; files that were hashed already are not hashed again'
  })
}

function stopped(target: string): ShoalError {
  return new ShoalError('interrupted', `the daemon stops; ${quotedPath(target)} is not shared yet`, {
    hint: 'share it again when the daemon runs; files that were hashed already are not hashed again'
  })
}
