/** What the parts of the ring share. */
import { LruMap } from '../../../base/bounded.ts'
import { placeOf, type Key, type NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { RingMessage } from '../../../wire/ring.ts'
import type { MachineContext } from '../../machine.ts'
import { RoomContext } from '../../room-context.ts'
import type { RingEvent } from '../events.ts'
import { RingMembers, type RingMember } from '../members.ts'
import { ANSWER_MS_MAX, ANSWER_MS_MIN, ROUND_TRIP_FACTOR, type RingSettings } from '../settings.ts'

const ROUND_TRIPS_MAX = 4_096

export class RingContext extends RoomContext<RingSettings, RingMessage, never, RingEvent> {
  readonly place: Key
  readonly members = new RingMembers()
  private readonly roundTripsMs = new LruMap<NodeId, number>(ROUND_TRIPS_MAX)
  /** Begins anywhere: others remember requests of the time before a restart. */
  private request: number

  constructor(machine: MachineContext, settings: RingSettings) {
    super(machine, settings)
    this.place = placeOf(machine.self.id)
    this.request = machine.random.u32()
  }

  nextRequest(): number {
    return this.request++
  }

  /** Everything of the ring fits a datagram, and retries are the ring's own. */
  send(to: Contact, message: RingMessage): void {
    this.outbox.send(to, 'datagram', message)
  }

  measured(id: NodeId, sentAt: Instant, now: Instant): void {
    const before = this.roundTripsMs.get(id)
    const sample = now - sentAt
    // RFC 6298's gain of 1/8.
    this.roundTripsMs.set(id, before === undefined ? sample : before + (sample - before) / 8)
  }

  roundTripMs(id: NodeId): number | undefined {
    return this.roundTripsMs.get(id)
  }

  /** How long to wait for this node's answer to a message sent for the first time. */
  answerMs(member: RingMember): number {
    const measured = this.roundTripsMs.get(member.id)
    if (measured === undefined) return this.settings.answerMs
    return Math.min(ANSWER_MS_MAX, Math.max(ANSWER_MS_MIN, measured * ROUND_TRIP_FACTOR))
  }
}
