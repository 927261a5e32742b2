/**
 * A few nodes on a perfect network, for tests of single rooms: every packet takes 1 ms, every write 1 ms, clocks run alike,
 * nothing fails unless the test makes it. After quinn's test pair: a test says what happens and jumps to the next wake.
 */
import { expectDefined } from '../base/assert.ts'
import type { Machine, Now } from '../core/machine.ts'
import type { Contact } from '../wire/common.ts'
import { World, type WorldSettings } from './world.ts'
import type { SimNode } from './node.ts'

/** `deliver` gives up after this: machines that keep talking never come to rest. */
const DELIVER_LIMIT_MS = 60_000

export type GroupSettings<M, C, E, N extends Machine<M, C, E>> = Omit<WorldSettings<M, C, E, N>, 'seed'> & {
  seed?: number | string
  /** Default 2. */
  count?: number
}

export class Group<M, C, E, N extends Machine<M, C, E>> {
  readonly world: World<M, C, E, N>
  readonly nodes: ReadonlyArray<SimNode<N>>
  /** What every node emitted so far; a test may empty a list. */
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

  /** Calls the machine now; what it sends is on its way when this returns. */
  call(index: number, input: (machine: N, now: Now) => void): void {
    this.world.call(this.node(index), input)
  }

  /** Until nothing is under way: all messages there, all writes done, all links up or down. False when it never ends. */
  deliver(): boolean {
    return this.world.runUntil(() => this.world.eventQueue.underWay === 0, DELIVER_LIMIT_MS)
  }

  /** To the next wake of any machine, and through it. False when no machine wants one. */
  jump(): boolean {
    if (!this.nodes.some(({ isUp, wakeAtMs }) => isUp && wakeAtMs < Infinity)) return false
    const before = this.world.counts.wakes
    return this.world.runUntil(() => this.world.counts.wakes > before, Infinity)
  }

  run(forMs: number): void {
    this.world.run(forMs)
  }
}
