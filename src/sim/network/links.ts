/**
 * Streams between hosts: ordered, lossless between up and down, opened by the first send. A pair of hosts has one
 * link, no matter which of them dialled. Modelled: a handshake of one and a half round trips, which a partition can
 * block; simultaneous dials; a refusal where no process listens; a reset when a process dies; silence when a host
 * dies or a path is cut (each end then gives up on its own after `silenceTimeoutMs`); half-open links; retransmission
 * as delay.
 *
 * Not modelled: back-pressure (a stream accepts any amount), and the bytes of the handshake.
 */
import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Random } from '../../base/random.ts'
import type { Address, Contact } from '../../wire/common.ts'
import type { EventQueue, SimEvent } from '../event-queue.ts'
import type { SimHost } from './host.ts'
import { Connection, Dial, type End, type Lane, type Packet } from './link.ts'
import type { Network } from './network.ts'

export interface LinkSettings {
  /** An unanswered dial fails after this. */
  dialTimeoutMs: number
  /** An end gives up a link over a cut path or to a dead host after 1 to 1.25 times this. */
  silenceTimeoutMs: number
}

export const LINK_DEFAULTS: LinkSettings = { dialTimeoutMs: 5_000, silenceTimeoutMs: 10_000 }

/** Messages that wait for one dial. A machine that sends more to an unreachable peer has a bug. */
export const DIAL_QUEUE_MAX = 1_024
/** Inputs that wait at a paused process. When there are more, its links break. */
export const STREAM_BACKLOG_MAX = 8_192
/** The delay between attempts of one dial; TCP's first retransmission of a SYN is after 1 s. */
const DIAL_RETRY_MS = 1_000

export interface LinkWorld {
  readonly timeMs: number
  readonly eventQueue: EventQueue
  readonly network: Network
  hostAt(address: Address): SimHost | undefined
  /** Notifies the process at `host` now. */
  linkChanged(host: SimHost, peer: NodeId, state: 'up' | 'down'): void
}

/** The state of a host's link to a peer. */
type Link = { kind: 'dialing'; dial: Dial } | { kind: 'up'; end: End }

export class SimLinks {
  private readonly world: LinkWorld
  private readonly settings: LinkSettings
  private readonly random: Random
  private readonly byHost: Array<Map<NodeId, Link>> = []
  private readonly connections = new Set<Connection>()
  /** The number of links that came up. Both ends of a link count as one. */
  opened = 0

  constructor(world: LinkWorld, settings: LinkSettings, random: Random) {
    this.world = world
    this.settings = settings
    this.random = random
  }

  private of(host: SimHost): Map<NodeId, Link> {
    return (this.byHost[host.index] ??= new Map())
  }

  isUp(host: SimHost, peer: NodeId): boolean {
    return this.of(host).get(peer)?.kind === 'up'
  }

  /** Peers whose link is up at this host, in the order in which they came up. */
  peersOf(host: SimHost): NodeId[] {
    return [...this.of(host)].filter(([, link]) => link.kind === 'up').map(([peer]) => peer)
  }

  /** Sends a packet. Opens a link when there is none. */
  send(host: SimHost, to: Contact, packet: Packet): void {
    const link = this.of(host).get(to.id)
    if (link?.kind === 'up') this.put(link.end, packet, 'message', 0)
    else {
      const dial = link?.dial ?? this.dial(host, to)
      assert(dial.queue.length < DIAL_QUEUE_MAX, `at most ${DIAL_QUEUE_MAX} messages wait for a dial (${host.name})`)
      dial.queue.push(packet)
    }
  }

  /** Sends a bulk packet `delayMs` from now over a link that is up. Returns false when there is none. */
  sendBulk(host: SimHost, peer: NodeId, packet: Packet, delayMs: number): boolean {
    const link = this.of(host).get(peer)
    if (link?.kind !== 'up') return false
    this.put(link.end, packet, 'bulk', delayMs)
    return true
  }

