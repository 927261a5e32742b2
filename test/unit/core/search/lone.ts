/** One search machine. The test plays its neighbours and its index. */
import { nodeId, overlayId, type ContentId, type NodeId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import type { Channel, Effect, Now, Verifier } from '../../../../src/core/machine.ts'
import type { SearchCommand, SearchEvent, SearchId, SearchOptions } from '../../../../src/core/search/contract.ts'
import { Search, type SearchSettings } from '../../../../src/core/search/search.ts'
import { Notary } from '../../../../src/sim/outside/signing.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import { pageOf } from '../../wire/gnutella/pages.ts'
import {
  HIT_DOMAIN,
  hitClaim,
  type DescriptorId,
  type Query,
  type QueryHit,
  type SearchMessage,
  type SearchQuery,
  type SearchResult
} from '../../../../src/wire/gnutella/search.ts'

export const at = (ms: number): Now => ({ mono: instant(ms), wall: wallMs(0) })
export const notary = new Notary(new Uint8Array(32), overlayId(new Uint8Array(32)))

export function contacts(count: number, seed = 'contacts'): Contact[] {
  const random = Random.from(seed)
  return Array.from({ length: count }, (_, i) => ({
    id: nodeId(random.bytes(32)),
    address: { host: `10.0.${i >> 8}.${i & 255}`, port: 4_000 }
  }))
}

export const [me, ...others] = contacts(40) as [Contact, ...Contact[]]
export const content = (digit: string): ContentId => digit.repeat(64) as ContentId
export const descriptor = (number: number): DescriptorId => number.toString(16).padStart(32, '0') as DescriptorId
export const words = (text: string): SearchQuery => ({
  text,
  content: undefined,
  filter: { type: undefined, minBytes: undefined, maxBytes: undefined }
})
export const result = (digit: string, name = 'a share'): SearchResult => ({
  content: content(digit),
  name,
  path: undefined,
  bytes: 1
})

export function queryOf(fields: Partial<Query> = {}): Query {
  return {
    kind: 'query',
    id: descriptor(1),
    ttl: 7,
    hops: 0,
    query: words('whale'),
    trace: false,
    asked: [],
    ...fields
  }
}

export function hitOf(
  holder: Contact,
  { results = [result('a')], ...fields }: Partial<QueryHit> & { results?: SearchResult[] } = {}
): QueryHit {
  const id = fields.id ?? descriptor(1)
  const page = fields.page ?? pageOf(results)
  const signature = notary.signer(holder.id).sign(HIT_DOMAIN, hitClaim(id, { holder, page }))
  return { kind: 'query-hit', id, ttl: 7, hops: 0, holder, page, signature, trace: undefined, ...fields }
}

type Kind = SearchMessage['kind']
type Of<K extends Kind> = Extract<SearchMessage, { kind: K }>
type EventOf<K extends SearchEvent['kind']> = Extract<SearchEvent, { kind: K }>

export class Lone {
  readonly search: Search
  readonly sent: Array<{ to: Contact; channel: Channel; message: SearchMessage }> = []
  readonly events: SearchEvent[] = []
  readonly commands: Array<{ token: number; command: SearchCommand }> = []
  verified = 0
  ms = 0

  constructor(settings: Partial<SearchSettings> = {}) {
    const verifier: Verifier = {
      verify: (...args) => {
        this.verified++
        return notary.verify(...args)
      }
    }
    const machine = { self: me, random: Random.from(1), signer: notary.signer(me.id), verifier, restored: new Map() }
    this.search = new Search(machine, { settings }, at(0))
  }

  do<T>(act: (search: Search, now: Now) => T): T {
    const returned = act(this.search, at(this.ms))
    for (const effect of this.search.drain()) this.keep(effect)
    return returned
  }

  hear(from: Contact, ...messages: readonly SearchMessage[]): void {
    for (const message of messages) {
      this.do((search, now) => {
        search.receive(from, 'stream', message, now)
      })
    }
  }

  hearDatagram(from: Contact, message: SearchMessage): void {
    this.do((search, now) => {
      search.receive(from, 'datagram', message, now)
    })
  }

  up(...members: readonly Contact[]): void {
    for (const member of members) {
      this.do((search, now) => {
        search.memberUp(member, now)
      })
    }
  }

  start(): void {
    this.do((search, now) => {
      search.start(now)
    })
  }

  /** Advances the time to `ms`, and wakes the machine whenever it asks to. */
  until(ms: number): void {
    for (let next = this.search.nextWake(); next !== undefined && next <= ms; next = this.search.nextWake()) {
      this.ms = Math.max(this.ms, next)
      this.do((search, now) => {
        search.wake(now)
      })
    }
    this.ms = ms
  }

  /** The index answers all its open queries with `results`. */
  match(results: readonly SearchResult[] = []): void {
    for (const { token } of this.commands.splice(0)) {
      this.do((search, now) => {
        search.done(token, { ok: true, value: results }, now)
      })
    }
  }

  ask(query: SearchQuery = words('whale'), options: Partial<SearchOptions> = {}): SearchId {
    return this.do((search, now) =>
      search.search(query, { limit: 20, timeoutMs: 30_000, trace: false, ...options }, now)
    )
  }

  /** The channel of each sent message of a kind. */
  channels(kind: Kind): Channel[] {
    return this.sent.flatMap(({ channel, message }) => (message.kind === kind ? [channel] : []))
  }

  /** The sent messages of a kind, to one contact or to all. */
  all<K extends Kind>(kind: K, to?: Contact): Array<Of<K>> {
    const wanted = this.sent.filter(({ message, to: whom }) => message.kind === kind && (to ?? whom).id === whom.id)
    return wanted.map(({ message }) => message as Of<K>)
  }

  /** The receivers of the messages of a kind, in order. */
  to(kind: Kind): NodeId[] {
    return this.sent.filter(({ message }) => message.kind === kind).map(({ to }) => to.id)
  }

  /** The emitted events of a kind. */
  emitted<K extends SearchEvent['kind']>(kind: K): Array<EventOf<K>> {
    return this.events.filter(event => event.kind === kind) as Array<EventOf<K>>
  }

  private keep(effect: Effect<SearchMessage, SearchCommand, SearchEvent>): void {
    if (effect.kind === 'send') this.sent.push({ to: effect.to, channel: effect.channel, message: effect.message })
    else if (effect.kind === 'emit') this.events.push(effect.event)
    else if (effect.kind === 'command') this.commands.push({ token: effect.token, command: effect.command })
  }
}

/** A node with these neighbours, each of degree six. Its messages and events so far are discarded. */
export function among(neighbours: readonly Contact[], settings: Partial<SearchSettings> = {}): Lone {
  const lone = new Lone(settings)
  for (const neighbour of neighbours) lone.hear(neighbour, { kind: 'connect', degree: 6 })
  lone.up(...neighbours)
  lone.sent.length = 0
  lone.events.length = 0
  return lone
}

export const idsOf = (contacts: readonly Contact[]): NodeId[] => contacts.map(({ id }) => id)
