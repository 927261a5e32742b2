/**
 * The graph over which descriptors flood: each node has 5 to 8 random members as neighbours, by mutual consent.
 *
 *   (none) --connect--> asked --accept--> neighbour --bye, link down, member down--> (none)
 *                         |--refuse, bye, link down, deadline--> (none), not asked again for a while
 *
 * A node with fewer neighbours than the target asks random members, at most ASKED_MAX at once, with a longer pause
 * after each refusal. A `connect` from an asked member counts as its `accept`, so two nodes that ask each other become
 * neighbours at once. A full node refuses, except a node that has too few: then it drops a neighbour that has more than
 * enough and accepts the other. (With n members of degree 8 there are 3n more link ends than needed, so some node
 * always has more than enough.)
 *
 * Rewiring: periodically, each node replaces one neighbour by a random member. A random graph of degree 5 or more is
 * connected almost surely. When a partition has split it into two such graphs, rewiring joins them again.
 *
 * Deviation from the handshake of 0.6: the stream and the identity of the peer are given, so no headers are exchanged.
 */
import type { NodeId } from '../../../base/ids.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { Handshake } from '../../../wire/gnutella/search.ts'
import { Acquaintances } from './acquaintances.ts'
import type { SearchContext } from '../context.ts'
import { Neighbour } from './neighbour.ts'
import { MemberSet } from './member-set.ts'
import { ASKED_MAX, PICKS_MAX } from '../settings.ts'

/** Delay of the first connect. Members are reported one by one, and by then there are several to choose from. */
const FIRST_ASK_MS = 200
/** Within this time after a new member, some randomly chosen nodes rewire. */
const REWIRE_SOON_MS = 5_000
/** Delay from a change of the degree until it is announced, so that several changes need one message. */
const ANNOUNCE_DEGREE_MS = 2_000

interface Asked {
  readonly contact: Contact
  readonly deadline: Instant
  /** `more`: to reach the target; `instead`: to replace a neighbour. */
  readonly purpose: 'more' | 'instead'
}

/** Notifies the other parts of search of new and lost neighbours. */
export interface NeighboursOwner {
  linked(neighbour: Neighbour, now: Instant): void
  unlinked(id: NodeId, now: Instant): void
}

export class SearchNeighbours {
  readonly memberSet = new MemberSet()
  private readonly context: SearchContext
  private readonly owner: NeighboursOwner
  private readonly byId = new Map<NodeId, Neighbour>()
  /** Members asked: at most ASKED_MAX, and one to replace a neighbour. */
  private readonly asked = new Map<NodeId, Asked>()
  private readonly acquaintances: Acquaintances
  private state: 'new' | 'started' = 'new'
  private failures = 0
  private askAt: Instant
  private rewireAt: Instant
  /** The degree that was last announced to all neighbours. */
  private announcedDegree = 0
  private announceAt: Instant | undefined

  constructor(context: SearchContext, owner: NeighboursOwner, now: Instant) {
    this.context = context
    this.owner = owner
    this.acquaintances = new Acquaintances(context)
    this.askAt = now
    this.rewireAt = now
  }

  get size(): number {
    return this.byId.size
  }

  get(id: NodeId): Neighbour | undefined {
    return this.byId.get(id)
  }

  [Symbol.iterator](): IterableIterator<Neighbour> {
    return this.byId.values()
  }

  start(now: Instant): void {
    if (this.state === 'started') return
    this.state = 'started'
    this.askAt = after(now, this.context.random.jitter(FIRST_ASK_MS))
    this.rewireAt = after(now, this.context.random.jitter(this.context.settings.rewireMs))
  }

  memberUp(contact: Contact, now: Instant): void {
    if (contact.id === this.context.self.id) return
    const known = this.memberSet.get(contact.id) !== undefined
    this.memberSet.up(contact)
    if (known) return
    this.acquaintances.rested(contact.id)
    const { random, settings } = this.context
    if (this.lacking() > 0) this.askWithin(FIRST_ASK_MS, now)
    // About degreeTarget nodes rewire for a new member. When half of the overlay returns, this concerns every node.
    else if (random.chance(settings.degreeTarget / this.memberSet.size)) this.rewireWithin(REWIRE_SOON_MS, now)
  }

  memberDown(id: NodeId, now: Instant): void {
    this.memberSet.down(id)
    this.asked.delete(id)
    this.end(id, now)
  }

  linkDown(id: NodeId, now: Instant): void {
    this.failed(id, now)
    this.end(id, now)
  }

