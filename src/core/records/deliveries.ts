/**
 * Bringing records to all the replicas of their keys, until every one of them has it on disk: this node's own claims, and
 * records of others that this node holds and that are not its any more. What lies in one range travels together.
 *
 * A parcel: waiting (until its time) -> ready -> located together with its neighbours in the range -> shipped, one put to
 * each replica -> delivered when all have acked, or waiting again for longer.
 */
import { Alarms } from '../../base/alarms.ts'
import type { Key, NodeId } from '../../base/ids.ts'
import { inRange } from '../../base/ring.ts'
import { after, earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import { PUT_RECORDS_MAX, type RecordCopy, type RecordsMessageOf, type Verdict } from '../../wire/records.ts'
import { nameOf, type RecordsContext } from './context.ts'
import type { Location } from './events.ts'
import { LOCATES_MAX, SHARED_PARCELS_MAX } from './settings.ts'
import type { Outcome } from './store.ts'

export type Delivered =
  /** Safe with all `of` replicas. */
  | { kind: 'safe'; acks: number; of: number }
  /** A replica knows a higher sequence. */
  | { kind: 'stale'; sequence: number }
  /** There is nothing to deliver any more. */
  | { kind: 'void' }

export interface Cargo {
  readonly key: Key
  readonly provider: NodeId
  /** By its membership this node is no replica of the key: a location that names it as one is out of date. */
  readonly isStray: boolean
  /** As it is now; undefined when there is none any more. */
  copy(now: Instant): RecordCopy | undefined
  delivered(how: Delivered, now: Instant): void
}

interface Parcel {
  readonly cargo: Cargo
  failures: number
  state: 'waiting' | 'ready' | 'shipped'
  /** Replicas that have not acked yet, of how many. */
  pending: Set<NodeId>
  of: number
  /** The replicas named are not all there are, or not those that will remain: acks of all of them are not enough. */
  short: boolean
}

interface Put {
  readonly to: Contact
  readonly parcels: readonly Parcel[]
  readonly copies: RecordCopy[]
  sends: number
}

export class Deliveries {
  private readonly context: RecordsContext
  /** Puts to this node itself: `ended` is called once they are on disk. */
  private readonly putHere: (
    copy: RecordCopy,
    ended: (outcome: Outcome, ok: boolean, now: Instant) => void,
    now: Instant
  ) => void
  private readonly parcels = new Map<string, Parcel>()
  private readonly waiting = new Alarms<string>()
  private readonly ready = new Set<string>()
  private readonly locating = new Map<number, string>()
  private readonly puts = new Map<number, Put>()
  private readonly answers = new Alarms<number>()

  constructor(context: RecordsContext, putHere: Deliveries['putHere']) {
    this.context = context
    this.putHere = putHere
  }

  has(record: { key: Key; provider: NodeId }): boolean {
    return this.parcels.has(nameOf(record))
  }

  /** In place of what was being delivered under the same key and provider. */
  add(cargo: Cargo, at: Instant): void {
    const name = nameOf(cargo)
    this.ready.delete(name)
    this.parcels.set(name, { cargo, failures: 0, state: 'waiting', pending: new Set(), of: 0, short: false })
    this.waiting.set(name, at)
  }

  /** Returns whether the lookup was one of these. */
  located(request: number, location: Location | undefined, now: Instant): boolean {
    const name = this.locating.get(request)
    if (name === undefined) return false
    this.locating.delete(request)
    const first = this.parcels.get(name)
    if (location === undefined) {
      if (first?.state === 'ready') this.fail(first, now)
    } else this.ship(this.sharing(name, location), location, now)
    return true
  }

  stored(from: NodeId, message: RecordsMessageOf<'stored'>, now: Instant): void {
    const put = this.puts.get(message.request)
    if (put?.to.id !== from) return
    this.endPut(message.request)
    for (const [i, parcel] of put.parcels.entries()) {
      const outcome = message.outcomes[i]
      if (outcome === undefined) this.fail(parcel, now)
      else this.answered(parcel, from, outcome, now)
    }
  }

  memberDown(id: NodeId, now: Instant): void {
    for (const [request, put] of [...this.puts]) if (put.to.id === id) this.giveUp(request, put, now)
  }

  nextWake(): Instant | undefined {
    return earliest(this.waiting.next(), this.answers.next())
  }

  wake(now: Instant): void {
    for (let name = this.waiting.take(now); name !== undefined; name = this.waiting.take(now)) {
      const parcel = this.parcels.get(name)
      if (parcel === undefined) continue
      parcel.state = 'ready'
      this.ready.add(name)
    }
    for (let request = this.answers.take(now); request !== undefined; request = this.answers.take(now)) {
      const put = this.puts.get(request)
      if (put === undefined) continue
      if (put.sends < this.context.settings.tries) this.send(request, put, now)
      else this.giveUp(request, put, now)
    }
    this.locate()
  }

  /** Lookups for what is ready; one at a time for what may lie in one range would be slow, all at once a flood. */
  private locate(): void {
    const asked = new Set(this.locating.values())
    for (const name of this.ready) {
      if (this.locating.size >= LOCATES_MAX) return
      const parcel = this.parcels.get(name)
      if (parcel === undefined || asked.has(name)) continue
      const request = this.context.nextRequest()
      this.locating.set(request, name)
      this.context.outbox.emit({ kind: 'locate', request, key: parcel.cargo.key })
    }
  }

  /** What is ready and lies in the same range. */
  private sharing(name: string, { range }: Location): Parcel[] {
    const shared = []
    for (const other of [name, ...this.ready]) {
      const parcel = this.parcels.get(other)
      if (parcel?.state !== 'ready') continue
      if (other !== name && (range === undefined || !inRange(range, parcel.cargo.key))) continue
      parcel.state = 'shipped'
      this.ready.delete(other)
      shared.push(parcel)
      if (shared.length === SHARED_PARCELS_MAX) break
    }
    return shared
  }

  private ship(parcels: readonly Parcel[], location: Location, now: Instant): void {
    const { replicas, missing = 0 } = location
    // An owner that knows of fewer members than this node is behind: what it counts as all is not all.
    const expected = this.context.replicaCount
    const namesSelf = replicas.some(one => one.id === this.context.self.id)
    const shipped: Array<{ parcel: Parcel; copy: RecordCopy }> = []
    for (const parcel of parcels) {
      const copy = parcel.cargo.copy(now)
      if (copy === undefined) {
        this.deliver(parcel, { kind: 'void' }, now)
        continue
      }
      parcel.pending = new Set(replicas.map(one => one.id))
      parcel.of = replicas.length
      // The ring is behind the membership: its owner will not own the key for long, nor hand over what lies there.
      const isOutdated = namesSelf && parcel.cargo.isStray
      parcel.short = missing > 0 || replicas.length < expected || isOutdated
      shipped.push({ parcel, copy })
    }
    for (const to of replicas) this.putAll(to, shipped, now)
  }

  private putAll(to: Contact, shipped: ReadonlyArray<{ parcel: Parcel; copy: RecordCopy }>, now: Instant): void {
    if (to.id === this.context.self.id) {
      for (const { parcel, copy } of shipped) {
        this.putHere(
          copy,
          (outcome, ok, at) => this.answered(parcel, to.id, ok ? outcome : { ...outcome, verdict: 'full' }, at),
          now
        )
      }
      return
    }
    for (let i = 0; i < shipped.length; i += PUT_RECORDS_MAX) {
      const part = shipped.slice(i, i + PUT_RECORDS_MAX)
      const put = { to, parcels: part.map(one => one.parcel), copies: part.map(one => one.copy), sends: 0 }
      const request = this.context.nextRequest()
      this.puts.set(request, put)
      this.send(request, put, now)
    }
  }

  private send(request: number, put: Put, now: Instant): void {
    put.sends++
    const channel = this.context.send(put.to, { kind: 'put', request, copies: put.copies })
    this.answers.set(request, after(now, this.context.answerMs(channel, put.sends)))
  }

  private answered(parcel: Parcel, from: NodeId, outcome: { verdict: Verdict; sequence: number }, now: Instant): void {
    if (!this.isCurrent(parcel) || parcel.state !== 'shipped') return
    switch (outcome.verdict) {
      case 'stored':
        parcel.pending.delete(from)
        if (parcel.pending.size > 0) return
        if (parcel.short) this.fail(parcel, now)
        else this.deliver(parcel, { kind: 'safe', acks: parcel.of, of: parcel.of }, now)
        break
      case 'stale':
        this.deliver(parcel, { kind: 'stale', sequence: outcome.sequence }, now)
        break
      case 'bad':
      case 'not-mine':
      case 'full':
        this.fail(parcel, now)
        break
    }
  }

  private giveUp(request: number, put: Put, now: Instant): void {
    this.endPut(request)
    for (const parcel of put.parcels) this.fail(parcel, now)
  }

  /** Later, from the lookup on: the replicas may be others by then. */
  private fail(parcel: Parcel, now: Instant): void {
    if (!this.isCurrent(parcel) || parcel.state === 'waiting') return
    const name = nameOf(parcel.cargo)
    this.ready.delete(name)
    parcel.state = 'waiting'
    this.waiting.set(name, after(now, this.context.backoffMs(parcel.failures++)))
  }

  private deliver(parcel: Parcel, how: Delivered, now: Instant): void {
    const name = nameOf(parcel.cargo)
    this.parcels.delete(name)
    this.ready.delete(name)
    this.waiting.clear(name)
    parcel.cargo.delivered(how, now)
  }

  private isCurrent(parcel: Parcel): boolean {
    return this.parcels.get(nameOf(parcel.cargo)) === parcel
  }

  private endPut(request: number): void {
    this.puts.delete(request)
    this.answers.clear(request)
  }
}
