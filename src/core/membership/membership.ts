/**
 * Membership: who is in the shoal, and who just died. SWIM (Das, Gupta, Motivala 2002) as a pure machine.
 *
 * Participants: every node of the overlay, all equal. Each probes one other a period (directly, then through k proxies and
 * over a stream), suspects who does not answer, and declares dead who does not refute in time. Claims ride on every
 * datagram, and on gossip datagrams of their own while there are any; push-pull over streams repairs what rumours miss.
 *
 * States of a row: alive, suspect, dead, left (`roster.ts`). States of this node: idle until start(), starting until the
 * ceiling of its incarnation is safe on disk (silent till then), running, leaving, left.
 *
 * Beyond the paper: claims are signed, by their subject or their accuser, and an accusation of an incarnation that the subject
 * is not known to have signed waits for that claim; a dead member comes back with a higher incarnation (memberlist); signers
 * beside the first shorten a suspicion (Lifeguard 4.2); the memory of a death, met in push-pull, is a suspicion first, so
 * that two halves of a partition do not bury each other when it heals; time in which this node stood still proves nothing.
 *
 * Not here: local health (Lifeguard 4.1), checking addresses (io does), names that two members share.
 */
import { assert, unreachable } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import { after, earliest, type Instant } from '../../base/time.ts'
import type { Address, Contact } from '../../wire/common.ts'
import type { Claim, MembershipMessage, MemberState } from '../../wire/membership.ts'
import type { Channel, Machine, Now, Result, MachineContext } from '../machine.ts'
import { Outbox } from '../outbox.ts'
import { Archive, restoredClaims } from './view/archive.ts'
import { Notary } from './view/claims.ts'
import type { ProvenRow } from './dissemination/difference.ts'
import { Farewell } from './dissemination/farewell.ts'
import { Mail, type Sends } from './dissemination/mail.ts'
import type { Member, MembershipCounts, MembershipEvent } from './member.ts'
import { Own } from './own.ts'
import { Pace } from './pace.ts'
import type { DetectorAct, DetectorParts, FailureDetector, ProbeCounts } from './detector/detector.ts'
import { Prober } from './detector/prober.ts'
import { PushPull } from './dissemination/pushpull.ts'
import { PingRelays } from './detector/ping-relays.ts'
import { contactOf, isLive, memberOf, Roster, watched, type Row } from './view/roster.ts'
import { Rumours } from './dissemination/rumours.ts'
import { GOSSIP_FANOUT, type MembershipSettings } from './settings.ts'
import { Suspicions } from './detector/suspicion.ts'
import { Syncer } from './dissemination/syncer.ts'
import { View, type Path } from './view/view.ts'
import { WaitingRoom } from './view/waiting.ts'

export interface MembershipOptions {
  readonly name: string
  readonly settings: MembershipSettings
  readonly detector?: (parts: DetectorParts) => FailureDetector
}

type Phase =
  | { kind: 'idle' }
  | { kind: 'starting'; contacts: readonly Contact[] }
  | { kind: 'running' }
  | { kind: 'leaving'; farewell: Farewell }
  | { kind: 'left' }

export class Membership implements Machine<MembershipMessage, never, MembershipEvent> {
  readonly counts: MembershipCounts = {
    badSignatures: 0,
    misaddressed: 0,
    unexpected: 0,
    unproven: 0,
    overfull: 0,
    hurried: 0
  }
  private readonly id: NodeId
  private readonly settings: MembershipSettings
  private readonly outbox: Sends = new Outbox()
  private readonly roster: Roster
  private readonly rumours: Rumours
  private readonly suspicions: Suspicions
  private readonly own: Own
  private readonly view: View
  private readonly detector: FailureDetector
  private readonly relays = new PingRelays()
  private readonly syncer: Syncer
  private readonly archive: Archive
  private readonly mail: Mail
  private readonly pushPull: PushPull
  private readonly replies: Pace
  private phase: Phase = { kind: 'idle' }
  private joined = false
  private sequence: number
  private gossipedAt: Instant
  private readonly createdAt: Instant

