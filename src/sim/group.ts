/**
 * A few nodes on a perfect network, for unit tests of one machine: every packet and every write takes 1 ms, clocks have
 * the same rate, and nothing fails unless the test makes it fail. Modelled on quinn's test pair: a test gives the
 * inputs and jumps to the next wake.
 */
import { expectDefined } from '../base/assert.ts'
import type { Machine, Now } from '../core/machine.ts'
import type { Contact } from '../wire/common.ts'
import { World, type WorldSettings } from './world.ts'
import type { SimNode } from './node.ts'

/** `deliver` stops after this: machines that keep sending messages never become idle. */
const DELIVER_LIMIT_MS = 60_000

export type GroupSettings<M, C, E, N extends Machine<M, C, E>> = Omit<WorldSettings<M, C, E, N>, 'seed'> & {
  seed?: number | string
  /** Default 2. */
  count?: number
}

export class Group<M, C, E, N extends Machine<M, C, E>> {
  readonly world: World<M, C, E, N>
  readonly nodes: ReadonlyArray<SimNode<N>>
  /** The events of every node so far, by index. A test may empty a list. */
  readonly events: ReadonlyArray<E[]>

  constructor(settings: GroupSettings<M, C, E, N>) {
    const events: E[][] = []
    this.events = events
    this.world = new World<M, C, E, N>({
      ...settings,
      seed: settings.seed ?? 1,
      network: { latencyMinMs: 1, latencyMaxMs: 1, asymmetry: 0, jitter: 0, ...settings.network },
      disk: { syncMinMs: 1, syncMaxMs: 1, ...settings.disk },
      clock: { driftMax: 0, wallOffsetMaxMs: 0, timerLateMaxMs: 0, ...settings.clock },
      onEvent: (world, node, event) => {
        ;(events[node.index] ??= []).push(event)
        settings.onEvent?.(world, node, event)
      }
    })
    for (let i = 0; i < (settings.count ?? 2); i++) events.push([])
    this.nodes = this.world.startMany(settings.count ?? 2)
  }

  node(index: number): SimNode<N> {
    return expectDefined(this.nodes[index], `there is a node ${index}`)
  }

  machine(index: number): N {
    return this.node(index).machine
  }

  contact(index: number): Contact {
    return this.node(index).contact
  }

  /** Calls the machine now. Its messages are in transit when this returns. */
  call(index: number, input: (machine: N, now: Now) => void): void {
    this.world.call(this.node(index), input)
  }

  /** Runs until all messages, writes and handshakes are done. False when they are not within DELIVER_LIMIT_MS. */
  deliver(): boolean {
    return this.world.runUntil(() => this.world.eventQueue.underWay === 0, DELIVER_LIMIT_MS)
  }

  /** Runs up to and including the next wake of any machine. False when no machine has one. */
  jump(): boolean {
    if (!this.nodes.some(({ isUp, wakeAtMs }) => isUp && wakeAtMs < Infinity)) return false
    const before = this.world.counts.wakes
    return this.world.runUntil(() => this.world.counts.wakes > before, Infinity)
  }

  run(forMs: number): void {
    this.world.run(forMs)
  }
}