  private put(end: End, packet: Packet, lane: Lane, delayMs: number): void {
    const { network, eventQueue, timeMs } = this.world
    const far = end.other
    if (end.stalled.length > 0 || network.isCut(end.host.index, far.host.index)) {
      end.stalled.push({ packet, lane })
      return
    }
    const arrival = timeMs + delayMs + network.streamDelayMs(end.host.index, far.host.index)
    end.lastArrivalMs[lane] = Math.max(end.lastArrivalMs[lane], arrival)
    eventQueue.put(end.lastArrivalMs[lane], new Arrival(this, far, packet))
  }

  /** Whether an arriving packet is accepted. If not, the sender's end is reset. */
  takes(end: End): boolean {
    if (end.alive) return true
    this.reset(end.other, end.host.powered ? 'refused' : 'silent')
    return false
  }

  /** Whether the backlog of a paused process is full. The link breaks when that first happens. */
  overflows(end: End): boolean {
    if (end.host.process !== 'paused') return false
    if (end.full) return true
    if (end.host.backlog.length < STREAM_BACKLOG_MAX) return false
    end.full = true
    this.broken(end)
    return true
  }

  // The handshake.

  private dial(host: SimHost, to: Contact): Dial {
    const dial = new Dial(host, to)
    this.of(host).set(to.id, { kind: 'dialing', dial })
    const giveUp = (): void => {
      this.fail(dial)
    }
    this.later(this.settings.dialTimeoutMs, giveUp, true)
    this.knock(dial)
    return dial
  }

  private isOpen(dial: Dial): boolean {
    if (dial.boot !== dial.host.boots || dial.host.process === 'off') return false
    const link = this.of(dial.host).get(dial.to.id)
    return link?.kind === 'dialing' && link.dial === dial
  }

  private fail(dial: Dial): void {
    if (!this.isOpen(dial)) return
    if (this.waits(dial.host, () => this.fail(dial))) return
    this.of(dial.host).delete(dial.to.id)
    this.world.linkChanged(dial.host, dial.to.id, 'down')
  }

  private knock(dial: Dial): void {
    if (!this.isOpen(dial)) return
    const target = this.world.hostAt(dial.to.address)
    const from = dial.host.index
    const { network } = this.world
    if (target?.powered !== true || network.isShielded(target.index) || network.isCut(from, target.index))
      this.knockAgain(dial)
    else
      this.later(this.tripMs(from, target.index) * 3, () => {
        this.answer(dial, target)
      })
  }

  private knockAgain(dial: Dial): void {
    this.later(DIAL_RETRY_MS, () => {
      this.knock(dial)
    })
  }

  private answer(dial: Dial, target: SimHost): void {
    if (!this.isOpen(dial)) return
    if (this.waits(target, () => this.answer(dial, target))) return
    const from = dial.host.index
    if (!target.powered || this.world.network.isCut(target.index, from)) this.knockAgain(dial)
    else if (target.process === 'off' || target.id !== dial.to.id) {
      this.later(this.tripMs(target.index, from), () => {
        this.fail(dial)
      })
    } else this.accept(dial, target)
  }

  /** When both hosts dial each other, the first accepted dial replaces the other one. */
  private accept(dial: Dial, target: SimHost): void {
    const connection = new Connection(dial, target)
    const { near, far } = connection
    const existing = this.of(target).get(dial.host.id)
    if (existing?.kind === 'up') this.down(existing.end)
    this.connections.add(connection)
    this.opened++
    dial.end = far
    const heardMs = this.tripMs(target.index, dial.host.index)
    near.lastArrivalMs.message = near.lastArrivalMs.bulk = this.world.timeMs + heardMs
    this.later(heardMs, () => {
      this.accepted(dial, far)
    })
    this.up(near, existing?.kind === 'dialing' ? existing.dial.queue : [])
  }

  private accepted(dial: Dial, end: End): void {
    if (this.waits(dial.host, () => this.accepted(dial, end))) return
    if (this.isOpen(dial) && end.state === 'new') this.up(end, dial.queue)
    else {
      this.drop(end)
      this.reset(end.other, 'refused')
      this.fail(dial)
    }
  }

