/**
 * Drives machines by the contract of core/machine.ts, as the daemon does, and checks the contract strictly: a machine
 * is never called while it is drained; every call is followed by a drain; effects are carried out in order; a wake is
 * called at or after its time and must change the next wake; messages keep the limits of their channel. An exception
 * of a machine ends the run.
 */
import { assert, AssertionError } from '../base/assert.ts'
import type { Channel, Effect, Machine, Now, Result } from '../core/machine.ts'
import { decode, encode, type Codec } from '../wire/codec/codec.ts'
import { DATAGRAM_PAYLOAD_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX, type Address, type Contact } from '../wire/common.ts'
import type { EventQueue, SimEvent } from './event-queue.ts'
import type { Write } from './outside/disk.ts'
import { SimFailure } from './failure.ts'
import type { SimHost } from './network/host.ts'
import type { Packet } from './network/link.ts'
import type { SimLinks } from './network/links.ts'
import type { Network } from './network/network.ts'
import type { SimNode } from './node.ts'
import type { Counts } from './settings.ts'
import { digest, digestText, type Trace, type TraceKind } from './trace.ts'

/** Datagrams that wait at a paused process. The kernel drops the rest (212,992 bytes of socket buffer on Linux). */
export const PAUSED_DATAGRAMS_MAX = 180
/** A machine that asks this often for a wake at the same past instant is in a livelock. */
const SAME_WAKES_MAX = 16
/** A machine that was paused may catch up tick by tick, but with at most this many wakes in a row. */
const LATE_WAKES_MAX = 100_000

/** The parts of the world that the driver uses, and the callbacks that it calls. */
export interface DrivenWorld<C, E, N> {
  readonly timeMs: number
  readonly eventQueue: EventQueue
  readonly network: Network
  readonly links: SimLinks
  readonly trace: Trace
  readonly counts: Counts
  hostAt(address: Address): SimNode<N> | undefined
  nodeAt(host: SimHost): SimNode<N>
  nameOf(contact: Contact): string
  note(kind: TraceKind, node: SimHost, peer: SimHost | undefined, value: number, detail: unknown): void
  done(node: SimNode<N>, token: number, result: Result): void
  commanded(node: SimNode<N>, token: number, command: C): void
  emitted(node: SimNode<N>, event: E): void
  /** Called after a machine was called and drained. */
  called(node: SimNode<N>): void
}

export class SimDriver<M, C, E, N extends Machine<M, C, E>> {
  private readonly world: DrivenWorld<C, E, N>
  private readonly codec: Codec<M>
  private readonly encodes: boolean
  /** True while a machine is called or drained. */
  busy = false

  constructor(world: DrivenWorld<C, E, N>, codec: Codec<M>, encodes: boolean) {
    this.world = world
    this.codec = codec
    this.encodes = encodes
  }

  /** Calls the machine with one input. Does nothing when its process is not running. */
  feed(node: SimNode<N>, input: (machine: N, now: Now) => void): void {
    if (node.process !== 'running') return
    assert(!this.busy, 'a machine is not called within a call')
    this.guard(node, () => {
      input(node.machine, node.clock.now(this.world.timeMs))
    })
  }

  /** Runs `call`, which calls or creates the machine, then carries out the effects. */
  guard(node: SimNode<N>, call: () => void): void {
    this.busy = true
    try {
      call()
      for (const effect of node.machine.drain()) this.carryOut(node, effect)
      this.setWake(node)
    } catch (error) {
      if (error instanceof SimFailure) throw error
      const property = error instanceof AssertionError ? 'assert' : 'throw'
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      throw new SimFailure({ property, detail: `${node.name}: ${text}` }, error)
    } finally {
      this.busy = false
    }
    this.world.called(node)
  }

  private carryOut(node: SimNode<N>, effect: Effect<M, C, E>): void {
    switch (effect.kind) {
      case 'send':
        this.send(node, effect.to, effect.channel, effect.message)
        break
      case 'persist':
        this.persist(node, effect)
        break
      case 'command':
        this.world.commanded(node, effect.token, effect.command)
        break
      case 'emit':
        this.world.emitted(node, effect.event)
    }
  }