  /** Bans a neighbour that sent far more than its rate. */
  cutOff(id: NodeId, now: Instant): void {
    this.acquaintances.ban(id, now)
    this.context.counters.cutOff++
    this.sayBye(id, now)
  }

  /** Classifies the sender of a descriptor. A former neighbour may not know yet that it is none. */
  standing(from: Contact, now: Instant): Neighbour | 'former' | 'stranger' {
    const neighbour = this.byId.get(from.id)
    if (neighbour !== undefined) return neighbour
    if (this.acquaintances.isFormer(from.id, now)) return 'former'
    // The sender takes this node for a neighbour: `bye` corrects that.
    this.context.send(from, { kind: 'bye' })
    this.acquaintances.parted(from.id, now)
    return 'stranger'
  }

  receive(from: Contact, message: Handshake, now: Instant): void {
    if (!this.acquaintances.metersOf(from.id, now).handshakes.take(now)) {
      this.context.dropped('rate')
      return
    }
    switch (message.kind) {
      case 'connect':
        this.connect(from, message.degree, now)
        return
      case 'accept':
        this.accepted(from, message.degree, now)
        return
      case 'refuse':
      case 'bye':
        // A neighbour may refuse: both had asked, and this node took the `connect` as consent.
        this.acquaintances.rest(from.id, now)
        this.failed(from.id, now)
        this.end(from.id, now)
    }
  }

  wake(now: Instant): void {
    if (this.state === 'new') return
    for (const [id, { deadline }] of this.asked) if (deadline <= now) this.failed(id, now)
    if (this.rewireAt <= now) this.rewire(now)
    if (this.askAt <= now) this.fill(now)
    if (this.announceAt !== undefined && this.announceAt <= now) this.announceDegree()
  }

  nextWake(): Instant | undefined {
    if (this.state === 'new') return undefined
    let next = this.announceAt
    for (const { deadline } of this.asked.values()) next = earliest(next, deadline)
    if (this.lacking() > 0) next = earliest(next, this.askAt)
    if (this.hasOthers()) next = earliest(next, this.rewireAt)
    return next
  }

  /** Number of further members to ask. */
  private lacking(): number {
    let asked = 0
    for (const { purpose } of this.asked.values()) if (purpose === 'more') asked++
    return Math.min(this.context.settings.degreeTarget, this.memberSet.size) - this.byId.size - asked
  }

  /** Whether some members are neither neighbours nor asked. */
  private hasOthers(): boolean {
    return this.memberSet.size > this.byId.size + this.asked.size
  }

  private fill(now: Instant): void {
    while (this.lacking() > 0 && this.asked.size < ASKED_MAX) {
      if (this.ask('more', now)) continue
      // All other members are banned, resting, asked or neighbours. The pause grows with each attempt.
      this.failures++
      break
    }
    if (this.lacking() > 0) this.askAt = after(now, this.pauseMs())
  }

  /** Asks a random member. False when none may be asked now. */
  private ask(purpose: Asked['purpose'], now: Instant): boolean {
    const contact = this.memberSet.pick(this.context.random, PICKS_MAX, ({ id }) => this.mayAsk(id, now))
    if (contact === undefined) return false
    this.asked.set(contact.id, { contact, purpose, deadline: after(now, this.context.settings.connectMs) })
    this.context.send(contact, this.word('connect'))
    return true
  }

  private mayAsk(id: NodeId, now: Instant): boolean {
    if (this.byId.has(id) || this.asked.has(id)) return false
    return !this.acquaintances.isResting(id, now) && !this.acquaintances.isBanned(id, now)
  }

  /** An asked member refused or did not answer. */
  private failed(id: NodeId, now: Instant): void {
    const asked = this.asked.get(id)
    if (asked === undefined) return
    this.asked.delete(id)
    this.acquaintances.rest(id, now)
    if (asked.purpose === 'instead') return
    this.failures++
    this.askAt = after(now, this.pauseMs())
  }

  private pauseMs(): number {
    const { retryMs, retryMsMax, retryPoorMsMax, degreeMin } = this.context.settings
    const most = this.byId.size < degreeMin ? retryPoorMsMax : retryMsMax
    return this.context.random.jitter(Math.min(most, retryMs * 2 ** Math.min(this.failures, 16)))
  }

  private askWithin(ms: number, now: Instant): void {
    const at = after(now, this.context.random.jitter(ms))
    if (this.askAt <= now || this.askAt > at) this.askAt = at
  }

