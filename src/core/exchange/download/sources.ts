/** The peers that may have a content, and how it stands with each: who is asked next, and when again. */
import type { NodeId } from '../../../base/ids.ts'
import type { Random } from '../../../base/random.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { Now } from '../../machine.ts'
import type { OpenSource } from './source.ts'
import { RETRY_MAX_MS, RETRY_MIN_MS, SOURCES_KNOWN_MAX } from '../settings.ts'

export type Standing =
  /** Not before `retryAt`. `invited`: it was asked once, and may say by itself that it holds something by now. */
  | { kind: 'waiting'; retryAt: Instant; invited: boolean }
  /** For its manifest, or for what it holds. */
  | { kind: 'asking'; since: Instant }
  | { kind: 'open'; source: OpenSource }

export interface Known {
  contact: Contact
  /** In a row. */
  failures: number
  /** It held some of this content and then said that it holds nothing. */
  hasDropped: boolean
  standing: Standing
}

export class Sources {
  private readonly known = new Map<NodeId, Known>()
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  /** A newer address replaces an older one. */
  add(contact: Contact, now: Now): void {
    const known = this.known.get(contact.id)
    if (known !== undefined) known.contact = contact
    else if (this.known.size < SOURCES_KNOWN_MAX) {
      this.known.set(contact.id, {
        contact,
        failures: 0,
        hasDropped: false,
        standing: { kind: 'waiting', retryAt: now.mono, invited: false }
      })
    }
  }

  get(peer: NodeId): Known | undefined {
    return this.known.get(peer)
  }

  delete(peer: NodeId): void {
    this.known.delete(peer)
  }

  [Symbol.iterator](): IterableIterator<Known> {
    return this.known.values()
  }

  /** Sources that are open. */
  get openCount(): number {
    return this.count('open')
  }

  /** Sources that are open or were asked to. */
  get activeCount(): number {
    return this.known.size - this.count('waiting')
  }

  private count(kind: Standing['kind']): number {
    let count = 0
    for (const { standing } of this.known.values()) if (standing.kind === kind) count++
    return count
  }

  /** One that may be asked now; of those that failed least. */
  due(now: Now): Known | undefined {
    const due = [...this.known.values()].filter(({ standing: s }) => s.kind === 'waiting' && s.retryAt <= now.mono)
    const fewest = due.reduce((least, { failures }) => Math.min(least, failures), Infinity)
    return this.random.pick(due.filter(({ failures }) => failures === fewest))
  }

  /** It did not answer, or has nothing now: again later, each time later than before. */
  failed(known: Known, now: Now): void {
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(known.failures, 16))
    known.failures++
    known.standing = { kind: 'waiting', retryAt: after(now.mono, pauseMs), invited: known.standing.kind === 'asking' }
  }
}
