/** Lookups that began here: attempts until the owner itself has answered, or the deadline. Each ends with one event. */
import { Alarms } from '../../../base/alarms.ts'
import { placeOf, type Key, type NodeId } from '../../../base/ids.ts'
import { inArc } from '../../../base/ring.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { Refusal, RingMessageOf } from '../../../wire/ring.ts'
import type { RingContext } from './context.ts'
import type { LostReason } from '../events.ts'
import type { RingNeighbours } from './neighbours.ts'
import { LOOKUPS_MAX } from '../settings.ts'

/** Mean pause before the attempt after one that got stuck; doubled by each further one. */
const STUCK_MS = 100
const STUCK_MS_MAX = 800

/** What the lookups need of the relays, which carry them. */
export interface Carrier {
  originate(serial: number, key: Key, now: Instant): void
  forget(serial: number): void
}

interface Lookup {
  readonly key: Key
  readonly deadline: Instant
  attempts: number
  last: Refusal | undefined
}

export class Lookups {
  private readonly ring: RingContext
  private readonly near: RingNeighbours
  private readonly carrier: Carrier
  private readonly lookups = new Map<number, Lookup>()
  private readonly alarms = new Alarms<number>()
  private serial: number

  constructor(ring: RingContext, near: RingNeighbours, carrier: Carrier) {
    this.ring = ring
    this.near = near
    this.carrier = carrier
    this.serial = ring.nextRequest()
  }

  start(key: Key, now: Instant): number {
    const serial = this.serial++
    const deadline = after(now, this.ring.settings.lookupDeadlineMs)
    const lookup: Lookup = { key, deadline, attempts: 0, last: undefined }
    if (this.lookups.size >= LOOKUPS_MAX) this.lose(serial, lookup, 'overloaded')
    else {
      this.lookups.set(serial, lookup)
      this.attempt(serial, lookup, now)
    }
    return serial
  }

  found(from: Contact, message: RingMessageOf<'found'>): void {
    const { serial, key, replicas, path } = message
    const lookup = this.lookups.get(serial)
    if (lookup?.key !== key) return
    const wrong = this.wrong(from, message)
    if (wrong !== undefined) {
      this.ring.outbox.emit({ kind: 'misbehaved', peer: from.id, what: wrong })
      return
    }
    this.end(serial)
    const known = (ids: readonly NodeId[]): Contact[] => ids.flatMap(id => this.contactOf(id, from) ?? [])
    const contacts = known(replicas)
    this.ring.outbox.emit({
      kind: 'found',
      request: serial,
      key,
      owner: from,
      range: { from: message.from, to: placeOf(from.id) },
      replicas: contacts,
      missing: replicas.length - contacts.length,
      path: known(path),
      hops: path.length - 1
    })
  }

  stuck(serial: number, reason: Refusal, now: Instant): void {
    const lookup = this.lookups.get(serial)
    if (lookup === undefined) return
    lookup.last = reason
    const pauseMs = Math.min(STUCK_MS_MAX, STUCK_MS * 2 ** (lookup.attempts - 1))
    this.alarms.set(serial, earliest(lookup.deadline, after(now, this.ring.random.jitter(pauseMs))) ?? now)
  }

  nextWake(): Instant | undefined {
    return this.alarms.next()
  }

  wake(now: Instant): void {
    for (let serial = this.alarms.take(now); serial !== undefined; serial = this.alarms.take(now)) {
      const lookup = this.lookups.get(serial)
      if (lookup === undefined) continue
      if (lookup.deadline <= now) {
        this.end(serial)
        this.lose(serial, lookup, 'deadline')
      } else this.attempt(serial, lookup, now)
    }
  }

  private attempt(serial: number, lookup: Lookup, now: Instant): void {
    const { key } = lookup
    lookup.attempts++
    const arc = this.near.arc()
    if (arc !== undefined && this.near.owns(key)) {
      this.end(serial)
      const { self } = this.ring
      const replicas = this.near.replicas()
      const own = { key, owner: self, range: arc, replicas, missing: 0, path: [self], hops: 0 }
      this.ring.outbox.emit({ kind: 'found', request: serial, ...own })
      return
    }
    this.carrier.forget(serial)
    this.alarms.set(serial, earliest(lookup.deadline, after(now, this.ring.settings.lookupAttemptMs)) ?? now)
    this.carrier.originate(serial, key, now)
  }

  /** Why this answer cannot be that of an owner. */
  private wrong(from: Contact, { key, from: arcFrom, replicas, path }: RingMessageOf<'found'>): string | undefined {
    if (replicas[0] !== from.id) return 'vouches for the arc of another'
    if (!inArc(arcFrom, key, placeOf(from.id))) return 'found a key outside the arc that it vouches for'
    if (path[0] !== this.ring.self.id || path.at(-1) !== from.id) return 'found by a path that is none'
    return undefined
  }

  private contactOf(id: NodeId, answered: Contact): Contact | undefined {
    if (id === this.ring.self.id) return this.ring.self
    return id === answered.id ? answered : this.ring.members.get(id)?.contact
  }

  private end(serial: number): void {
    this.lookups.delete(serial)
    this.alarms.clear(serial)
    this.carrier.forget(serial)
  }

  private lose(request: number, { key, last }: Lookup, reason: LostReason): void {
    this.ring.outbox.emit({ kind: 'lost', request, key, reason, last })
  }
}