  private rewireWithin(ms: number, now: Instant): void {
    const at = after(now, this.context.random.jitter(ms))
    if (this.rewireAt > at) this.rewireAt = at
  }

  private rewire(now: Instant): void {
    this.rewireAt = after(now, this.context.random.jitter(this.context.settings.rewireMs))
    for (const { purpose } of this.asked.values()) if (purpose === 'instead') return
    if (this.byId.size >= this.context.settings.degreeTarget) this.ask('instead', now)
  }

  private connect(from: Contact, degree: number, now: Instant): void {
    if (this.acquaintances.isBanned(from.id, now)) {
      this.context.send(from, this.word('refuse'))
      return
    }
    // The peer has lost its state: end the previous neighbourhood first.
    if (this.byId.has(from.id)) this.remove(from.id, now)
    const wanted = this.asked.delete(from.id) || degree < this.context.settings.degreeMin
    if (this.isFull() && !(wanted && this.dropOne(now))) this.context.send(from, this.word('refuse'))
    else {
      // Before any descriptor, which only a neighbour may send.
      this.context.send(from, { kind: 'accept', degree: this.byId.size + 1 })
      this.add(from, degree, now)
    }
  }

  private accepted(from: Contact, degree: number, now: Instant): void {
    const neighbour = this.byId.get(from.id)
    if (neighbour !== undefined) {
      neighbour.degree = degree
      return
    }
    const asked = this.asked.get(from.id)
    this.asked.delete(from.id)
    const { degreeTarget } = this.context.settings
    const surplus = asked?.purpose === 'instead' ? this.byId.size >= degreeTarget : this.isFull()
    // It was not asked, or too long ago, or there is no room and no neighbour to drop.
    if (asked === undefined || (surplus && !this.dropOne(now) && this.isFull())) {
      this.context.send(from, { kind: 'bye' })
      this.acquaintances.parted(from.id, now)
    } else this.add(from, degree, now)
  }

  private isFull(): boolean {
    return this.byId.size >= this.context.settings.degreeMax
  }

  /** Drops a neighbour with the highest degree. False when none has more than degreeMin. */
  private dropOne(now: Instant): boolean {
    let most = this.context.settings.degreeMin
    let candidates: NodeId[] = []
    for (const { id, degree } of this.byId.values()) {
      if (degree < most || degree <= this.context.settings.degreeMin) continue
      if (degree > most) candidates = []
      most = degree
      candidates.push(id)
    }
    const one = this.context.random.pick(candidates)
    if (one === undefined) return false
    this.sayBye(one, now)
    return true
  }

  private sayBye(id: NodeId, now: Instant): void {
    const neighbour = this.byId.get(id)
    if (neighbour === undefined) return
    this.context.send(neighbour.contact, { kind: 'bye' })
    this.acquaintances.rest(id, now)
    this.end(id, now)
  }

  private add(contact: Contact, degree: number, now: Instant): void {
    const neighbour = new Neighbour(contact, degree, this.acquaintances.metersOf(contact.id, now))
    this.byId.set(contact.id, neighbour)
    this.failures = 0
    this.acquaintances.met(contact.id)
    this.owner.linked(neighbour, now)
    this.changed(now)
  }

  /** Ends the neighbourhood, if there is one, and asks another member soon. */
  private end(id: NodeId, now: Instant): void {
    if (!this.remove(id, now)) return
    this.acquaintances.parted(id, now)
    this.changed(now)
    this.askWithin(this.context.settings.retryMs, now)
  }

  private remove(id: NodeId, now: Instant): boolean {
    if (!this.byId.delete(id)) return false
    this.owner.unlinked(id, now)
    return true
  }

  private changed(now: Instant): void {
    this.context.outbox.emit({ kind: 'neighbours', count: this.byId.size })
    this.announceAt ??= after(now, this.context.random.jitter(ANNOUNCE_DEGREE_MS))
  }

  /** Neighbours use this degree to choose which neighbour to drop, and to estimate how far a query goes. */
  private announceDegree(): void {
    this.announceAt = undefined
    if (this.announcedDegree === this.byId.size) return
    this.announcedDegree = this.byId.size
    for (const { contact } of this.byId.values()) this.context.send(contact, this.word('accept'))
  }

  private word<K extends 'connect' | 'accept' | 'refuse'>(kind: K): { kind: K; degree: number } {
    return { kind, degree: this.byId.size }
  }
}
