/**
 * Provider records: who holds a content. A set of signed claims for each key, on the k nodes that the ring names for it.
 *
 * Purpose: `publish` says that this node holds a content, until `withdraw`; `find` gathers who does. An answer `published`
 * means that the claim is on the disks of all k replicas (of all members where there are fewer).
 *
 * Participants: the ring, through the owner of this machine: it answers `locate` with `located`, and tells of each change
 * of what this node owns or holds (rangesChanged). Replicas hold what is theirs (store.ts), compare ranges (syncs.ts), and hand over what is
 * no longer theirs before they drop it (deliveries.ts). Providers keep their claims fresh (publications.ts).
 *
 * Time: records carry durations. Each holder counts a record's time to live from when it got it, less what the giver says
 * is used up, and a restart does not count: a record may live somewhat longer, never much shorter. A refresh is a claim of
 * a higher sequence, so that an old copy cannot prolong anything where the record is still known.
 *
 * Non-goals: proof that a provider has what it claims; hiding who provides what. A member may put back an expired record
 * of another for one more time to live; who asks the provider learns the truth.
 */
import type { Key, NodeId } from '../../base/ids.ts'
import { after, earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import {
  GOT_RECORDS_MAX,
  type ProviderRecord,
  type RecordCopy,
  type RecordsMessage,
  type RecordsMessageOf
} from '../../wire/records.ts'
import type { Channel, Effect, Machine, Now, Result, MachineContext } from '../machine.ts'
import { RecordsContext, type Charge } from './context.ts'
import { Deliveries } from './deliveries.ts'
import type { Location, RecordsEvent } from './events.ts'
import { Finds } from './finds.ts'
import { Publications } from './publications.ts'
import { RECORDS_DEFAULTS, WAITING_PUTS_MAX, type RecordsSettings } from './settings.ts'
import { RecordStore, type Entry, type Outcome } from './store.ts'
import { Syncs } from './syncs.ts'

export type { Location, Provider, RecordsEvent } from './events.ts'
export type { RecordsSettings } from './settings.ts'

/** What ends with a write: an answer to a put, or a put of this node to itself. */
type Waiter = (ok: boolean, now: Instant) => void

/** What is here now, and what others asked of it since the start. */
export interface RecordsCounts {
  /** Records held for any provider, tombstones too. */
  stored: number
  /** What this node provides or has withdrawn lately. */
  publications: number
  putsReceived: number
  getsReceived: number
}

export class Records implements Machine<RecordsMessage, never, RecordsEvent> {
  private readonly context: RecordsContext
  private readonly store: RecordStore
  private readonly deliveries: Deliveries
  private readonly publications: Publications
  private readonly finds: Finds
  private readonly syncs: Syncs
  private readonly waiters = new Map<number, Waiter[]>()
  /** Puts of others that wait for the disk. */
  private waitingPuts = 0
  private putsReceived = 0
  private getsReceived = 0
  private sweepAt: Instant

  constructor(machine: MachineContext, options: { settings?: Partial<RecordsSettings> }, now: Now) {
    const settings = { ...RECORDS_DEFAULTS, ...options.settings }
    const context = new RecordsContext(machine, settings)
    const persist = (key: string, value: Uint8Array | undefined): number => context.outbox.persist(key, value)
    this.context = context
    this.store = new RecordStore({ settings, verifier: machine.verifier, persist }, machine.restored, now.mono)
    this.deliveries = new Deliveries(context, (copy, ended, at) => {
      this.putHere(copy, ended, at)
    })
    const parts = { context, signer: machine.signer, deliveries: this.deliveries }
    this.publications = new Publications(parts, machine.restored, now.mono)
    this.finds = new Finds(context, machine.verifier, key => this.held(key))
    this.syncs = new Syncs(context, this.store)
    this.sweepAt = after(now.mono, context.random.jitter(settings.sweepMs))
  }

  /**
   * Until withdrawn, over restarts too. Event `published` once it is safe: again when asked again after that, and when
   * there are members to make it safer than it was in a shoal of fewer than k.
   */
  publish(key: Key, held: 'part' | 'all', now: Now): void {
    this.publications.publish(key, held, now.mono)
    this.settle(now.mono)
  }

  /** Event `published` with held `none` once all replicas know. Nothing when the key is not published. */
  withdraw(key: Key, now: Now): void {
    this.publications.withdraw(key, now.mono)
    this.settle(now.mono)
  }

  /** Ends with one event `providers` that carries the returned number. */
  find(key: Key, now: Now): number {
    const request = this.finds.start(key, now.mono)
    this.settle(now.mono)
    return request
  }

  /** The answer to the event `locate`; undefined when the lookup was lost. */
  located(request: number, location: Location | undefined, now: Now): void {
    if (!this.finds.located(request, location, now.mono)) this.deliveries.located(request, location, now.mono)
    this.settle(now.mono)
  }

  /** As the ring's event `ranges` has it. */
  rangesChanged(charge: Charge, now: Now): void {
    this.context.charge = charge
    this.syncs.charged(now.mono)
    this.publications.charged(now.mono)
    this.handOver(now.mono)
    this.settle(now.mono)
  }

  /** What it held is replicated anew as the ring tells of the ranges that have changed by that. */
  memberDown(id: NodeId, now: Now): void {
    this.deliveries.memberDown(id, now.mono)
    this.finds.memberDown(id)
    this.syncs.memberDown(id)
    this.settle(now.mono)
  }

  /** Records held here, for any provider, tombstones too. */
  stored(): number {
    return this.store.size
  }

  counters(): Readonly<RecordsCounts> {
    const { putsReceived, getsReceived } = this
    return { stored: this.store.size, publications: this.publications.size, putsReceived, getsReceived }
  }

  /** Whether this node has the provider's record of this sequence or a higher one, safe on its disk. */
  holds(key: Key, provider: NodeId, sequence: number): boolean {
    return (this.store.get(key, provider)?.safeSequence ?? -1) >= sequence
  }

  receive(from: Contact, _via: Channel, message: RecordsMessage, now: Now): void {
    this.handle(from, message, now.mono)
    this.settle(now.mono)
  }

  /** Every message is repeated until answered, whatever became of the stream that carried it. */
  link(_peer: NodeId, _state: 'up' | 'down', _now: Now): void {
    // Nothing is tied to a stream.
  }

  done(token: number, result: Result, now: Now): void {
    if (this.store.written(token, result.ok)) {
      const waiters = this.waiters.get(token) ?? []
      this.waiters.delete(token)
      for (const waiter of waiters) waiter(result.ok, now.mono)
    } else this.publications.written(token, result.ok, now.mono)
    this.settle(now.mono)
  }

  wake(now: Now): void {
    if (this.sweepAt <= now.mono) {
      this.sweepAt = after(now.mono, this.context.random.jitter(this.context.settings.sweepMs))
      this.store.sweep(now.mono)
      this.handOver(now.mono)
    }
    this.settle(now.mono)
  }

  nextWake(): Instant | undefined {
    const rooms = [this.deliveries, this.publications, this.finds, this.syncs]
    return earliest(this.sweepAt, ...rooms.map(room => room.nextWake()))
  }

  drain(): Array<Effect<RecordsMessage, never, RecordsEvent>> {
    return this.context.outbox.drain()
  }

  private settle(now: Instant): void {
    this.publications.wake(now)
    this.finds.wake(now)
    this.syncs.wake(now)
    this.deliveries.wake(now)
  }

  private handle(from: Contact, message: RecordsMessage, now: Instant): void {
    switch (message.kind) {
      case 'put':
        this.putsReceived++
        this.put(from, message, now)
        break
      case 'stored':
        this.deliveries.stored(from.id, message, now)
        break
      case 'get': {
        this.getsReceived++
        const records = this.held(message.key)
        const mine = this.context.mayBeMine(message.key)
        const { request } = message
        const sample = this.context.random.sample(records, GOT_RECORDS_MAX)
        this.context.send(from, { kind: 'got', request, mine, total: records.length, records: sample })
        break
      }
      case 'got':
        this.finds.got(from.id, message)
        break
      case 'sync':
        this.syncs.sync(from, message)
        break
      case 'same':
        this.syncs.same(from.id, message.request, now)
        break
      case 'more':
        this.syncs.more(from, message)
        break
      case 'inventory':
        this.syncs.inventory(from, message, now)
        break
      case 'pull':
        this.syncs.pulled(from, message, now)
        break
    }
  }

  /** Answered once all that was written for it is on disk. */
  private put(from: Contact, { request, copies }: RecordsMessageOf<'put'>, now: Instant): void {
    // Not answered: the sender tries again, later each time.
    if (this.waitingPuts >= WAITING_PUTS_MAX) return
    const outcomes = copies.map(copy => this.judge(copy, now))
    if (outcomes.some(one => one.verdict === 'bad')) {
      this.context.outbox.emit({
        kind: 'misbehaved',
        peer: from.id,
        what: 'put a record that its provider did not sign'
      })
    }
    let open = outcomes.filter(one => one.token !== undefined).length
    const answer = (): void => {
      const plain = outcomes.map(({ verdict, sequence }) => ({ verdict, sequence }))
      this.context.send(from, { kind: 'stored', request, outcomes: plain })
    }
    if (open === 0) {
      answer()
      return
    }
    this.waitingPuts++
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.token === undefined) continue
      this.await(outcome.token, ok => {
        if (!ok) outcomes[i] = { verdict: 'full', sequence: 0 }
        if (--open > 0) return
        this.waitingPuts--
        answer()
      })
    }
  }

  private putHere(copy: RecordCopy, ended: (outcome: Outcome, ok: boolean, now: Instant) => void, now: Instant): void {
    const outcome = this.judge(copy, now)
    if (outcome.token === undefined) ended(outcome, true, now)
    else this.await(outcome.token, (ok, at) => ended(outcome, ok, at))
  }

  private judge(copy: RecordCopy, now: Instant): Outcome {
    if (!this.context.mayBeMine(copy.record.key)) return { verdict: 'not-mine', sequence: 0 }
    const outcome = this.store.put(copy, now)
    if (outcome.token !== undefined) this.syncs.touched(copy.record.key, now)
    return outcome
  }

  private await(token: number, waiter: Waiter): void {
    const waiters = this.waiters.get(token) ?? []
    waiters.push(waiter)
    this.waiters.set(token, waiters)
  }

  /** What providers claim about the key at the moment. */
  private held(key: Key): ProviderRecord[] {
    const claims = []
    for (const { record, disk } of this.store.of(key)) {
      if (record.held !== 'none' && disk.state !== 'failed') claims.push(record)
    }
    return claims
  }

  /** What is not this node's any more goes to those whose it is, and is dropped some time after they have it. */
  private handOver(now: Instant): void {
    if (this.context.charge === undefined) return
    for (const entry of [...this.store]) {
      if (this.context.isMine(entry.record.key)) entry.handedOverAt = undefined
      else if (entry.handedOverAt === undefined) this.deliverStray(entry, now)
      else if (!this.context.mayBeMine(entry.record.key) && this.graceIsOver(entry.handedOverAt, now))
        this.store.drop(entry)
    }
  }

  private graceIsOver(since: Instant, now: Instant): boolean {
    return after(since, this.context.settings.graceMs) <= now
  }

  private deliverStray(entry: Entry, now: Instant): void {
    const { record } = entry
    if (this.deliveries.has(record)) return
    const isStray = (): boolean =>
      this.store.get(record.key, record.provider) === entry && !this.context.isMine(record.key)
    this.deliveries.add(
      {
        key: record.key,
        provider: record.provider,
        isStray: true,
        copy: at => (isStray() ? this.store.copy(entry, at) : undefined),
        delivered: ({ kind }, at) => {
          if (kind !== 'void') entry.handedOverAt = at
        }
      },
      after(now, this.context.random.jitter(this.context.settings.backoffMs))
    )
  }
}
