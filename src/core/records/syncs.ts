/**
 * Keeping the replicas of a range alike. The owner compares what it holds of its ranges with each of their replicas, when they
 * change and every `syncMs`: first by digest; where that differs, by the replica's inventory, page by page.
 * It puts what the replica lacks and pulls what it lacks itself, so that a new owner fills up from those who held the range
 * before, and a new replica from the owner. Both sides may run it about one range while the ring is in motion: records
 * only ever grow towards the higher sequence.
 */
import { Alarms } from '../../base/alarms.ts'
import { equal, hex } from '../../base/bytes.ts'
import { expectDefined } from '../../base/assert.ts'
import type { Key, NodeId } from '../../base/ids.ts'
import { inArc, inRange, type KeyRange } from '../../base/ring.ts'
import { after, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import {
  INVENTORY_MAX,
  PULL_MAX,
  PUT_RECORDS_MAX,
  RECORD_MARK_BYTES,
  type Position,
  type RecordsMessage,
  type RecordsMessageOf
} from '../../wire/records.ts'
import { digestOf, markOf } from './claims.ts'
import type { RecordsContext } from './context.ts'
import { TOUCHED_MS } from './settings.ts'
import type { Entry, RecordStore } from './store.ts'

/** From a change of the ranges to the first comparison: several changes in a row make one. */
const SETTLE_MS = 300

interface Session {
  /** Of the replica and the range: an owner may compare several ranges with one replica. */
  readonly name: string
  to: Contact
  readonly range: KeyRange
  /** The message that waits for its answer; undefined between two comparisons. */
  asked: { request: number; message: RecordsMessage; sends: number; behind: Position | undefined } | undefined
  /** Comparisons in a row that failed or differed. */
  failures: number
  nextAt: Instant
}

export class Syncs {
  private readonly context: RecordsContext
  private readonly store: RecordStore
  private readonly sessions = new Map<string, Session>()
  private readonly alarms = new Alarms<string>()

  constructor(context: RecordsContext, store: RecordStore) {
    this.context = context
    this.store = store
  }

  /** The ranges or their replicas have changed. */
  charged(now: Instant): void {
    const wanted = new Map<string, { to: Contact; range: KeyRange }>()
    for (const { from, to, replicas } of this.context.charge?.owned ?? []) {
      for (const replica of replicas) {
        const range = { from, to }
        if (replica.id !== this.context.self.id) wanted.set(nameOf(replica.id, range), { to: replica, range })
      }
    }
    for (const name of [...this.sessions.keys()]) if (!wanted.has(name)) this.end(name)
    for (const [name, { to, range }] of wanted) {
      const present = this.sessions.get(name)
      if (present !== undefined) {
        present.to = to
        continue
      }
      const session: Session = { name, to, range, asked: undefined, failures: 0, nextAt: now }
      this.sessions.set(name, session)
      this.wait(session, after(now, this.context.random.jitter(SETTLE_MS)))
    }
  }

  /** This node has stored something new: its provider may have met other replicas than there are by now. */
  touched(key: Key, now: Instant): void {
    for (const session of this.sessions.values()) {
      const at = after(now, TOUCHED_MS)
      if (session.asked !== undefined || !inRange(session.range, key)) continue
      if (session.failures === 0 && session.nextAt > at) this.wait(session, at)
    }
  }

  memberDown(id: NodeId): void {
    for (const { name, to } of [...this.sessions.values()]) if (to.id === id) this.end(name)
  }

  nextWake(): Instant | undefined {
    return this.alarms.next()
  }

  wake(now: Instant): void {
    for (let name = this.alarms.take(now); name !== undefined; name = this.alarms.take(now)) {
      const session = this.sessions.get(name)
      if (session === undefined) continue
      if (session.asked === undefined) this.compare(session, now)
      else if (session.asked.sends < this.context.settings.tries) this.send(session, now)
      else this.again(session, now)
    }
  }

  // The owner's side.

  same(from: NodeId, request: number, now: Instant): void {
    const session = this.asking(from, request)
    if (session === undefined) return
    session.asked = undefined
    session.failures = 0
    this.wait(session, after(now, this.context.random.jitter(this.context.settings.syncMs)))
  }

  inventory(from: Contact, { request, marks, last }: RecordsMessageOf<'inventory'>, now: Instant): void {
    const session = this.asking(from.id, request)
    if (session === undefined) return
    const behind = expectDefined(session.asked, 'an answer has a question').behind
    const theirs = new Set(marks.map(hex))
    const lacking: Entry[] = []
    for (const entry of this.store.inRange(session.range, behind)) {
      if (last !== undefined && this.isBehind(entry.record, last, session.range)) break
      if (!theirs.delete(entry.print.slice(0, 2 * RECORD_MARK_BYTES))) lacking.push(entry)
    }
    this.putAll(session.to, lacking, now)
    this.pull(session, [...theirs])
    if (last === undefined || !this.advances(behind, last, session.range)) this.again(session, now)
    else this.ask(session, request => ({ kind: 'more', request, ...session.range, after: last }), last, now)
  }

  // The replica's side.

  sync(from: Contact, { request, digest, ...range }: RecordsMessageOf<'sync'>): void {
    if (equal(digest, this.digest(range))) this.context.send(from, { kind: 'same', request })
    else this.page(from, request, range, undefined)
  }

  more(from: Contact, { request, after: behind, ...range }: RecordsMessageOf<'more'>): void {
    this.page(from, request, range, behind)
  }

  pulled(from: Contact, { marks, ...range }: RecordsMessageOf<'pull'>, now: Instant): void {
    const wanted = new Set(marks.map(hex))
    const entries: Entry[] = []
    for (const entry of this.store.inRange(range)) {
      if (wanted.delete(entry.print.slice(0, 2 * RECORD_MARK_BYTES))) entries.push(entry)
      if (wanted.size === 0) break
    }
    this.putAll(from, entries, now)
  }

  private page(to: Contact, request: number, range: KeyRange, behind: Position | undefined): void {
    const entries: Entry[] = []
    for (const entry of this.store.inRange(range, behind)) {
      if (entries.push(entry) > INVENTORY_MAX) break
    }
    const whole = entries.length <= INVENTORY_MAX
    const page = whole ? entries : entries.slice(0, INVENTORY_MAX)
    const last = whole ? undefined : expectDefined(page.at(-1), 'a full page has a last entry').record
    this.context.send(to, {
      kind: 'inventory',
      request,
      marks: page.map(entry => markOf(entry.print)),
      last: last === undefined ? undefined : { key: last.key, provider: last.provider }
    })
  }

  private compare(session: Session, now: Instant): void {
    const digest = this.digest(session.range)
    this.ask(session, request => ({ kind: 'sync', request, ...session.range, digest }), undefined, now)
  }

  private ask(
    session: Session,
    message: (request: number) => RecordsMessage,
    behind: Position | undefined,
    now: Instant
  ): void {
    const request = this.context.nextRequest()
    session.asked = { request, message: message(request), sends: 0, behind }
    this.send(session, now)
  }

  private send(session: Session, now: Instant): void {
    const asked = expectDefined(session.asked, 'only what is asked is sent')
    asked.sends++
    this.context.send(session.to, asked.message)
    // The answer may be a page over a stream.
    this.wait(session, after(now, this.context.answerMs('stream', asked.sends)))
  }

  /** Puts of a sync are not waited for: the next comparison shows what arrived. */
  private putAll(to: Contact, entries: readonly Entry[], now: Instant): void {
    for (let i = 0; i < entries.length; i += PUT_RECORDS_MAX) {
      const copies = entries.slice(i, i + PUT_RECORDS_MAX).map(entry => this.store.copy(entry, now))
      this.context.send(to, { kind: 'put', request: this.context.nextRequest(), copies })
    }
  }

  private pull(session: Session, marks: readonly string[]): void {
    for (let i = 0; i < marks.length; i += PULL_MAX) {
      const part = marks.slice(i, i + PULL_MAX).map(markOf)
      this.context.send(session.to, { kind: 'pull', ...session.range, marks: part })
    }
  }

  /** Soon, and later each time that it still differs. */
  private again(session: Session, now: Instant): void {
    session.asked = undefined
    this.wait(session, after(now, this.context.backoffMs(session.failures++)))
  }

  private wait(session: Session, until: Instant): void {
    session.nextAt = until
    this.alarms.set(session.name, until)
  }

  private asking(from: NodeId, request: number): Session | undefined {
    for (const session of this.sessions.values()) {
      if (session.to.id === from && session.asked?.request === request) return session
    }
    return undefined
  }

  private digest(range: KeyRange): Uint8Array {
    return digestOf(prints(this.store.inRange(range)))
  }

  /** Whether a record comes after a position when walking through the range. */
  private isBehind(record: Position, position: Position, { from }: KeyRange): boolean {
    if (record.key === position.key) return record.provider > position.provider
    return !inArc(from, record.key, position.key)
  }

  /** A page that does not end behind the one before would go on for ever. */
  private advances(before: Position | undefined, last: Position, range: KeyRange): boolean {
    return inRange(range, last.key) && (before === undefined || this.isBehind(last, before, range))
  }

  private end(name: string): void {
    this.sessions.delete(name)
    this.alarms.clear(name)
  }
}

function nameOf(replica: NodeId, { from, to }: KeyRange): string {
  return `${replica} ${from} ${to}`
}

function* prints(entries: Iterable<Entry>): Generator<string> {
  for (const entry of entries) yield entry.print
}