  private send(node: SimNode<N>, to: Contact, channel: Channel, message: M): void {
    assert(to.id !== node.id, 'a node does not send to itself')
    const { counts, links, trace, timeMs } = this.world
    const body = this.bodyOf(message)
    const length = body.bytes?.length ?? 0
    counts.wireBytes += length
    if (channel === 'stream') {
      assert(length <= STREAM_MESSAGE_BYTES_MAX, `a stream message has ${length} bytes`)
      counts.streamMessages++
      trace.note(timeMs, 'stream-send', node.name, this.world.nameOf(to), body.digest, message)
      links.send(node, to, new StreamMessage(this, body))
    } else {
      assert(length <= DATAGRAM_PAYLOAD_BYTES_MAX, `a datagram has ${length} bytes`)
      counts.datagrams++
      this.sendDatagram(node, to, body)
    }
  }

  private bodyOf(message: M): Body<M> {
    if (!this.encodes) return { message, bytes: undefined, digest: 0 }
    const bytes = encode(this.codec, message)
    return { message, bytes, digest: digest(bytes) }
  }

  private sendDatagram(node: SimNode<N>, to: Contact, body: Body<M>): void {
    const { eventQueue, counts, network, trace, timeMs } = this.world
    const target = this.world.hostAt(to.address)
    if (target?.id !== to.id || network.isCut(node.index, target.index) || network.loses()) {
      counts.datagramsLost++
      trace.note(timeMs, 'lost', node.name, this.world.nameOf(to), body.digest, body.message)
      return
    }
    trace.note(timeMs, 'send', node.name, target.name, body.digest, body.message)
    for (let copies = network.doubles() ? 2 : 1; copies > 0; copies--) {
      const arrival = timeMs + network.delayMs(node.index, target.index)
      eventQueue.put(arrival, new DatagramArrival(this, node.contact, target, body))
    }
  }

  private persist(node: SimNode<N>, effect: { token: number; key: string; value?: Uint8Array | undefined }): void {
    this.world.counts.persists++
    const { token, key, value } = effect
    const what = digestText(key) ^ (value === undefined ? 0 : digest(value))
    this.world.note('persist', node, undefined, token ^ what, key)
    const { write, endMs } = node.disk.begin(this.world.timeMs, { token, key, value })
    this.world.eventQueue.put(endMs, new Synced(this, node, write))
  }

  /** Called at the end of a write. The process may be paused by then. */
  synced(node: SimNode<N>, write: Write): void {
    if (node.disk.end(write)) {
      this.world.done(node, write.token, write.refused ? { ok: false, reason: 'disk-full' } : { ok: true })
    }
  }

  private setWake(node: SimNode<N>): void {
    const due = node.machine.nextWake()
    if (due === undefined) return
    assert(Number.isFinite(due), `a wake is at an instant, not at ${due}`)
    const dueMs = Math.max(node.clock.worldMsOf(due), this.world.timeMs)
    if (dueMs >= node.wakeAtMs) return
    node.wakeAtMs = dueMs
    const lateMs = dueMs === this.world.timeMs ? 0 : node.clock.lateMs()
    this.world.eventQueue.put(dueMs + lateMs, new Wake(this, node, dueMs), true)
  }

  /** Called when a timer of the node fires. */
  wake(node: SimNode<N>): void {
    node.wakeAtMs = Infinity
    const { machine } = node
    const due = machine.nextWake()
    const now = node.clock.now(this.world.timeMs)
    // The machine moved its next wake to a later time after the timer was set.
    if (due === undefined || due > now.mono + 1e-3) {
      this.setWake(node)
      return
    }
    node.clock.reach(due)
    this.world.counts.wakes++
    this.world.trace.note(this.world.timeMs, 'wake', node.name, '', 0, undefined)
    this.feed(node, (its, later) => {
      its.wake(later)
    })
    this.checkProgress(node, due)
  }