  /** `context.restored` holds this room's keys only. Nothing is sent before start(). The detector is SWIM's unless given. */
  constructor(context: MachineContext, options: MembershipOptions, now: Now) {
    const { random } = context
    const notary = new Notary(context.signer, context.verifier)
    const persist = (key: string, value: Uint8Array | undefined) => this.outbox.persist(key, value)
    this.id = context.self.id
    this.settings = options.settings
    this.roster = new Roster(random)
    this.rumours = new Rumours(this.id)
    this.suspicions = new Suspicions(options.settings.periodMs)
    this.own = new Own({
      notary,
      persist,
      name: options.name,
      address: context.self.address,
      restored: context.restored
    })
    const detector = options.detector ?? (parts => new Prober(parts))
    this.detector = detector({
      ...{ members: watched(this.roster), random, periodMs: options.settings.periodMs },
      nextSequence: () => this.nextSequence()
    })
    this.syncer = new Syncer(this.roster, random)
    this.archive = new Archive(this.roster, persist)
    this.mail = new Mail(this.outbox, this.roster, this.rumours)
    const { outbox, roster, counts } = this
    this.pushPull = new PushPull({ outbox, roster, counts, ownRow: () => this.ownRow() })
    this.replies = new Pace(options.settings.gossipMs)
    this.view = new View({
      id: this.id,
      own: this.own,
      notary,
      roster: this.roster,
      rumours: this.rumours,
      suspicions: this.suspicions,
      waiting: new WaitingRoom(),
      counts: this.counts,
      emit: event => this.outbox.emit(event),
      changed: (row, was, at) => this.changed(row, was, at)
    })
    this.sequence = random.u32()
    this.gossipedAt = now.mono
    this.createdAt = now.mono
    this.restore(restoredClaims(context.restored), now.mono)
  }

  /** Announces this node once its incarnation is safe on disk, and finds the others by the contacts and what was restored. */
  start(contacts: readonly Contact[], _now: Now): void {
    assert(this.phase.kind === 'idle', 'a membership starts once')
    this.phase = { kind: 'starting', contacts }
    const claim = this.own.begin()
    assert(claim === undefined, 'the first incarnation waits for the disk')
  }

  /** Push-pulls with more contacts, now and a few times more, until they are members. */
  join(contacts: readonly Contact[], now: Now): void {
    if (this.phase.kind === 'starting') {
      this.phase = { kind: 'starting', contacts: [...this.phase.contacts, ...contacts] }
    }
    if (this.phase.kind === 'running') this.syncer.begin(this.strangers(contacts), now.mono)
  }

  /** Spreads a signed leave; `left-done` follows once three others acked it, or after three periods. */
  leave(now: Now): void {
    if (this.phase.kind === 'idle' || this.phase.kind === 'starting') {
      this.finish(now.mono)
      return
    }
    if (this.phase.kind !== 'running') return
    this.detector.end()
    this.syncer.end()
    this.view.leave()
    const farewell = new Farewell(this.own.leave(), this.nextSequence(), this.settings, now.mono)
    this.phase = { kind: 'leaving', farewell }
    this.wakeLeaving(farewell, now.mono)
  }

  /** This node's own address changed: announced with a higher incarnation. */
  setAddress(address: Address, _now: Now): void {
    if (this.phase.kind === 'leaving' || this.phase.kind === 'left') return
    this.view.announce(this.own.move(address))
  }

  /** This node first (once it has announced itself), then all others, the dead and the left included. */
  *members(): IterableIterator<Member> {
    const own = this.ownMember()
    if (own !== undefined) yield own
    for (const row of this.roster.rows()) yield memberOf(row)
  }

  member(id: NodeId): Member | undefined {
    if (id === this.id) return this.ownMember()
    const row = this.roster.get(id)
    return row === undefined ? undefined : memberOf(row)
  }

  /** Alive and suspect members and this node. */
  get aliveCount(): number {
    return this.roster.liveCount
  }

  counters(): Readonly<MembershipCounts & ProbeCounts> {
    return { ...this.counts, ...this.detector.counts }
  }

  receive(from: Contact, via: Channel, message: MembershipMessage, now: Now): void {
    this.noticeStandstill(now.mono)
    if (this.phase.kind !== 'running' && this.phase.kind !== 'leaving') return
    if (from.id === this.id) {
      this.counts.unexpected++
      return
    }
    if (message.kind === 'digest' || message.kind === 'want' || message.kind === 'claims') {
      if (via === 'datagram') this.unexpected(from, `${message.kind} in a datagram`)
      else if (message.kind !== 'claims') this.pushPull.answer(from, message, now.mono)
      else if (this.hear(from, message.claims, 'proof', now.mono)) this.reply(from, this.lastWord(), now.mono)
    } else this.receiveSwim(from, via, message, now.mono)
    if (!this.joined && this.isLive(from.id)) {
      this.joined = true
      this.outbox.emit({ kind: 'joined', members: this.aliveCount })
    }
  }

  /** Nothing here is tied to a stream: what is asked over one has a deadline. */
  link(_peer: NodeId, _state: 'up' | 'down', _now: Now): void {
    return
  }

