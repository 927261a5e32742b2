/** The peers that may hold a content, the state of each, and the choice of the next one to ask. */
import type { NodeId } from '../../../base/ids.ts'
import type { Random } from '../../../base/random.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { Now } from '../../machine.ts'
import type { OpenSource } from './source.ts'
import { RETRY_MAX_MS, RETRY_MIN_MS, SOURCES_KNOWN_MAX } from '../settings.ts'

export type Standing =
  /** Not asked before `retryAt`. `invited`: it was asked before, and may announce later that it holds something. */
  | { kind: 'waiting'; retryAt: Instant; invited: boolean }
  /** Was asked for the manifest, or what it holds. */
  | { kind: 'asking'; since: Instant }
  | { kind: 'open'; source: OpenSource }

export interface Known {
  contact: Contact
  /** Consecutive failures. */
  failures: number
  /** The peer held some of the content, then announced that it holds nothing. */
  hasDropped: boolean
  standing: Standing
}

export class Sources {
  private readonly known = new Map<NodeId, Known>()
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  /** Adds a peer, or replaces its address. Ignores new peers beyond SOURCES_KNOWN_MAX. */
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

  /** Number of open sources. */
  get openCount(): number {
    return this.count('open')
  }

  /** Number of sources that are open or asked. */
  get activeCount(): number {
    return this.known.size - this.count('waiting')
  }

  private count(kind: Standing['kind']): number {
    let count = 0
    for (const { standing } of this.known.values()) if (standing.kind === kind) count++
    return count
  }

  /** A random peer that may be asked now, among those with the fewest failures. */
  due(now: Now): Known | undefined {
    const due = [...this.known.values()].filter(({ standing: s }) => s.kind === 'waiting' && s.retryAt <= now.mono)
    const fewest = due.reduce((least, { failures }) => Math.min(least, failures), Infinity)
    return this.random.pick(due.filter(({ failures }) => failures === fewest))
  }

  /** Records a failure and doubles the pause before the next attempt. */
  failed(known: Known, now: Now): void {
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(known.failures, 16))
    known.failures++
    known.standing = { kind: 'waiting', retryAt: after(now.mono, pauseMs), invited: known.standing.kind === 'asking' }
  }
}
