/**
 * A simulated environment for machines: virtual time, a network, disks, and processes that start, crash and stop. It
 * drives machines by the contract of core/machine.ts, as the daemon does, but checks the contract more strictly.
 *
 * All randomness comes from one seed, and every part has a generator of its own: the same seed and the same calls
 * give the same trace. README.md says what is modelled.
 */
import { assert, expectDefined } from '../base/assert.ts'
import { sha256, utf8 } from '../base/bytes.ts'
import { nodeId, overlayId, type NodeId } from '../base/ids.ts'
import { Random } from '../base/random.ts'
import { LinkEpochs } from '../core/link-epochs.ts'
import type { Machine, Now, Result } from '../core/machine.ts'
import { addressText, type Address, type Contact } from '../wire/common.ts'
import type { SimEvent } from './event-queue.ts'
import { Clock, CLOCK_DEFAULTS, type ClockSettings } from './outside/clock.ts'
import { Disk, DISK_DEFAULTS, type DiskSettings } from './outside/disk.ts'
import { SimDriver, type DrivenWorld } from './driver.ts'
import { SimFailure, type Checker, type Violation } from './failure.ts'
import type { SimHost } from './network/host.ts'
import type { Packet } from './network/link.ts'
import { SimLinks, LINK_DEFAULTS } from './network/links.ts'
import { Network, NETWORK_DEFAULTS } from './network/network.ts'
import { SimNode } from './node.ts'
import type { Birth, Counts, OutsideOf, SettingsOf } from './settings.ts'
import { Notary } from './outside/signing.ts'
import { Timeline } from './timeline.ts'
import { digestText, Trace, type TraceKind } from './trace.ts'

export type { Birth } from './settings.ts'
export type Outside<M, C, E, N extends Machine<M, C, E>> = OutsideOf<World<M, C, E, N>, N, C>
export type WorldChecker<M, C, E, N extends Machine<M, C, E>> = Checker<World<M, C, E, N>, SimNode<N>, E>
export type WorldSettings<M, C, E, N extends Machine<M, C, E>> = SettingsOf<World<M, C, E, N>, M, C, E, N>

export class World<M, C, E, N extends Machine<M, C, E>> extends Timeline implements DrivenWorld<C, E, N> {
  readonly seed: number | string
  /** The generator for the scenario's own choices. */
  readonly random: Random
  readonly trace: Trace
  readonly network: Network
  readonly links: SimLinks
  readonly nodes: Array<SimNode<N>> = []
  readonly notary: Notary
  readonly counts: Counts = {
    datagrams: 0,
    datagramsLost: 0,
    streamMessages: 0,
    wireBytes: 0,
    persists: 0,
    wakes: 0,
    crashes: 0
  }
  /** The injected faults so far, as texts for the report. */
  readonly faults: string[] = []
  /** The number of calls of `calm`. A fault plan is cancelled when this changes. */
  calms = 0
  private readonly settings: WorldSettings<M, C, E, N>
  private readonly checkers: ReadonlyArray<WorldChecker<M, C, E, N>>
  private readonly clockSettings: ClockSettings
  private readonly diskSettings: DiskSettings
  private readonly nodeRandom: Random
  private readonly byAddress = new Map<string, SimNode<N>>()
  private readonly byId = new Map<NodeId, SimNode<N>>()
  private addresses = 0
  private readonly driver: SimDriver<M, C, E, N>

  constructor(settings: WorldSettings<M, C, E, N>) {
    super()
    this.settings = settings
    this.checkers = settings.checkers ?? []
    this.driver = new SimDriver<M, C, E, N>(this, settings.codec, settings.encode ?? true)
    this.seed = settings.seed
    const root = Random.from(`shoal/sim/${settings.seed}`)
    this.random = root.fork('scenario')
    this.nodeRandom = root.fork('nodes')
    this.trace = new Trace(settings.traceLines ?? 80)
    this.clockSettings = { ...CLOCK_DEFAULTS, ...settings.clock }
    this.diskSettings = { ...DISK_DEFAULTS, ...settings.disk }
    this.network = new Network({ ...NETWORK_DEFAULTS, ...settings.network }, root.fork('network'))
    this.links = new SimLinks(this, { ...LINK_DEFAULTS, ...settings.links }, root.fork('links'))
    this.network.onPathsChanged = () => {
      this.links.pathsChanged()
    }
    this.notary = new Notary(root.fork('notary').bytes(32), settings.overlay ?? overlayId(sha256(utf8('overlay'))))
    for (const checker of this.checkers) this.watch(checker)
  }

  // Nodes and their processes.

  /** Adds a node with a host and a disk. Its process is not started. */
  add(): SimNode<N> {
    const index = this.nodes.length
    this.network.grow(index + 1)
    const random = this.nodeRandom.fork(`node ${index}`)
    const node = new SimNode<N>(
      { index, id: nodeId(random.bytes(32)), address: this.newAddress() },
      {
        clock: new Clock(this.clockSettings, random.fork('clock')),
        disk: new Disk(this.diskSettings, random.fork('disk')),
        random: random.fork('machine')
      }
    )
    node.uplinkBytesPerSecond = this.network.settings.uplinkBytesPerSecond
    this.nodes.push(node)
    this.byId.set(node.id, node)
    this.byAddress.set(addressText(node.address), node)
    return node
  }