  done(token: number, result: Result, now: Now): void {
    this.noticeStandstill(now.mono)
    const claim = this.own.done(token, result.ok, now.mono)
    this.archive.done(token, result.ok, now.mono)
    if (claim === undefined) return
    this.view.announce(claim)
    if (this.phase.kind !== 'starting') return
    const { contacts } = this.phase
    this.phase = { kind: 'running' }
    this.detector.begin(now.mono)
    this.syncer.begin(this.strangers(contacts), now.mono)
    this.sync(now.mono)
  }

  wake(now: Now): void {
    this.noticeStandstill(now.mono)
    const at = now.mono
    switch (this.phase.kind) {
      case 'idle':
      case 'left':
        return
      case 'starting':
        this.own.wake(at)
        return
      case 'leaving':
        this.archive.wake(at)
        this.wakeLeaving(this.phase.farewell, at)
        return
      case 'running':
        this.own.wake(at)
        this.view.expire(at)
        this.detect(at)
        this.sync(at)
        this.gossip(at)
        this.archive.wake(at)
        return
      default:
        unreachable(this.phase)
    }
  }

  nextWake(): Instant | undefined {
    switch (this.phase.kind) {
      case 'idle':
      case 'left':
        return undefined
      case 'starting':
        return this.own.next()
      case 'leaving':
        return earliest(this.phase.farewell.next(), this.archive.next())
      case 'running':
        return earliest(
          this.own.next(),
          this.suspicions.next(),
          this.detector.nextWake(),
          this.syncer.next(),
          this.gossipNext(),
          this.archive.next()
        )
      default:
        return unreachable(this.phase)
    }
  }

  drain(): ReturnType<Sends['drain']> {
    return this.outbox.drain()
  }

  private receiveSwim(
    from: Contact,
    via: Channel,
    message: Extract<MembershipMessage, { rumours: Claim[] }>,
    now: Instant
  ): void {
    if (message.kind === 'ping' && message.target !== this.id) {
      this.counts.misaddressed++
      return
    }
    this.detector.heard(from.id, now)
    const outdated = this.hear(from, message.rumours, 'rumour', now)
    const correction = outdated ? this.lastWord() : undefined
    switch (message.kind) {
      case 'ping':
        this.mail.ack(from, via, message.sequence, correction)
        break
      case 'ping-request':
        this.relay(from, message, now)
        break
      case 'ack':
        this.acked(from, via, message.sequence, now)
        break
      case 'gossip':
        break
      default:
        unreachable(message)
    }
    if (message.kind !== 'ping') this.reply(from, correction, now)
    if (this.phase.kind === 'running' && this.roster.get(from.id) === undefined) this.pushPull.meet(from, now)
  }

  private acked(from: Contact, via: Channel, sequence: number, now: Instant): void {
    if (this.phase.kind === 'leaving') {
      if (this.isLive(from.id)) this.phase.farewell.ackedBy(from.id, sequence)
      this.wakeLeaving(this.phase.farewell, now)
      return
    }
    const relayed = this.relays.answered(from.id, sequence, now)
    if (relayed !== undefined) this.mail.ack(relayed.requester, 'datagram', relayed.sequence)
    else {
      const answer = this.detector.acked(from.id, via, sequence, now)
      // An ack that comes after its period is no fault: it is counted, not reported.
      if (answer === undefined) this.counts.unexpected++
      else if (answer.roundTripMs !== undefined) this.roster.measured(answer.member, answer.roundTripMs)
    }
  }

  private relay(from: Contact, request: { sequence: number; target: NodeId }, now: Instant): void {
    const target = this.roster.get(request.target)
    if (target === undefined || target.id === from.id || this.phase.kind !== 'running') return
    const deadline = after(now, this.settings.periodMs)
    const sequence = this.nextSequence()
    const relay = { requester: from, sequence: request.sequence, target: target.id, deadline }
    if (this.relays.add(sequence, relay, now)) this.mail.ping(contactOf(target), 'datagram', sequence)
  }

  /** Returns whether the sender's news about this node is outdated. */
  private hear(from: Contact, claims: readonly Claim[], path: Path, now: Instant): boolean {
    if (claims.length === 0) return false
    const { fetch, outdated } = this.view.hear(from.id, claims, path, now)
    this.pushPull.want(from, fetch)
    return outdated
  }

  /** Tells the sender, now, that this node lives on, or what the sender itself is accused of: an ack would have done so. */
  private reply(from: Contact, correction: Claim | undefined, now: Instant): void {
    const state = this.roster.get(from.id)?.standing.state
    if (correction === undefined && state !== 'suspect' && state !== 'dead') return
    if (this.replies.allows(from.id, now)) this.mail.gossip(from, correction)
  }

  private detect(now: Instant): void {
    for (const act of this.detector.wake(now)) this.carryOut(act, now)
  }