  private checkProgress(node: SimNode<N>, before: number): void {
    const due = node.running?.nextWake()
    if (due === undefined || due > node.clock.now(this.world.timeMs).mono) {
      node.lateWakes = 0
      node.sameWakes = 0
      return
    }
    node.lateWakes++
    node.sameWakes = due === before ? node.sameWakes + 1 : 0
    if (node.sameWakes < SAME_WAKES_MAX && node.lateWakes < LATE_WAKES_MAX) return
    const detail = `${node.name} keeps asking for a wake at ${due}, which is not in the future`
    throw new SimFailure({ property: 'livelock', detail })
  }

  /** Called when a message arrives. */
  deliver(node: SimNode<N>, from: Contact, via: Channel, body: Body<M>): void {
    const { world } = this
    const kind = via === 'stream' ? 'stream-receive' : 'receive'
    world.trace.note(world.timeMs, kind, node.name, world.nameOf(from), body.digest, body.message)
    const message = body.bytes === undefined ? body.message : decode(this.codec, body.bytes)
    this.feed(node, (machine, now) => {
      machine.receive(from, via, message, now)
    })
  }

  deliverAt(host: SimHost, from: Contact, body: Body<M>): void {
    this.deliver(this.world.nodeAt(host), from, 'stream', body)
  }
}

/** A message in transit. `bytes` is undefined when the world does not encode. */
interface Body<M> {
  readonly message: M
  readonly bytes: Uint8Array | undefined
  readonly digest: number
}

class StreamMessage<M, C, E, N extends Machine<M, C, E>> implements Packet {
  private readonly driver: SimDriver<M, C, E, N>
  private readonly body: Body<M>

  constructor(driver: SimDriver<M, C, E, N>, body: Body<M>) {
    this.driver = driver
    this.body = body
  }

  arrive(at: SimHost, from: Contact): void {
    this.driver.deliverAt(at, from, this.body)
  }
}

class DatagramArrival<M, C, E, N extends Machine<M, C, E>> implements SimEvent {
  private readonly driver: SimDriver<M, C, E, N>
  private readonly from: Contact
  private readonly node: SimNode<N>
  private readonly address: Address
  private readonly body: Body<M>

  constructor(driver: SimDriver<M, C, E, N>, from: Contact, node: SimNode<N>, body: Body<M>) {
    this.driver = driver
    this.from = from
    this.node = node
    this.address = node.address
    this.body = body
  }

  happen(): void {
    const { node } = this
    if (node.process === 'off' || node.address !== this.address) return
    if (node.process === 'paused' && node.backlog.length >= PAUSED_DATAGRAMS_MAX) return
    if (!node.holds(this)) this.driver.deliver(node, this.from, 'datagram', this.body)
  }
}

class Wake<M, C, E, N extends Machine<M, C, E>> implements SimEvent {
  private readonly driver: SimDriver<M, C, E, N>
  private readonly node: SimNode<N>
  private readonly boot: number
  private readonly dueMs: number

  constructor(driver: SimDriver<M, C, E, N>, node: SimNode<N>, dueMs: number) {
    this.driver = driver
    this.node = node
    this.boot = node.boots
    this.dueMs = dueMs
  }

  happen(): void {
    const { node } = this
    // An earlier wake has replaced this one.
    if (node.boots !== this.boot || node.process === 'off' || node.wakeAtMs !== this.dueMs) return
    if (!node.holds(this)) this.driver.wake(node)
  }
}

class Synced<M, C, E, N extends Machine<M, C, E>> implements SimEvent {
  private readonly driver: SimDriver<M, C, E, N>
  private readonly node: SimNode<N>
  private readonly write: Write

  constructor(driver: SimDriver<M, C, E, N>, node: SimNode<N>, write: Write) {
    this.driver = driver
    this.node = node
    this.write = write
  }

  happen(): void {
    this.driver.synced(this.node, this.write)
  }
}
