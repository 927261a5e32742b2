/**
 * The waiting room: genuine accusations (and leaves) of an incarnation that the subject is not known to have signed. They
 * change nothing until that claim is fetched, and are dropped when it does not come.
 */
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Claim } from '../../../wire/membership.ts'

/** Subjects waited for at once. */
export const WAITING_MAX = 256
/** Claims about one subject: three suspicions, a verdict, a leave. */
export const WAITING_CLAIMS_MAX = 5
/** Time for the subject's claim to arrive over a stream; then it may be asked for again. */
export const WAITING_MS = 5_000

interface Wait {
  readonly deadline: Instant
  readonly claims: Claim[]
}

export class WaitingRoom {
  private readonly waits = new Map<NodeId, Wait>()

  get size(): number {
    return this.waits.size
  }

  /** `fetch`: ask for the subject's claim now. `kept`: asked already. `full`: there was no room. */
  add(claim: Claim, now: Instant): 'fetch' | 'kept' | 'full' {
    const wait = this.waits.get(claim.subject)
    if (wait !== undefined && wait.deadline > now) {
      if (wait.claims.length >= WAITING_CLAIMS_MAX) return 'full'
      wait.claims.push(claim)
      return 'kept'
    }
    this.waits.delete(claim.subject)
    if (this.waits.size >= WAITING_MAX) this.purge(now)
    if (this.waits.size >= WAITING_MAX) return 'full'
    this.waits.set(claim.subject, { deadline: after(now, WAITING_MS), claims: [claim] })
    return 'fetch'
  }

  /** Whether the very same claim waits already: it need not be checked again. */
  holds(claim: Claim, now: Instant): boolean {
    const wait = this.waits.get(claim.subject)
    if (wait === undefined || wait.deadline <= now) return false
    return wait.claims.some(one => same(one, claim))
  }

  /** Takes out what waited for news of the subject. */
  release(subject: NodeId, now: Instant): Claim[] {
    const wait = this.waits.get(subject)
    if (wait === undefined) return []
    this.waits.delete(subject)
    return wait.deadline > now ? wait.claims : []
  }

  private purge(now: Instant): void {
    for (const [subject, wait] of this.waits) if (wait.deadline <= now) this.waits.delete(subject)
  }
}

function same(a: Claim, b: Claim): boolean {
  if (a.kind !== b.kind || a.incarnation !== b.incarnation) return false
  return 'accuser' in a && 'accuser' in b ? a.accuser === b.accuser : true
}
