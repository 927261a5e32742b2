/**
 * Lookups in this node's care: each goes to the best neighbour until one has taken it, then the care is the taker's. A
 * neighbour that is silent or refuses is followed by the next best one.
 *
 * No loops: before the key every hop comes closer to it clockwise; a hop beyond it goes back from predecessor to
 * predecessor, and no way leads from there to before the key. The receiver checks both, and the length of the path.
 */
import { Alarms } from '../../../base/alarms.ts'
import { LruMap } from '../../../base/bounded.ts'
import { placeOf, type NodeId } from '../../../base/ids.ts'
import { between } from '../../../base/ring.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import { PATH_NODES_MAX, type Refusal, type RingMessageOf } from '../../../wire/ring.ts'
import type { RingContext } from './context.ts'
import type { Fingers } from './fingers.ts'
import type { RingMember } from '../members.ts'
import type { RingNeighbours } from './neighbours.ts'
import type { Hop, Routing } from './routing.ts'
import { HOP_NEIGHBOURS_MAX, RELAYS_MAX } from '../settings.ts'

type Lookup = RingMessageOf<'lookup'>

interface Relay {
  /** As it will be sent on: the path ends with this node. */
  readonly lookup: Omit<Lookup, 'kind' | 'request' | 'beyond'>
  /** Whether it came here from before the key. */
  readonly beyond: boolean
  /** Told where it ends; this node itself for its own lookups. */
  readonly origin: Contact
  readonly tried: Set<NodeId>
  hop: Hop
  request: number
  sentAt: Instant
  sends: number
}

export class LookupRelays {
  private readonly ring: RingContext
  private readonly near: RingNeighbours
  private readonly fingers: Fingers
  private readonly routing: Routing
  /** Own lookups that got stuck. */
  private readonly stuck: (serial: number, reason: Refusal, now: Instant) => void
  private readonly relays = new Map<number, Relay>()
  private readonly alarms = new Alarms<number>()
  /** Lookups taken a moment ago: a copy is answered, not passed on again. */
  private readonly taken = new LruMap<string, true>(RELAYS_MAX)

  constructor(
    parts: { ring: RingContext; near: RingNeighbours; fingers: Fingers; routing: Routing },
    stuck: (serial: number, reason: Refusal, now: Instant) => void
  ) {
    this.ring = parts.ring
    this.near = parts.near
    this.fingers = parts.fingers
    this.routing = parts.routing
    this.stuck = stuck
  }

  /** A lookup of this node's own, by way of its tables, or of any member while it is in no ring. */
  originate(serial: number, key: Lookup['key'], now: Instant): void {
    const { self } = this.ring
    const lookup = { origin: self.id, serial, key, path: [self.id] }
    this.pass({ lookup, beyond: false, origin: self, tried: new Set() }, now)
  }

  /** The lookup has ended by another way, or begins anew. */
  forget(serial: number): void {
    for (const [request, relay] of this.relays) {
      if (relay.origin === this.ring.self && relay.lookup.serial === serial) this.end(request)
    }
  }

  receive(from: Contact, message: Lookup, now: Instant): void {
    const { request, key, path, origin, serial, beyond } = message
    if (path.at(-1) !== from.id || path[0] !== origin) {
      this.ring.outbox.emit({ kind: 'misbehaved', peer: from.id, what: 'a lookup whose path is not its own' })
      return
    }
    const name = `${from.id}/${request}`
    if (this.taken.has(name)) {
      this.ring.send(from, { kind: 'took', request })
      return
    }
    const home = origin === from.id ? from : this.ring.members.get(origin)?.contact
    const refusal = this.refusal(message, home)
    if (refusal !== undefined || home === undefined) {
      this.ring.send(from, { kind: 'refused', request, reason: refusal ?? 'unknown-origin' })
      return
    }
    const walked = [...path, this.ring.self.id]
    const arc = this.near.arc()
    if (arc !== undefined && this.routing.owns(key)) {
      const replicas = this.routing.replicas().map(one => one.id)
      this.ring.send(from, { kind: 'took', request })
      this.ring.send(home, { kind: 'found', serial, key, from: arc.from, replicas, path: walked })
      return
    }
    const hops = this.routing.hops(key, beyond).filter(({ to }) => !path.includes(to.id))
    if (hops.length === 0) {
      this.ring.send(from, { kind: 'refused', request, reason: beyond ? 'no-predecessor' : 'no-progress' })
      return
    }
    this.taken.set(name, true)
    this.ring.send(from, { kind: 'took', request })
    this.pass({ lookup: { origin, serial, key, path: walked }, beyond, origin: home, tried: new Set() }, now)
  }

