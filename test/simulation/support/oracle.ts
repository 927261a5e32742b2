/**
 * An oracle in place of membership, for scenarios of machines that use membership. It knows the state of all nodes and
 * reports each change to each node after a separate delay, always with the latest state. Verdicts may be wrong; then
 * the subject is notified and must rejoin.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Machine, Now } from '../../../src/core/machine.ts'
import { split, type Ending } from '../../../src/sim/network/network.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import type { World } from '../../../src/sim/world.ts'
import type { Contact } from '../../../src/wire/common.ts'

/** The inputs of a machine that the oracle calls. */
export interface Listener {
  start(now: Now): void
  memberUp(contact: Contact, now: Now): void
  memberDown(id: NodeId, now: Now): void
  rejoin(now: Now): void
}

export interface OracleSettings {
  /** The time from a crash or a cut to its verdict at one observer. */
  readonly detectMinMs: number
  readonly detectMaxMs: number
  /** The delay of other changes. */
  readonly newsMaxMs: number
}

/** As SWIM with its default period: a crash is known after 5 to 9 s, other changes after a few hundred milliseconds. */
export const ORACLE_DEFAULTS: OracleSettings = { detectMinMs: 3_000, detectMaxMs: 9_000, newsMaxMs: 1_000 }

type Told = 'up' | 'down'

export class Oracle<M, C, E, N extends Machine<M, C, E> & Listener> {
  private readonly world: World<M, C, E, N>
  private readonly settings: OracleSettings
  private readonly random: Random
  /** The state and address of each node that was last reported to each process. */
  private readonly told = new Map<SimNode<N>, Map<SimNode<N>, string>>()
  /** Nodes that were wrongly declared dead. */
  private readonly accused = new Set<SimNode<N>>()
  private sides: Map<SimNode<N>, number> | undefined

  constructor(world: World<M, C, E, N>, settings: Partial<OracleSettings> = {}) {
    this.world = world
    this.settings = { ...ORACLE_DEFAULTS, ...settings }
    this.random = world.random.fork('oracle')
  }

  /** Starts the node's process. */
  start(node: SimNode<N>, options: { move?: boolean } = {}): void {
    const again = node.boots > 0
    this.world.start(node, options)
    this.told.set(node, new Map())
    this.accused.delete(node)
    this.world.call(node, (machine, now) => machine.start(now))
    if (again) this.world.call(node, (machine, now) => machine.rejoin(now))
    // A joining node learns all members at once, as by a push-pull or from its list on disk.
    const knowsAt = this.random.range(5, 100)
    for (const other of this.world.nodes) {
      if (other === node) continue
      this.tellLater(node, other, knowsAt)
      this.tellLater(other, node, this.random.range(10, this.settings.newsMaxMs))
    }
  }

  crash(node: SimNode<N>, options: { host?: boolean } = {}): void {
    this.world.crash(node, options)
    this.told.delete(node)
    this.verdictsOn(node)
  }

  /** All nodes declare the node dead, although it runs. It is notified and rejoins. */
  accuse(node: SimNode<N>): void {
    this.world.fault(`${node.name} is wrongly declared dead`)
    this.accused.add(node)
    for (const other of this.world.nodes) this.tellLater(other, node, this.random.range(0, this.settings.newsMaxMs))
    this.world.after(this.random.range(500, 3_000), node, () => {
      this.accused.delete(node)
      this.world.call(node, (machine, now) => machine.rejoin(now))
      for (const other of this.world.nodes) this.tellLater(other, node, this.random.range(10, this.settings.newsMaxMs))
    })
  }

  /** Cuts the paths. Each side declares the other dead until the cut ends. */
  split(left: Array<SimNode<N>>, right: Array<SimNode<N>>): Ending {
    const numbers = (nodes: Array<SimNode<N>>): number[] => nodes.map(node => node.index)
    const cut = this.world.network.partition(split(numbers(left), numbers(right)))
    this.sides = new Map([...left.map(node => [node, 0] as const), ...right.map(node => [node, 1] as const)])
    for (const node of this.world.nodes) this.verdictsOn(node)
    return {
      end: () => {
        cut.end()
        this.sides = undefined
        this.healed()
      }
    }
  }

  /** Whether no split separates two nodes. */
  together(a: SimNode<N>, b: SimNode<N>): boolean {
    return this.sides === undefined || this.sides.get(a) === this.sides.get(b)
  }

  private healed(): void {
    for (const node of this.world.nodes) {
      const wronged = [...this.told].some(([observer, about]) => observer !== node && about.get(node) === 'down')
      const backAt = this.random.range(100, 10_000)
      if (wronged) this.world.after(backAt, node, () => this.world.call(node, (machine, now) => machine.rejoin(now)))
      for (const other of this.world.nodes) {
        this.tellLater(other, node, backAt + this.random.range(10, this.settings.newsMaxMs))
      }
    }
  }

  private verdictsOn(node: SimNode<N>): void {
    const { detectMinMs, detectMaxMs, newsMaxMs } = this.settings
    const verdictAt = this.random.range(detectMinMs, detectMaxMs)
    for (const other of this.world.nodes) {
      if (other !== node) this.tellLater(other, node, verdictAt + this.random.range(0, newsMaxMs))
    }
  }

  private tellLater(observer: SimNode<N>, about: SimNode<N>, delayMs: number): void {
    if (observer === about || observer.process === 'off') return
    this.world.after(delayMs, observer, () => {
      this.tell(observer, about)
    })
  }

  /** Reports the current state to the observer, unless it was already reported. */
  private tell(observer: SimNode<N>, about: SimNode<N>): void {
    const about_ = this.told.get(observer)
    const up = about.process !== 'off' && !this.accused.has(about) && this.together(observer, about)
    const state: Told = up ? 'up' : 'down'
    const news = up ? `up at ${about.address.host}` : 'down'
    if (about_ === undefined || about_.get(about) === news || (!about_.has(about) && !up)) return
    about_.set(about, news)
    this.world.call(observer, (machine, now) => {
      if (state === 'up') machine.memberUp(about.contact, now)
      else machine.memberDown(about.id, now)
    })
  }
}
