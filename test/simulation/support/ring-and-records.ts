/** The ring and the records as one machine, connected as in core/node. */
import type { Key, NodeId } from '../../../src/base/ids.ts'
import { earliest, type Instant } from '../../../src/base/time.ts'
import type { Channel, Effect, Machine, Now, Result } from '../../../src/core/machine.ts'
import { Chord } from '../../../src/core/ring/chord/chord.ts'
import type { RingEvent } from '../../../src/core/ring/ring.ts'
import { Records, type RecordsEvent } from '../../../src/core/records/records.ts'
import type { Birth } from '../../../src/sim/world.ts'
import type { Codec } from '../../../src/wire/codec/codec.ts'
import type { Contact } from '../../../src/wire/common.ts'
import { recordsMessage, type RecordsMessage } from '../../../src/wire/records.ts'
import { ringMessage, type RingMessage } from '../../../src/wire/ring.ts'

export type BothMessage = { room: 'ring'; inner: RingMessage } | { room: 'records'; inner: RecordsMessage }
export type BothEvent = { room: 'ring'; inner: RingEvent } | { room: 'records'; inner: RecordsEvent }

/** One byte for the machine, as in the envelope. */
export const bothMessage: Codec<BothMessage> = {
  write: (writer, message) => {
    writer.u8(message.room === 'ring' ? 0 : 1)
    if (message.room === 'ring') ringMessage.write(writer, message.inner)
    else recordsMessage.write(writer, message.inner)
  },
  read: reader =>
    reader.u8() === 0
      ? { room: 'ring', inner: ringMessage.read(reader) }
      : { room: 'records', inner: recordsMessage.read(reader) }
}

export class RingAndRecords implements Machine<BothMessage, never, BothEvent> {
  readonly ring: Chord
  readonly records: Records
  private readonly effects: Array<Effect<BothMessage, never, BothEvent>> = []
  /** Maps requests of the ring's lookups to requests of the records. */
  private readonly asked = new Map<number, number>()

  constructor(birth: Birth) {
    this.ring = new Chord({ ...birth, random: birth.random.fork('ring') }, {}, birth.now)
    this.records = new Records({ ...birth, random: birth.random.fork('records') }, {}, birth.now)
    this.move(birth.now)
  }

  start(now: Now): void {
    this.ring.start(now)
    this.move(now)
  }

  memberUp(contact: Contact, now: Now): void {
    this.ring.memberUp(contact, now)
    this.move(now)
  }

  memberDown(id: NodeId, now: Now): void {
    this.ring.memberDown(id, now)
    this.records.memberDown(id, now)
    this.move(now)
  }

  rejoin(now: Now): void {
    this.ring.rejoin(now)
    this.move(now)
  }

  publish(key: Key, held: 'part' | 'all', now: Now): void {
    this.records.publish(key, held, now)
    this.move(now)
  }

  withdraw(key: Key, now: Now): void {
    this.records.withdraw(key, now)
    this.move(now)
  }

  find(key: Key, now: Now): number {
    const request = this.records.find(key, now)
    this.move(now)
    return request
  }

  receive(from: Contact, via: Channel, message: BothMessage, now: Now): void {
    if (message.room === 'ring') this.ring.receive(from, via, message.inner, now)
    else this.records.receive(from, via, message.inner, now)
    this.move(now)
  }

  link(peer: NodeId, state: 'up' | 'down', now: Now): void {
    this.records.link(peer, state, now)
    this.move(now)
  }

  /** Passes results of writes on; only the records write. */
  done(token: number, result: Result, now: Now): void {
    this.records.done(token, result, now)
    this.move(now)
  }

  wake(now: Now): void {
    this.ring.wake(now)
    this.records.wake(now)
    this.move(now)
  }

  nextWake(): Instant | undefined {
    return earliest(this.ring.nextWake(), this.records.nextWake())
  }

  drain(): Array<Effect<BothMessage, never, BothEvent>> {
    return this.effects.splice(0)
  }

  private move(now: Now): void {
    for (let moved = true; moved;) {
      const ofRing = this.ring.drain()
      const ofRecords = this.records.drain()
      for (const effect of ofRing) this.ofRing(effect, now)
      for (const effect of ofRecords) this.ofRecords(effect, now)
      moved = ofRing.length + ofRecords.length > 0
    }
  }

  private ofRing(effect: Effect<RingMessage, never, RingEvent>, now: Now): void {
    if (effect.kind === 'send') this.effects.push({ ...effect, message: { room: 'ring', inner: effect.message } })
    if (effect.kind !== 'emit') return
    const { event } = effect
    this.effects.push({ kind: 'emit', event: { room: 'ring', inner: event } })
    if (event.kind === 'ranges') this.records.rangesChanged(event.ranges, now)
    else if (event.kind === 'found' || event.kind === 'lost') {
      const request = this.asked.get(event.request)
      this.asked.delete(event.request)
      if (request !== undefined) this.records.located(request, event.kind === 'found' ? event : undefined, now)
    }
  }

  private ofRecords(effect: Effect<RecordsMessage, never, RecordsEvent>, now: Now): void {
    if (effect.kind === 'send') this.effects.push({ ...effect, message: { room: 'records', inner: effect.message } })
    else if (effect.kind === 'persist') this.effects.push(effect)
    else if (effect.kind === 'emit') {
      const { event } = effect
      this.effects.push({ kind: 'emit', event: { room: 'records', inner: event } })
      if (event.kind === 'locate') this.asked.set(this.ring.lookup(event.key, now), event.request)
    }
  }
}
