/**
 * Chord: a ring in which the owner of a key is its successor, the first node at or behind it. Corrected (Zave, "How to make
 * Chord correct"), with fingers (Stoica 2001), on top of a membership that everybody shares.
 *
 * Purpose: keep each node's predecessor and successor list right under churn (stabilise.ts), take nodes in (joining.ts),
 * pass lookups on to the owner (routing.ts, fingers.ts, relays.ts) and answer those that began here (lookups.ts).
 *
 * Participants: as in ring.ts. All messages are datagrams; what is lost is sent again by the node that waits for the answer.
 *
 * With fewer than s + 1 members (s: the length of successor lists) there is nothing to stabilise: both directions follow
 * from membership, and a node need only have been let in. Above that Zave's steps apply.
 *
 * Non-goals: detecting failures, holding data. A liar inside the overlay can deny service (wrong lists, wrong refusals); it
 * cannot make a lookup name an owner that did not answer for itself.
 */
import type { Key, NodeId } from '../../../base/ids.ts'
import { earliest, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { RingMessage, RingMessageOf } from '../../../wire/ring.ts'
import type { Channel, Effect, Now, Result, MachineContext } from '../../machine.ts'
import { RingContext } from './context.ts'
import type { Ranges, RingEvent } from '../events.ts'
import { Fingers } from './fingers.ts'
import { Joining } from './joining.ts'
import { Lookups } from './lookups.ts'
import type { RingMember } from '../members.ts'
import { RingNeighbours, type Standing } from './neighbours.ts'
import { QuerySlot, type Query } from './query.ts'
import type { Ring, RingView } from '../ring.ts'
import { LookupRelays } from './relays.ts'
import { ChordRouting, type Routing } from './routing.ts'
import { RING_DEFAULTS, type RingSettings } from '../settings.ts'
import { Stabiliser } from './stabilise.ts'

export type { RingSettings } from '../settings.ts'

export class Chord implements Ring {
  private readonly ring: RingContext
  private readonly near: RingNeighbours
  private readonly fingers: Fingers
  private readonly routing: Routing
  private readonly slot: QuerySlot
  private readonly joining: Joining
  private readonly stabiliser: Stabiliser
  private readonly relays: LookupRelays
  private readonly lookups: Lookups
  /** The ranges that the owner was last told of, as text. */
  private told = ''
  /** Members that are told of before `start` are only written down. */
  private started = false

  constructor(machine: MachineContext, options: { settings?: Partial<RingSettings> }, _now: Now) {
    const ring = new RingContext(machine, { ...RING_DEFAULTS, ...options.settings })
    this.ring = ring
    this.near = new RingNeighbours(ring)
    this.fingers = new Fingers(ring)
    this.routing = new ChordRouting(ring, this.near, this.fingers)
    this.slot = new QuerySlot(ring)
    this.joining = new Joining(ring, this.near, this.slot)
    this.stabiliser = new Stabiliser(ring, this.near, this.slot)
    const parts = { ring, near: this.near, fingers: this.fingers, routing: this.routing }
    this.relays = new LookupRelays(parts, (serial, reason, now) => {
      this.lookups.stuck(serial, reason, now)
    })
    this.lookups = new Lookups(ring, this.near, this.relays)
  }

  start(now: Now): void {
    this.started = true
    this.fingers.begin(now.mono)
    if (this.ring.members.size > 0) this.rejoin(now)
    else this.ring.outbox.emit({ kind: 'joined' })
    this.settle(now.mono)
  }

  memberUp(contact: Contact, now: Now): void {
    if (contact.id === this.ring.self.id) return
    const member = this.ring.members.up(contact)
    if (member === undefined) return
    this.fingers.memberUp(member)
    if (this.near.standing === 'alone' && this.started) this.enter(now.mono)
    else if (this.near.standing === 'joined' && this.near.small) this.near.adoptMembership()
    this.settle(now.mono)
  }

  memberDown(id: NodeId, now: Now): void {
    const member = this.ring.members.dead(id)
    if (member === undefined) return
    this.near.drop(id)
    this.fingers.drop(member)
    this.joining.memberDown(member, now.mono)
    this.stabiliser.memberDown(member, now.mono)
    this.relays.memberDown(member, now.mono)
    if (this.ring.members.size === 0) this.standAlone()
    else if (this.near.standing === 'joined' && this.near.small) this.near.adoptMembership()
    this.settle(now.mono)
  }

  rejoin(now: Now): void {
    if (this.ring.members.size > 0) this.enter(now.mono)
    this.settle(now.mono)
  }

  lookup(key: Key, now: Now): number {
    const request = this.lookups.start(key, now.mono)
    this.settle(now.mono)
    return request
  }

  owns(key: Key): boolean {
    return this.routing.owns(key)
  }

  owner(key: Key): Contact | undefined {
    return this.routing.owns(key) ? this.ring.self : this.near.ownerBehind(key)?.contact
  }

  nextHop(key: Key): Contact | undefined {
    return this.routing.owns(key) ? undefined : this.routing.hops(key, false)[0]?.to.contact
  }

  /** This node and the next k - 1 successors. */
  replicas(key: Key): readonly Contact[] {
    return this.routing.owns(key) ? this.routing.replicas() : []
  }

  ranges(): Ranges | undefined {
    const arc = this.near.arc()
    if (arc === undefined) return undefined
    const { near } = this
    return { owned: [{ ...arc, replicas: near.replicas() }], replicated: near.replicated(), accepted: near.accepted() }
  }

  /** In ring order; replaced as a whole, never changed in place. */
  get successors(): readonly RingMember[] {
    return this.near.successors
  }

  get standing(): Standing {
    return this.near.standing
  }

  get joined(): boolean {
    return this.near.standing !== 'joining'
  }

  view(): RingView {
    const { predecessor, successors } = this.near
    return {
      self: this.ring.self,
      place: this.ring.place,
      joined: this.joined,
      predecessors: predecessor === undefined ? [] : [predecessor.contact],
      successors: successors.map(one => one.contact),
      // The widest range first.
      routes: [...new Set(this.fingers)].map(one => one.contact)
    }
  }

  receive(from: Contact, _via: Channel, message: RingMessage, now: Now): void {
    this.handle(from, message, now.mono)
    this.settle(now.mono)
  }

  /** The ring sends datagrams only. */
  link(_peer: NodeId, _state: 'up' | 'down', _now: Now): void {
    // Nothing is tied to a stream.
  }

  done(_token: number, _result: Result, _now: Now): void {
    // Nothing is kept on disk: the ring is found again from membership.
  }

  wake(now: Now): void {
    const query = this.slot.silent(now.mono)
    if (query !== undefined) {
      if (query.purpose.kind === 'join') this.joining.silent(query.to)
      else this.stabiliser.silent(query, now.mono)
    }
    this.fingers.wake(now.mono)
    this.relays.wake(now.mono)
    this.lookups.wake(now.mono)
    this.settle(now.mono)
  }

  nextWake(): Instant | undefined {
    return earliest(
      this.slot.current?.timeoutAt,
      this.joining.nextWake(),
      this.stabiliser.nextWake(),
      this.fingers.nextWake(),
      this.relays.nextWake(),
      this.lookups.nextWake()
    )
  }

  drain(): Array<Effect<RingMessage, never, RingEvent>> {
    return this.ring.outbox.drain()
  }

  private handle(from: Contact, message: RingMessage, now: Instant): void {
    switch (message.kind) {
      case 'ask':
        this.asked(from, message.request)
        break
      case 'ping':
        this.ring.send(from, { kind: 'pong', request: message.request, joined: this.near.standing === 'joined' })
        break
      case 'notify': {
        const member = this.ring.members.get(from.id)
        if (member !== undefined) this.stabiliser.notified(member)
        break
      }
      case 'lookup':
        this.relays.receive(from, message, now)
        break
      case 'took':
        this.relays.took(from.id, message.request, now)
        break
      case 'refused':
        this.relays.refused(from.id, message.request, message.reason, now)
        break
      case 'found':
        this.lookups.found(from, message)
        break
      case 'stuck':
        this.lookups.stuck(message.serial, message.reason, now)
        break
      case 'state':
      case 'unjoined':
      case 'busy':
      case 'pong':
        this.answered(from, message, now)
        break
    }
  }

  private asked(from: Contact, request: number): void {
    if (this.near.standing !== 'joined') this.ring.send(from, { kind: 'unjoined', request })
    else if (this.slot.current !== undefined) this.ring.send(from, { kind: 'busy', request })
    else {
      const predecessor = this.near.predecessor?.id
      const successors = this.near.successors.map(one => one.id)
      this.ring.send(from, { kind: 'state', request, predecessor, successors })
    }
  }

  private answered(from: Contact, message: RingMessageOf<'state' | 'unjoined' | 'busy' | 'pong'>, now: Instant): void {
    const query = this.slot.answered(from.id, message.request, now)
    if (query === undefined) {
      if (message.kind === 'pong') this.fingers.pong(from.id, message.request, message.joined, now)
    } else if (query.purpose.kind === 'join') this.joinAnswered(query, message, now)
    else if (message.kind === 'state') this.stabiliser.state(query, message, now)
    else if (message.kind === 'pong') this.stabiliser.pong(query, message.joined)
    else if (message.kind === 'busy') this.stabiliser.busy(query, now)
    else this.stabiliser.notInRing(query, now)
  }

  private joinAnswered(
    query: Query,
    message: RingMessageOf<'state' | 'unjoined' | 'busy' | 'pong'>,
    now: Instant
  ): void {
    if (message.kind === 'unjoined') this.joining.unjoined(query.to)
    else if (message.kind === 'busy') this.joining.busy(now)
    else if (message.kind === 'state') {
      const successors = this.joining.state(query.to, message, now)
      if (successors !== undefined) this.join(successors, now)
    }
  }

  private enter(now: Instant): void {
    this.near.leave()
    this.slot.current = undefined
    this.joining.begin(now)
  }

  private join(successors: Parameters<RingNeighbours['adopt']>[0], now: Instant): void {
    this.near.standing = 'joined'
    if (this.near.small) this.near.adoptMembership()
    else this.near.adopt(successors)
    this.stabiliser.begin(now)
    this.ring.outbox.emit({ kind: 'joined' })
  }

  private standAlone(): void {
    const joined = this.near.standing !== 'joining'
    this.slot.current = undefined
    this.near.standing = 'alone'
    this.near.successors = []
    this.near.predecessor = undefined
    if (!joined) this.ring.outbox.emit({ kind: 'joined' })
  }

  /** Starts what is due, and tells the owner of its ranges when they have changed. */
  private settle(now: Instant): void {
    if (this.joining.wake(now) === 'stand-up') this.join([], now)
    this.stabiliser.wake(now)
    this.tellRanges()
  }

  private tellRanges(): void {
    const ranges = this.started ? this.ranges() : undefined
    if (ranges === undefined) return
    const text = textOf(ranges)
    if (text === this.told) return
    this.told = text
    this.ring.outbox.emit({ kind: 'ranges', ranges })
  }
}

/** Equal for equal ranges. */
function textOf({ owned, replicated, accepted }: Ranges): string {
  const replicas = owned.flatMap(({ from, replicas: nodes }) => [
    from,
    ...nodes.map(({ id, address }) => `${id}@${address.host}:${address.port}`)
  ])
  return [...replicas, replicated.from, accepted.from].join()
}