  private carryOut(act: DetectorAct, now: Instant): void {
    switch (act.kind) {
      case 'silent':
        this.view.accuse(act.member, now)
        return
      case 'ping': {
        const to = this.roster.get(act.to)
        if (to !== undefined) this.mail.ping(contactOf(to), act.via, act.sequence)
        return
      }
      case 'ping-request': {
        const proxy = this.roster.get(act.proxy)
        if (proxy !== undefined) this.mail.pingRequest(contactOf(proxy), act.sequence, act.target)
        return
      }
      default:
        unreachable(act)
    }
  }

  private gossipNext(): Instant | undefined {
    if (this.rumours.size === 0 || this.roster.liveCount === 1) return undefined
    return after(this.gossipedAt, this.settings.gossipMs)
  }

  private gossip(now: Instant): void {
    const due = this.gossipNext()
    if (due === undefined || due > now) return
    this.gossipedAt = now
    for (const row of this.roster.sampleLive(GOSSIP_FANOUT)) this.mail.gossip(contactOf(row))
  }

  private sync(now: Instant): void {
    for (const partner of this.syncer.partners(now)) this.pushPull.sendDigest(partner)
    const dead = this.syncer.deadToTry(now)
    if (dead === undefined) return
    // The datagram tells it what it is accused of; the stream merges the two views if it lives.
    this.mail.ping(contactOf(dead), 'datagram', this.nextSequence())
    this.pushPull.sendDigest(contactOf(dead))
    for (const id of this.roster.trim(now)) this.archive.changed(id, now)
  }

  private wakeLeaving(farewell: Farewell, now: Instant): void {
    if (farewell.isOver(this.roster.liveCount - 1, now)) {
      this.finish(now)
      return
    }
    for (const row of farewell.toTell(this.roster, now)) {
      this.mail.ping(contactOf(row), 'datagram', farewell.sequence, farewell.leave)
    }
  }

  private finish(now: Instant): void {
    this.archive.flush(now)
    this.phase = { kind: 'left' }
    this.outbox.emit({ kind: 'left-done' })
  }

  private changed(row: Row, was: MemberState | undefined, now: Instant): void {
    const { state } = row.standing
    const wasLive = was !== undefined && isLive(was)
    if (isLive(state) && !wasLive) this.detector.memberUp(row.id)
    if (!isLive(state) && wasLive) this.detector.memberDown(row.id)
    if (was === 'dead' && isLive(state)) this.syncer.revived(now)
    if (state !== 'suspect') this.archive.changed(row.id, now)
    this.outbox.emit({ kind: 'member', member: memberOf(row), was })
  }

  /** What was verified before it was written is taken as it is. */
  private restore(claims: readonly Claim[], now: Instant): void {
    for (const claim of claims) {
      if (claim.subject === this.id || this.roster.judge(claim) !== 'news') continue
      this.roster.record(claim, now)
    }
    for (const id of this.roster.liveIds()) this.detector.memberUp(id)
  }

  private ownMember(): Member | undefined {
    const { claim } = this.own
    if (claim === undefined) return undefined
    const { name, address, incarnation } = claim
    const state = this.phase.kind === 'leaving' || this.phase.kind === 'left' ? 'left' : 'alive'
    return { id: this.id, name, address, state, incarnation, since: this.createdAt, rttMs: undefined }
  }

  private ownRow(): ProvenRow | undefined {
    const row = this.ownMember()
    const { claim } = this.own
    if (row === undefined || claim === undefined) return undefined
    const proof = this.phase.kind === 'leaving' ? [claim, this.phase.farewell.leave] : [claim]
    return { row, proof: () => proof }
  }

  /** What this node said of itself last. */
  private lastWord(): Claim | undefined {
    return this.phase.kind === 'leaving' ? this.phase.farewell.leave : this.own.claim
  }

  private strangers(contacts: readonly Contact[]): Contact[] {
    return contacts.filter(contact => contact.id !== this.id)
  }

  private isLive(id: NodeId): boolean {
    const row = this.roster.get(id)
    return row !== undefined && isLive(row.standing.state)
  }

  private nextSequence(): number {
    this.sequence = (this.sequence + 1) >>> 0
    return this.sequence
  }

  private unexpected(from: Contact, what: string): void {
    this.counts.unexpected++
    this.outbox.emit({ kind: 'misbehaved', peer: from.id, what })
  }

  /** This node was not woken in time (its process was stopped, its machine slept): the silence of others proves nothing. */
  private noticeStandstill(now: Instant): void {
    // A detector at work always has a next instant, and it lay ahead when it was set.
    const due = this.detector.nextWake()
    if (due === undefined || now - due <= this.settings.periodMs / 2) return
    this.detector.excuse(now)
    this.suspicions.postpone(now - due)
  }
}
