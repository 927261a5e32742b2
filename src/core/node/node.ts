/**
 * One node: the rooms composed into one machine. A room knows nothing of its siblings; what one of them emits is told to
 * the others here, until all is quiet.
 *
 * Who tells whom: membership says who is up (ring, records, exchange, search); the ring says who owns what (records) and
 * answers where a key lies (records, the owner); records say who provides a content (exchange); the exchange says what is
 * held (records) and who cannot be dialled (search, which asks that one to dial); search says who wants to be dialled
 * (exchange, which offers).
 */
import { assert, expectDefined } from '../../base/assert.ts'
import { contentKey, type ContentId, type Key, type NodeId } from '../../base/ids.ts'
import { earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import type { Layout } from '../../wire/bittorrent/layout.ts'
import type { ExchangeCommand, ExchangeEvent } from '../exchange/contract.ts'
import { Exchange } from '../exchange/exchange.ts'
import type { ExchangeSettings } from '../exchange/settings.ts'
import type { Channel, Effect, Machine, Now, Result, MachineContext } from '../machine.ts'
import type { Member, MembershipEvent } from '../membership/member.ts'
import { Membership } from '../membership/membership.ts'
import type { MembershipSettings } from '../membership/settings.ts'
import { Chord } from '../ring/chord/chord.ts'
import type { Ring, RingEvent } from '../ring/ring.ts'
import type { RingSettings } from '../ring/settings.ts'
import { Records, type RecordsEvent, type RecordsSettings } from '../records/records.ts'
import type { SearchCommand, SearchEvent } from '../search/contract.ts'
import { Search, type SearchSettings } from '../search/search.ts'
import type { NodeMessage } from './envelope.ts'
import { ownerOfToken, restoredOf, room, type Room, type RoomName } from './room.ts'

export interface NodeSettings {
  membership: MembershipSettings
  ring: RingSettings
  records: RecordsSettings
  exchange: ExchangeSettings
  search: SearchSettings
}

/** Work for io: blocks and files, or the index of names. */
export type NodeCommand = ExchangeCommand | SearchCommand

/** What the owner hears: a room's event under the room's name. */
export type NodeEvent =
  | { room: 'membership'; event: MembershipEvent }
  | { room: 'ring'; event: RingEvent }
  | { room: 'records'; event: RecordsEvent }
  | { room: 'exchange'; event: ExchangeEvent }
  | { room: 'search'; event: SearchEvent }

type NodeEffect = Effect<NodeMessage, NodeCommand, NodeEvent>

/** Rounds of events between rooms that one input may cause. More is a loop of ours. */
const ROUNDS_MAX = 10_000

export class Node implements Machine<NodeMessage, NodeCommand, NodeEvent> {
  readonly self: NodeId
  readonly membership: Membership
  readonly ring: Ring
  readonly records: Records
  readonly exchange: Exchange
  readonly search: Search
  private readonly rooms: ReadonlyArray<Room<NodeEffect, unknown>>
  private effects: NodeEffect[] = []
  /** Ring lookups that the records room waits for: by the ring's request, the records' request. */
  private readonly locating = new Map<number, number>()
  /** Contents that are fetched but not offered: nothing is published about them. */
  private readonly unoffered = new Set<ContentId>()
  /** Searches of the records room that the exchange waits for. */
  private readonly providing = new Map<number, ContentId>()

  constructor(context: MachineContext, options: { name: string; settings: NodeSettings }, now: Now) {
    const { settings } = options
    this.self = context.self.id
    const contextOf = (name: RoomName): MachineContext => ({
      ...context,
      random: context.random.fork(name),
      restored: restoredOf(name, context.restored)
    })
    this.membership = new Membership(
      contextOf('membership'),
      { name: options.name, settings: settings.membership },
      now
    )
    this.ring = new Chord(contextOf('ring'), { settings: settings.ring }, now)
    this.records = new Records(contextOf('records'), { settings: settings.records }, now)
    this.exchange = new Exchange(contextOf('exchange'), { settings: settings.exchange }, now)
    this.search = new Search(contextOf('search'), { settings: settings.search }, now)
    const none = (): never => {
      throw new Error('only the exchange and search have commands')
    }
    this.rooms = [
      room('membership', this.membership, message => ({ kind: 'membership', message }), none),
      room('ring', this.ring, message => ({ kind: 'ring', message }), none),
      room('records', this.records, message => ({ kind: 'records', message }), none),
      room(
        'exchange',
        this.exchange,
        message => ({ kind: 'exchange', message }),
        command => command
      ),
      room(
        'search',
        this.search,
        message => ({ kind: 'search', message }),
        command => command
      )
    ]
  }

  /** Announces itself, and looks for the contacts and for whom it knew before. */
  start(contacts: readonly Contact[], now: Now): void {
    this.membership.start(contacts, now)
    // Whom it knew before it was restarted: no event tells of them until they change.
    for (const member of this.membership.members())
      if (member.id !== this.self && isUp(member)) this.tellUp(member, now)
    this.ring.start(now)
    this.search.start(now)
    this.settle(now)
  }

  /** Any call of a room's own methods, followed by telling its siblings. */
  call<T>(act: (node: this) => T, now: Now): T {
    const answer = act(this)
    this.settle(now)
    return answer
  }

  /** Whether what is held of the content is published. */
  setOffered(content: ContentId, offered: boolean): void {
    if (offered) this.unoffered.delete(content)
    else this.unoffered.add(content)
  }

  /** All of it is here: it is served and published. */
  seed(content: ContentId, layout: Layout, now: Now): void {
    this.exchange.seed(content, layout, now)
    this.records.publish(contentKey(content), 'all', now)
  }

  /** Where a member listens now. */
  contact(id: NodeId): Contact | undefined {
    const member = this.membership.member(id)
    return member && { id, address: member.address }
  }

  receive(from: Contact, via: Channel, message: NodeMessage, now: Now): void {
    expectDefined(
      this.rooms.find(one => one.name === message.kind),
      'a room for every kind'
    ).receive(from, via, message.message, now)
    this.settle(now)
  }

  link(peer: NodeId, state: 'up' | 'down', now: Now, epoch: number): void {
    for (const one of this.rooms) one.link(peer, state, now, epoch)
    this.settle(now)
  }

  done(token: number, result: Result, now: Now): void {
    const owner = ownerOfToken(token)
    expectDefined(
      this.rooms.find(one => one.name === owner.name),
      'a room for every token'
    ).done(owner.token, result, now)
    this.settle(now)
  }

  wake(now: Now): void {
    for (const one of this.rooms) {
      const due = one.nextWake()
      if (due !== undefined && due <= now.mono) one.wake(now)
    }
    this.settle(now)
  }

  nextWake(): Instant | undefined {
    return earliest(...this.rooms.map(one => one.nextWake()))
  }

  drain(): NodeEffect[] {
    const drained = this.effects
    this.effects = []
    return drained
  }

  /** Moves events between the rooms until none is left. */
  private settle(now: Now): void {
    for (let round = 0; ; round++) {
      assert(round < ROUNDS_MAX, 'the rooms come to rest')
      let quiet = true
      for (const one of this.rooms) {
        const { effects, events } = one.drain()
        for (const effect of effects) this.effects.push(effect)
        for (const event of events) {
          quiet = false
          const named = { room: one.name, event } as NodeEvent
          this.tell(named, now)
          this.effects.push({ kind: 'emit', event: named })
        }
      }
      if (quiet) return
    }
  }

  private tell(named: NodeEvent, now: Now): void {
    switch (named.room) {
      case 'membership':
        this.onMembership(named.event, now)
        return
      case 'ring':
        this.onRing(named.event, now)
        return
      case 'records':
        this.onRecords(named.event, now)
        return
      case 'exchange':
        this.onExchange(named.event, now)
        return
      case 'search':
        this.onSearch(named.event)
    }
  }

  private onMembership(event: MembershipEvent, now: Now): void {
    if (event.kind === 'refuted' && event.accusation === 'dead') this.ring.rejoin(now)
    if (event.kind !== 'member' || event.member.id === this.self) return
    const { member } = event
    if (isUp(member)) {
      this.tellUp(member, now)
    } else {
      this.ring.memberDown(member.id, now)
      this.records.memberDown(member.id, now)
      this.exchange.memberDown(member.id, now)
      this.search.memberDown(member.id, now)
    }
  }

  private tellUp({ id, address }: Member, now: Now): void {
    this.ring.memberUp({ id, address }, now)
    this.search.memberUp({ id, address }, now)
  }

  private onRing(event: RingEvent, now: Now): void {
    switch (event.kind) {
      case 'ranges':
        this.records.rangesChanged(event.ranges, now)
        return
      case 'found':
      case 'lost': {
        const request = this.locating.get(event.request)
        if (request === undefined) return
        this.locating.delete(event.request)
        this.records.located(request, event.kind === 'found' ? event : undefined, now)
        return
      }
      case 'joined':
      case 'misbehaved':
    }
  }

  private onRecords(event: RecordsEvent, now: Now): void {
    if (event.kind === 'locate') {
      this.locating.set(this.ring.lookup(event.key, now), event.request)
    } else if (event.kind === 'providers') {
      const content = this.providing.get(event.request)
      if (content === undefined) return
      this.providing.delete(event.request)
      const contacts = event.providers.flatMap(({ provider }) => this.contact(provider) ?? [])
      this.exchange.sources(content, contacts, now)
    }
  }

  private onExchange(event: ExchangeEvent, now: Now): void {
    if (event.kind === 'wanted-providers') {
      this.providing.set(this.records.find(contentKey(event.content), now), event.content)
    } else if (event.kind === 'announce') {
      const key: Key = contentKey(event.content)
      if (event.held === 'none' || this.unoffered.has(event.content)) this.records.withdraw(key, now)
      else this.records.publish(key, event.held, now)
    } else if (event.kind === 'unreachable') {
      this.search.requestPush(event.peer, event.content, now)
    }
  }

  /** Who asks to be dialled counts by its id: where it is, the membership says. */
  private onSearch(event: SearchEvent): void {
    if (event.kind !== 'push') return
    const to = this.contact(event.to.id)
    if (to !== undefined) this.exchange.offer(event.content, to)
  }
}

function isUp(member: Member): boolean {
  return member.state === 'alive' || member.state === 'suspect'
}
