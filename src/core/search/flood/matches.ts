/**
 * The queries to the index: one queue for each neighbour and one for this node's own searches, served in turn, so that
 * a neighbour with many queries delays only its own. Few queries are in flight at once. The queues are bounded, and a
 * query that does not fit is dropped.
 */
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { SearchQuery, SearchResult } from '../../../wire/gnutella/search.ts'
import type { Result } from '../../machine.ts'
import type { SearchContext } from '../context.ts'

export interface Job {
  readonly query: SearchQuery
  /** Not called when the asker left or the job was dropped. `results` is empty when the index failed. */
  readonly matched: (results: readonly SearchResult[], now: Instant) => void
}

interface InFlight {
  readonly job: Job
  readonly asker: NodeId
  readonly deadline: Instant
}

export class Matches {
  private readonly context: SearchContext
  /** The queues that are not empty, the next one to serve first. */
  private readonly waiting = new Map<NodeId, Job[]>()
  /** By the token of the command, in the order of their deadlines. At most `matchesAtOnce`. */
  private readonly inFlight = new Map<number, InFlight>()

  constructor(context: SearchContext) {
    this.context = context
  }

  /** Queues a job. False when the asker's queue is full. For its own searches, `asker` is this node. */
  add(asker: NodeId, job: Job, now: Instant): boolean {
    const queue = this.waiting.get(asker) ?? []
    if (queue.length >= this.context.settings.matchesWaitingMax) return false
    queue.push(job)
    this.waiting.set(asker, queue)
    this.serve(now)
    return true
  }

  /** Drops the queued jobs of an asker. */
  forget(asker: NodeId): void {
    this.waiting.delete(asker)
  }

  /** Number of jobs that are queued or in flight. */
  get size(): number {
    let size = this.inFlight.size
    for (const queue of this.waiting.values()) size += queue.length
    return size
  }

  done(token: number, result: Result, now: Instant): void {
    const one = this.inFlight.get(token)
    // The answer came after the deadline.
    if (one === undefined) return
    this.inFlight.delete(token)
    one.job.matched(result.ok ? (result.value as readonly SearchResult[]) : [], now)
    this.serve(now)
  }

  wake(now: Instant): void {
    for (const [token, { job, deadline }] of this.inFlight) {
      if (deadline > now) break
      this.inFlight.delete(token)
      job.matched([], now)
    }
    this.serve(now)
  }

  nextWake(): Instant | undefined {
    for (const { deadline } of this.inFlight.values()) return deadline
    return undefined
  }

  private serve(now: Instant): void {
    const { matchesAtOnce, matchMs, resultsPerNodeMax } = this.context.settings
    for (const [asker, queue] of this.waiting) {
      if (this.inFlight.size >= matchesAtOnce) return
      this.waiting.delete(asker)
      const job = queue.shift()
      if (job === undefined) continue
      // The queue moves behind all others.
      if (queue.length > 0) this.waiting.set(asker, queue)
      const token = this.context.outbox.command({ kind: 'match', query: job.query, limit: resultsPerNodeMax })
      this.inFlight.set(token, { job, asker, deadline: after(now, matchMs) })
    }
  }
}