  private up(end: End, queue: readonly Packet[]): void {
    end.state = 'up'
    this.of(end.host).set(end.peer.id, { kind: 'up', end })
    // Queued packets are sent before those that the machine sends because the link is up.
    for (const packet of queue) this.put(end, packet, 'message', 0)
    this.pathChanged(end.connection)
    this.world.linkChanged(end.host, end.peer.id, 'up')
  }

  // The end.

  /** Breaks the link at `end`: after one trip of a refusal, or after the silence timeout. */
  private reset(end: End, how: 'refused' | 'silent'): void {
    if (end.state === 'down') return
    const far = end.other
    const { network } = this.world
    const silent = how === 'silent' || network.isCut(far.host.index, end.host.index)
    const delayMs = silent ? this.silenceMs() : this.tripMs(far.host.index, end.host.index)
    this.later(delayMs, () => {
      this.broken(end)
    })
  }

  private broken(end: End): void {
    if (this.waits(end.host, () => this.broken(end))) return
    if (end.state === 'new') this.drop(end)
    else if (end.alive) this.down(end)
  }

  private down(end: End): void {
    this.drop(end)
    this.of(end.host).delete(end.peer.id)
    this.reset(end.other, 'refused')
    this.world.linkChanged(end.host, end.peer.id, 'down')
  }

  private drop(end: End): void {
    end.state = 'down'
    end.stalled = []
    if (end.other.state === 'down') this.connections.delete(end.connection)
  }

  /** The process has ended. Its links go down; peers get a reset, or a silence when the whole host is down. */
  processEnded(host: SimHost): void {
    for (const link of this.of(host).values()) {
      const end = link.kind === 'up' ? link.end : link.dial.end
      if (end === undefined) continue
      this.drop(end)
      this.reset(end.other, host.powered ? 'refused' : 'silent')
    }
    this.of(host).clear()
  }

  /** Resets both ends of a link, as a middlebox does that lost its state. Returns false when there is no link. */
  break(host: SimHost, peer: NodeId): boolean {
    const link = this.of(host).get(peer)
    if (link?.kind !== 'up') return false
    const { near, far } = link.end.connection
    this.later(0, () => {
      this.broken(near)
    })
    this.later(0, () => {
      this.broken(far)
    })
    return true
  }

  /** Called when paths were cut or healed. */
  pathsChanged(): void {
    for (const connection of this.connections) this.pathChanged(connection)
  }

  private pathChanged(connection: Connection): void {
    const { near, far } = connection
    const { network } = this.world
    const cutOut = network.isCut(near.host.index, far.host.index)
    const cutIn = network.isCut(far.host.index, near.host.index)
    if (!cutOut) this.flush(near)
    if (!cutIn) this.flush(far)
    const blocked = cutOut || cutIn
    if (blocked === connection.blocked) return
    connection.blocked = blocked
    const epoch = ++connection.epoch
    if (!blocked) return
    for (const end of [near, far]) {
      this.later(this.silenceMs(), () => {
        if (connection.epoch === epoch) this.broken(end)
      })
    }
  }

  private flush(end: End): void {
    const stalled = end.stalled
    end.stalled = []
    for (const { packet, lane } of stalled) this.put(end, packet, lane, 0)
  }

  /** Whether the process is paused. If so, `again` runs when it is resumed. */
  private waits(host: SimHost, again: () => void): boolean {
    return host.holds({ happen: again })
  }

  private silenceMs(): number {
    return this.settings.silenceTimeoutMs * this.random.range(1, 1.25)
  }

  private tripMs(from: number, to: number): number {
    return this.world.network.streamDelayMs(from, to)
  }

  private later(delayMs: number, happen: () => void, idle = false): void {
    this.world.eventQueue.put(this.world.timeMs + delayMs, { happen }, idle)
  }
}

class Arrival implements SimEvent {
  private readonly links: SimLinks
  private readonly end: End
  private readonly packet: Packet

  constructor(links: SimLinks, end: End, packet: Packet) {
    this.links = links
    this.end = end
    this.packet = packet
  }

  happen(): void {
    if (this.links.overflows(this.end) || this.end.host.holds(this)) return
    if (this.links.takes(this.end)) this.packet.arrive(this.end.host, this.end.peer)
  }
}