  /** Adds `count` nodes and starts them in order at this instant. */
  startMany(count: number): Array<SimNode<N>> {
    return Array.from({ length: count }, () => {
      const node = this.add()
      this.start(node)
      return node
    })
  }

  private newAddress(): Address {
    const number = ++this.addresses
    return { host: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, port: 4_000 }
  }

  /**
   * Starts a process with the contents of its disk. `move` gives the host another address first. No effect if it
   * runs.
   */
  start(node: SimNode<N>, options: { move?: boolean } = {}): void {
    this.act(() => {
      if (node.process !== 'off') return
      if (options.move === true) this.move(node)
      node.process = 'running'
      node.powered = true
      node.boots++
      node.epochs = new LinkEpochs()
      node.clock.boot(this.timeMs)
      this.note('start', node, undefined, digestText(node.id) + node.boots, addressText(node.address))
      this.settings.outside?.started?.(this, node)
      for (const checker of this.checkers) checker.started?.(this, node)
      this.driver.guard(node, () => {
        node.running = this.settings.create(this.birth(node), node)
      })
    })
  }

  private move(node: SimNode<N>): void {
    this.byAddress.delete(addressText(node.address))
    node.contact = { id: node.id, address: this.newAddress() }
    this.byAddress.set(addressText(node.address), node)
  }

  private birth(node: SimNode<N>): Birth {
    return {
      self: node.contact,
      random: node.random.fork(`boot ${node.boots}`),
      signer: this.notary.signer(node.id),
      verifier: this.notary,
      restored: node.disk.contents(),
      now: node.clock.now(this.timeMs),
      restarts: node.boots - 1
    }
  }

  /** The process dies. `host`: the whole computer dies, so its peers get no reset. */
  crash(node: SimNode<N>, options: { host?: boolean } = {}): void {
    this.act(() => {
      if (node.process === 'off') return
      this.counts.crashes++
      this.note('crash', node, undefined, options.host === true ? 1 : 0, undefined)
      node.powered = options.host !== true
      node.disk.crash()
      this.ended(node)
    })
  }

  /** The process exits normally: its pending writes complete. */
  stop(node: SimNode<N>): void {
    this.act(() => {
      if (node.process === 'off') return
      this.note('stop', node, undefined, 0, undefined)
      node.disk.flush()
      this.ended(node)
    })
  }

  private ended(node: SimNode<N>): void {
    node.process = 'off'
    node.running = undefined
    node.backlog = []
    node.wakeAtMs = Infinity
    node.uplinkFreeMs = 0
    this.links.processEnded(node)
    this.settings.outside?.ended?.(this, node)
    for (const checker of this.checkers) checker.ended?.(this, node)
  }

  /** SIGSTOP: inputs wait, timers fire late. */
  pause(node: SimNode<N>): void {
    this.act(() => {
      if (node.process !== 'running') return
      this.note('pause', node, undefined, 0, undefined)
      node.process = 'paused'
    })
  }

  /** SIGCONT: waiting inputs are delivered now, in order. */
  resume(node: SimNode<N>): void {
    this.act(() => {
      if (node.process !== 'paused') return
      this.note('resume', node, undefined, node.backlog.length, undefined)
      node.process = 'running'
      for (const what of node.backlog.splice(0)) what.happen()
    })
  }

  /** The node with this index. */
  node(index: number): SimNode<N> {
    return expectDefined(this.nodes[index], `there is a node ${index}`)
  }

  nodeAt(host: SimHost): SimNode<N> {
    return this.node(host.index)
  }

  nodeOf(id: NodeId): SimNode<N> | undefined {
    return this.byId.get(id)
  }

  hostAt(address: Address): SimNode<N> | undefined {
    return this.byAddress.get(addressText(address))
  }

  // Inputs.

  /** Calls the node's machine, as its owner does, and drains it. Within a call of a machine: after that call. */
  call(node: SimNode<N>, input: (machine: N, now: Now) => void): void {
    const boot = node.boots
    const what: SimEvent = {
      happen: () => {
        if (node.boots !== boot || node.holds(what)) return
        this.note('call', node, undefined, 0, undefined)
        this.driver.feed(node, input)
      }
    }
    this.act(() => {
      what.happen()
    })
  }

  /** Answers a command. */
  done(node: SimNode<N>, token: number, result: Result): void {
    const boot = node.boots
    const what: SimEvent = {
      happen: () => {
        if (node.boots === boot && !node.holds(what)) this.finish(node, token, result)
      }
    }
    this.act(() => {
      what.happen()
    })
  }

