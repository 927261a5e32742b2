/**
 * The graph that descriptors flood over: 5 to 8 random members each, by mutual consent.
 *
 *   (nobody) --connect--> asking --accept--> neighbour --bye, link down, member down--> (nobody)
 *                           |--refuse, bye, link down, deadline--> (nobody), not asked again for a while
 *
 * Whoever has fewer than the target asks random members, one for each that it lacks, later after each refusal. Two that ask each
 * other at once are neighbours as soon as either hears: a `connect` of somebody asked is an answer. Who is full refuses, but
 * not somebody with too few: it lets one go of its neighbours that have enough, and takes the other in. (With n members
 * of degree 8 there are 3n links more than all need, so that always somebody has enough.)
 *
 * Rewiring: now and then each gives up one neighbour for a random member. A random graph of degree 5 or more is
 * connected almost surely; one that a partition has divided, each half complete in itself, becomes one again by that.
 *
 * Deviation from 0.6's handshake: the stream and who is at its other end are given, so headers are not exchanged.
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

/** Members are told of one after the other: after this there is a choice. */
const FIRST_ASK_MS = 200
/** From the coming of a member until a neighbour is given up for one, by those on whom the lot falls. */
const REWIRE_SOON_MS = 5_000
/** From a change of the degree until the neighbours are told, so that several changes make one. */
const ANNOUNCE_DEGREE_MS = 2_000

interface Asked {
  readonly contact: Contact
  readonly deadline: Instant
  /** more: one is lacking. instead: in place of a neighbour that it has. */
  readonly purpose: 'more' | 'instead'
}

/** What follows from a change, in the rooms beside. */
export interface NeighboursOwner {
  linked(neighbour: Neighbour, now: Instant): void
  unlinked(id: NodeId, now: Instant): void
}

export class SearchNeighbours {
  readonly memberSet = new MemberSet()
  private readonly context: SearchContext
  private readonly owner: NeighboursOwner
  private readonly byId = new Map<NodeId, Neighbour>()
  /** At most ASKED_MAX, and one in place of a neighbour. */
  private readonly asked = new Map<NodeId, Asked>()
  private readonly acquaintances: Acquaintances
  private state: 'new' | 'started' = 'new'
  private failures = 0
  private askAt: Instant
  private rewireAt: Instant
  /** The degree that all neighbours have heard of. */
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
    // Some of the others are to meet who comes; when half of the shoal comes back, somebody of everyone's.
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

  /** It asked for far more than its rate, for long. */
  cutOff(id: NodeId, now: Instant): void {
    this.acquaintances.ban(id, now)
    this.context.counters.cutOff++
    this.sayBye(id, now)
  }

  /** What to make of a descriptor's sender: a former neighbour may not have heard of that yet. */
  standing(from: Contact, now: Instant): Neighbour | 'former' | 'stranger' {
    const neighbour = this.byId.get(from.id)
    if (neighbour !== undefined) return neighbour
    if (this.acquaintances.isFormer(from.id, now)) return 'former'
    // It takes us for a neighbour, rightly or not.
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
        // A refusal to one who is a neighbour already: both had asked, and this node took that for consent.
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

  /** How many more to ask. */
  private lacking(): number {
    let asked = 0
    for (const { purpose } of this.asked.values()) if (purpose === 'more') asked++
    return Math.min(this.context.settings.degreeTarget, this.memberSet.size) - this.byId.size - asked
  }

  /** Whether there are members that are no neighbours. */
  private hasOthers(): boolean {
    return this.memberSet.size > this.byId.size + this.asked.size
  }

  private fill(now: Instant): void {
    while (this.lacking() > 0 && this.asked.size < ASKED_MAX) {
      if (this.ask('more', now)) continue
      // All others are banned, resting or neighbours: looks again later, less and less often.
      this.failures++
      break
    }
    if (this.lacking() > 0) this.askAt = after(now, this.pauseMs())
  }

  /** False when nobody can be asked at the moment. */
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

  /** The one asked will not be a neighbour. */
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
    // It has forgotten that we are neighbours.
    if (this.byId.has(from.id)) this.remove(from.id, now)
    const wanted = this.asked.delete(from.id) || degree < this.context.settings.degreeMin
    if (this.isFull() && !(wanted && this.dropOne(now))) this.context.send(from, this.word('refuse'))
    else {
      // Before anything that only a neighbour may say.
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
    // Nobody asked it, or too long ago; or nobody can be given up for it.
    if (asked === undefined || (surplus && !this.dropOne(now) && this.isFull())) {
      this.context.send(from, { kind: 'bye' })
      this.acquaintances.parted(from.id, now)
    } else this.add(from, degree, now)
  }

  private isFull(): boolean {
    return this.byId.size >= this.context.settings.degreeMax
  }

  /** Says bye to the neighbour that has the most others; false when none has more than enough. */
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

  /** It is no neighbour any more, if it was one, and another is looked for. */
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

  /** SearchNeighbours hear how many this node has: whom they can let go, and how far a query of theirs goes, follows from that. */
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
