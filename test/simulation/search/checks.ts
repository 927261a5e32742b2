/**
 * Checks of every descriptor at both ends of each link: TTL and hops are valid, no copy is sent twice or back,
 * answers take only the reverse path of their query. It also checks the events for owners.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import { SimFailure } from '../../../src/sim/failure.ts'
import {
  TTL_HARD_MAX,
  type Descriptor,
  type DescriptorId,
  type Pong,
  type QueryHit,
  type SearchMessage
} from '../../../src/wire/gnutella/search.ts'
import type { SearchSettings } from '../../../src/core/search/settings.ts'
import type { SearchChecker, SearchNode, Tap } from './world.ts'

interface Heard {
  readonly from: NodeId
  readonly ttl: number
  readonly hops: number
}

/** The descriptors that one process received and sent, by kind and descriptor id. */
class Memory {
  private readonly heardBy = new Map<string, Heard[]>()
  private readonly sentTo = new Map<string, { ttl: number; span: number }>()
  private readonly hits = new Map<string, { heard: number; sent: number }>()
  private readonly pongsAtMs = new Map<string, number>()
  /** The neighbours from which hits of each holder came. */
  readonly hitsOf = new Map<NodeId, Set<NodeId>>()

  hear(from: NodeId, { kind, id, ttl, hops }: Descriptor): void {
    const key = `${kind} ${id}`
    const list = this.heardBy.get(key)
    if (list === undefined) this.heardBy.set(key, [{ from, ttl, hops }])
    else list.push({ from, ttl, hops })
  }

  hearHit(from: NodeId, hit: QueryHit): void {
    this.copies({ ...hit, hops: hit.hops + 1 }).heard++
    const ways = this.hitsOf.get(hit.holder.id) ?? new Set()
    this.hitsOf.set(hit.holder.id, ways.add(from))
  }

  hearPong({ peer, hops }: Pong, atMs: number): void {
    this.pongsAtMs.set(`${peer.id} ${hops}`, atMs)
  }

  /** When the pong was received that this one repeats. */
  pongAtMs({ peer, hops }: Pong): number | undefined {
    return this.pongsAtMs.get(`${peer.id} ${hops - 1}`)
  }

  /** Records that this hit is sent. Returns how often exactly this hit was sent, including this time. */
  sendHit(hit: QueryHit): number {
    return ++this.copies(hit).sent
  }

  /** How often this hit was received; for a hit of its own, how often the query was received. */
  hitsIn(hit: QueryHit): number {
    return hit.hops === 0 ? this.heard('query', hit.id).length : this.copies(hit).heard
  }

  /** An own query, and the same query when it returns after its origin forgot it, count as two. */
  private copies({ id, signature, hops }: QueryHit): { heard: number; sent: number } {
    const key = `${hops === 0 ? 'own' : 'others'} ${id} ${signature.join()}`
    const copies = this.hits.get(key) ?? { heard: 0, sent: 0 }
    this.hits.set(key, copies)
    return copies
  }

  heard(kind: Descriptor['kind'], id: DescriptorId): readonly Heard[] {
    return this.heardBy.get(`${kind} ${id}`) ?? []
  }

  /**
   * Records that a descriptor is sent. False when it was sent before with at least this TTL and this span; a copy over
   * a shorter path or of a wider round may be sent again.
   */
  send(key: string, { ttl, hops }: Descriptor): boolean {
    const before = this.sentTo.get(key) ?? { ttl: 0, span: 0 }
    const span = ttl + hops
    if (ttl <= before.ttl && span <= before.span) return false
    this.sentTo.set(key, { ttl: Math.max(ttl, before.ttl), span: Math.max(span, before.span) })
    return true
  }
}

/** Clocks drift by up to 1e-3, and a machine measures times with its own clock. */
const CLOCK_SLACK_MS = 10

function violated(property: string, detail: string): never {
  throw new SimFailure({ property, detail })
}

export class WireChecks implements Tap, SearchChecker {
  private readonly memories = new Map<SearchNode, Memory>()
  private readonly names = new Map<NodeId, string>()
  private readonly settings: SearchSettings
  private world: { readonly timeMs: number } = { timeMs: 0 }

  constructor(settings: SearchSettings) {
    this.settings = settings
  }