  private finish(node: SimNode<N>, token: number, result: Result): void {
    this.note('done', node, undefined, result.ok ? token : -token, result)
    this.driver.feed(node, (machine, now) => {
      machine.done(token, result, now)
    })
  }

  /** A timer of the node's process. It is delayed while the process is paused and cancelled when the process ends. */
  after(delayMs: number, node: SimNode<N>, happen: () => void): void {
    const boot = node.boots
    const what: SimEvent = {
      happen: () => {
        if (node.process !== 'off' && node.boots === boot && !node.holds(what)) happen()
      }
    }
    this.eventQueue.put(this.timeMs + delayMs, what)
  }

  /**
   * Sends bulk bytes over the link between two nodes, after all bulk that the sender sent before (its uplink has one
   * rate). `arrived` runs at the receiver. Returns false and sends nothing when the link is not up. Bytes in transit
   * are lost when the link breaks.
   */
  transfer(from: SimNode<N>, to: NodeId, lengthBytes: number, arrived: (at: SimNode<N>) => void): boolean {
    if (!this.links.isUp(from, to)) return false
    const begins = Math.max(this.timeMs, from.uplinkFreeMs)
    from.uplinkFreeMs = begins + (lengthBytes / from.uplinkBytesPerSecond) * 1_000
    this.counts.wireBytes += lengthBytes
    const packet: Packet = {
      arrive: host => {
        this.note('transfer', host, from, lengthBytes, undefined)
        arrived(this.nodeAt(host))
      }
    }
    return this.links.sendBulk(from, to, packet, from.uplinkFreeMs - this.timeMs)
  }

  /** Runs `happen` at once, or after the current call when a machine is being called. */
  private act(happen: () => void): void {
    if (!this.driver.busy) happen()
    else this.eventQueue.put(this.timeMs, { happen })
  }

  linkChanged(host: SimHost, peer: NodeId, state: 'up' | 'down'): void {
    const node = this.nodeAt(host)
    this.note(state === 'up' ? 'link-up' : 'link-down', node, this.byId.get(peer), 0, undefined)
    this.settings.outside?.link?.(this, node, peer, state)
    const epoch = node.epochs.changed(peer, state)
    this.driver.feed(node, (machine, now) => {
      machine.link(peer, state, now, epoch)
    })
  }

  // Callbacks of the driver.

  commanded(node: SimNode<N>, token: number, command: C): void {
    this.note('command', node, undefined, token, command)
    assert(this.settings.outside !== undefined, 'a world whose machines emit commands has an outside')
    this.settings.outside.command(this, node, token, command)
  }

  emitted(node: SimNode<N>, event: E): void {
    this.note('emit', node, undefined, 0, event)
    this.settings.onEvent?.(this, node, event)
    for (const checker of this.checkers) {
      if (checker.emitted !== undefined) this.judge(checker.emitted(this, node, event))
    }
  }

  called(node: SimNode<N>): void {
    for (const checker of this.checkers) {
      if (checker.afterEvent !== undefined) this.judge(checker.afterEvent(this, node))
    }
  }

  // Faults and checks.

  /** Records a fault for the trace and the report. */
  fault(text: string): void {
    this.faults.push(`${(this.timeMs / 1_000).toFixed(3)} s ${text}`)
    this.trace.note(this.timeMs, 'fault', '', '', digestText(text), text)
  }

  /**
   * Ends all faults: heals paths and disks, resumes paused processes, and restarts ended ones unless `restart` is
   * false.
   */
  calm(options: { restart?: boolean } = {}): void {
    this.fault('calm')
    this.calms++
    this.network.calm()
    for (const node of this.nodes) {
      node.disk.full = false
      node.disk.slowness = 1
      this.resume(node)
      if (options.restart !== false) this.start(node)
    }
  }

  private watch(checker: WorldChecker<M, C, E, N>): void {
    const { everyMs } = checker
    if (everyMs === undefined || checker.periodically === undefined) return
    const look = (): void => {
      this.judge(checker.periodically?.(this))
      this.eventQueue.put(this.timeMs + everyMs, { happen: look }, true)
    }
    this.eventQueue.put(everyMs, { happen: look }, true)
  }

  /** Throws SimFailure, which ends the run, when `condition` is false. */
  require(condition: boolean, property: string, detail: string): void {
    if (!condition) throw new SimFailure({ property, detail })
  }

  judge(violation: Violation | undefined): void {
    if (violation !== undefined) throw new SimFailure(violation)
  }

  /** Called after the scenario has played: runs the final check of every checker. */
  end(): void {
    for (const checker of this.checkers) this.judge(checker.atEnd?.(this))
  }

  /** The node's name for the trace. */
  nameOf(contact: Contact): string {
    return this.byId.get(contact.id)?.name ?? contact.id.slice(0, 8)
  }

  note(kind: TraceKind, node: SimHost, peer: SimHost | undefined, value: number, detail: unknown): void {
    this.trace.note(this.timeMs, kind, node.name, peer?.name ?? '', value, detail)
  }
}
