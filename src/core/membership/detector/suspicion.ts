/** The clocks of running suspicions (SWIM 4.2, with the dynamic timeout of Lifeguard 4.2). */
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import { CONFIRMATIONS, suspicionMs } from '../settings.ts'

interface Suspicion {
  /** Time in which this node itself stood still is added to it. */
  start: Instant
  /** Among how many it began: later changes of the group move no deadline. */
  readonly members: number
  readonly confirmations: number
  deadline: Instant
}

export class Suspicions {
  private readonly running = new Map<NodeId, Suspicion>()
  private readonly periodMs: number
  /** The earliest deadline; undefined when it has to be looked for. */
  private first: { at: Instant | undefined } | undefined

  constructor(periodMs: number) {
    this.periodMs = periodMs
  }

  /** Starts the clock, or tells a running one how many signers there are beside the first: more of them shorten it. */
  set(subject: NodeId, confirmations: number, members: number, now: Instant): void {
    const before = this.running.get(subject)
    const { start, members: among } = before ?? { start: now, members }
    const most = Math.max(confirmations, before?.confirmations ?? 0)
    const deadline = after(start, suspicionMs({ members: among, periodMs: this.periodMs, confirmations: most }))
    this.running.set(subject, { start, members: among, confirmations: most, deadline })
    this.first = undefined
  }

  /** Nobody who holds the subject dead will sign one more suspicion: its verdict counts as all confirmations. */
  hasten(subject: NodeId, members: number, now: Instant): void {
    this.set(subject, CONFIRMATIONS, members, now)
  }

  end(subject: NodeId): void {
    if (this.running.delete(subject)) this.first = undefined
  }

  /** This node stood still for so long: nobody could have answered it. */
  postpone(ms: number): void {
    for (const suspicion of this.running.values()) {
      suspicion.start = after(suspicion.start, ms)
      suspicion.deadline = after(suspicion.deadline, ms)
    }
    this.first = undefined
  }

  /** Ends and returns those whose time is up. */
  expire(now: Instant): NodeId[] {
    const at = this.next()
    if (at === undefined || at > now) return []
    const expired = [...this.running].filter(([, suspicion]) => suspicion.deadline <= now).map(([subject]) => subject)
    for (const subject of expired) this.end(subject)
    return expired
  }

  next(): Instant | undefined {
    if (this.first === undefined) {
      let at: Instant | undefined
      for (const { deadline } of this.running.values()) if (at === undefined || deadline < at) at = deadline
      this.first = { at }
    }
    return this.first.at
  }
}