  took(from: NodeId, request: number, now: Instant): void {
    const relay = this.relays.get(request)
    if (relay?.hop.to.id !== from) return
    if (relay.sends === 1) this.ring.measured(from, relay.sentAt, now)
    this.end(request)
  }

  refused(from: NodeId, request: number, reason: Refusal, now: Instant): void {
    const relay = this.relays.get(request)
    if (relay?.hop.to.id !== from) return
    this.end(request)
    if (reason === 'unjoined') this.fingers.doubt(relay.hop.to)
    this.pass(relay, now, reason)
  }

  memberDown(member: RingMember, now: Instant): void {
    for (const [request, relay] of [...this.relays]) {
      if (relay.hop.to !== member) continue
      this.end(request)
      this.pass(relay, now)
    }
  }

  nextWake(): Instant | undefined {
    return this.alarms.next()
  }

  wake(now: Instant): void {
    for (let request = this.alarms.take(now); request !== undefined; request = this.alarms.take(now)) {
      const relay = this.relays.get(request)
      if (relay === undefined) continue
      if (relay.sends < this.ring.settings.hopTries) this.send(relay)
      else {
        this.end(request)
        this.fingers.doubt(relay.hop.to)
        this.pass(relay, now)
      }
      if (this.relays.has(request)) this.watch(relay, now)
    }
  }

  private refusal(message: Lookup, home: Contact | undefined): Refusal | undefined {
    if (this.near.standing !== 'joined') return 'unjoined'
    if (home === undefined) return 'unknown-origin'
    if (this.relays.size >= RELAYS_MAX) return 'overloaded'
    if (message.path.length >= PATH_NODES_MAX) return 'too-long'
    return this.closer(message) ? undefined : 'no-progress'
  }

  /** Whether this node is closer to the key than the one before it. An origin need not be part of any ring. */
  private closer({ path, key, beyond }: Lookup): boolean {
    const before = path.at(-1)
    if (path.includes(this.ring.self.id) || before === undefined) return false
    if (path.length === 1) return true
    const { place } = this.ring
    const last = placeOf(before)
    if (!beyond) return between(last, place, key)
    // From before the key to behind it, or from further behind it: the key lies between either way.
    return place === key || between(last, key, place)
  }

  /** To the best neighbour that was not tried. */
  private pass(relay: Omit<Relay, 'hop' | 'request' | 'sentAt' | 'sends'>, now: Instant, last?: Refusal): void {
    const { lookup, tried } = relay
    const hop =
      tried.size >= HOP_NEIGHBOURS_MAX
        ? undefined
        : this.offers(lookup.key, relay.beyond).find(({ to }) => !tried.has(to.id) && !lookup.path.includes(to.id))
    if (hop === undefined) {
      this.tellStuck(relay, last ?? 'no-progress', now)
      return
    }
    tried.add(hop.to.id)
    const request = this.ring.nextRequest()
    const next: Relay = { ...relay, hop, request, sentAt: now, sends: 0 }
    this.relays.set(request, next)
    this.send(next)
    this.watch(next, now)
  }

  private offers(key: Lookup['key'], beyond: boolean): Hop[] {
    if (this.near.standing === 'joined') return this.routing.hops(key, beyond)
    const members = [...this.ring.members]
    return this.ring.random.sample(members, HOP_NEIGHBOURS_MAX * 2).map(to => ({ to, beyond: false }))
  }

  private tellStuck(
    { lookup, origin }: { lookup: Relay['lookup']; origin: Contact },
    reason: Refusal,
    now: Instant
  ): void {
    const { serial, key } = lookup
    if (origin === this.ring.self) this.stuck(serial, reason, now)
    else this.ring.send(origin, { kind: 'stuck', serial, key, reason })
  }

  private send(relay: Relay): void {
    relay.sends++
    const { hop, request, lookup } = relay
    this.ring.send(hop.to.contact, { kind: 'lookup', request, beyond: hop.beyond, ...lookup })
  }

  private watch(relay: Relay, now: Instant): void {
    this.alarms.set(relay.request, after(now, this.ring.answerMs(relay.hop.to) * relay.sends))
  }

  private end(request: number): void {
    this.relays.delete(request)
    this.alarms.clear(request)
  }
}