  started(world: { readonly timeMs: number }, node: SearchNode): void {
    this.world = world
    this.memories.set(node, new Memory())
    this.names.set(node.id, node.name)
  }

  received(node: SearchNode, from: NodeId, message: SearchMessage): void {
    if (!isDescriptor(message)) return
    const memory = this.memories.get(node)!
    memory.hear(from, message)
    if (message.kind === 'query-hit') memory.hearHit(from, message)
    if (message.kind === 'pong') memory.hearPong(message, this.world.timeMs)
  }

  sent(node: SearchNode, to: NodeId, message: SearchMessage): void {
    if (!isDescriptor(message)) return
    const memory = this.memories.get(node)!
    this.checkTtl(node, memory, message)
    this.checkWay(node, memory, to, message)
  }

  private checkTtl(node: SearchNode, memory: Memory, message: Descriptor): void {
    const { kind, id, ttl, hops } = message
    const what = `${node.name} sends a ${kind} with TTL ${ttl} and hops ${hops}`
    if (ttl < 1) violated('ttl', `${what}: its TTL has expired`)
    if (ttl + hops > TTL_HARD_MAX) violated('ttl', `${what}: the sum is over ${TTL_HARD_MAX}`)
    const heard = memory.heard(kind, id)
    if (hops === 0) {
      if (ttl > this.settings.ttl && (kind === 'query' || kind === 'ping')) violated('ttl', `${what}: too far`)
      return
    }
    // A cached pong answers another ping than the one that filled the cache. The hops of a table say whose words it
    // has.
    if (kind === 'pong' || kind === 'route-table') return
    if (!heard.some(one => hops === one.hops + 1 && ttl < one.ttl))
      violated('ttl', `${what}, but received ${heard.map(one => `${one.ttl} and ${one.hops}`).join(', ') || 'none'}`)
  }

  private checkWay(node: SearchNode, memory: Memory, to: NodeId, message: Descriptor): void {
    const { kind, id } = message
    const name = this.names.get(to) ?? to
    const what = `${node.name} sends ${name} a ${kind} ${id.slice(0, 8)}`
    switch (kind) {
      case 'query':
      case 'ping':
        if (cameFrom(memory.heard(kind, id), to, message)) violated('no-echo', `${what}, from which it came`)
        if (!memory.send(`${kind} ${id} ${to}`, message)) violated('once', `${what} again`)
        break
      case 'query-hit':
        if (!memory.heard('query', id).some(({ from }) => from === to))
          violated('way-back', `${what}, without its query`)
        if (memory.sendHit(message) > memory.hitsIn(message)) violated('once', `${what} again`)
        break
      case 'pong':
        if (!memory.heard('ping', id).some(({ from }) => from === to)) violated('way-back', `${what}: no ping`)
        if (message.hops > 0) this.checkFresh(what, memory, message)
        break
      case 'push':
        if (to !== message.holder && memory.hitsOf.get(message.holder)?.has(to) !== true)
          violated('way-back', `${what}, from which no hit of its holder came`)
        break
      case 'route-table':
    }
  }

  private checkFresh(what: string, memory: Memory, pong: Pong): void {
    const oldMs = this.world.timeMs - (memory.pongAtMs(pong) ?? -Infinity)
    if (oldMs > this.settings.pongFreshMs + CLOCK_SLACK_MS) violated('fresh-pongs', `${what} that is ${oldMs} ms old`)
  }
}

/** Whether only the message of `to` can have caused this copy. */
function cameFrom(heard: readonly Heard[], to: NodeId, { ttl, hops }: Descriptor): boolean {
  const causes = heard.filter(one => hops === one.hops + 1 && ttl < one.ttl)
  return causes.length > 0 && causes.every(({ from }) => from === to)
}

function isDescriptor(message: SearchMessage): message is Descriptor {
  return 'id' in message
}

/** No node ever has more neighbours than its limit. */
export class DegreeCheck implements SearchChecker {
  private readonly degreeMax: number

  constructor(degreeMax: number) {
    this.degreeMax = degreeMax
  }

  afterEvent(_world: unknown, node: SearchNode) {
    const { length } = node.machine.neighbours()
    if (length <= this.degreeMax) return undefined
    return { property: 'degree', detail: `${node.name} has ${length} neighbours` }
  }
}
