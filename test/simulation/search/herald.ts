/**
 * Stands in for membership in large worlds: it reports every change to all nodes in batches, without a separate delay
 * for each pair. A joining node gets all members at once. Others learn of it within a second, and of a death after
 * `verdictMs`.
 */
import { split } from '../../../src/sim/network/network.ts'
import type { SearchNode, SearchWorld } from './world.ts'

export interface HeraldSettings {
  /** The time from a death or a cut to the verdict. */
  readonly verdictMs: number
  /** Changes are batched for this time, and reach each node within this time again. */
  readonly bundleMs: number
}

export const HERALD_DEFAULTS: HeraldSettings = { verdictMs: 5_000, bundleMs: 500 }

/** The time until a joining node gets its first list of members. */
const FIRST_LIST_MS = 50

interface News {
  readonly about: SearchNode
  readonly state: 'up' | 'down'
}

export class Herald {
  private readonly world: SearchWorld
  private readonly settings: HeraldSettings
  private bundle: News[] = []

  constructor(world: SearchWorld, settings: Partial<HeraldSettings> = {}) {
    this.world = world
    this.settings = { ...HERALD_DEFAULTS, ...settings }
  }

  start(node: SearchNode): void {
    const { world } = this
    world.start(node)
    world.call(node, (machine, now) => machine.start(now))
    world.after(FIRST_LIST_MS, node, () => {
      const others = world.nodes.filter(other => other !== node && other.isUp)
      this.tell(node, { about: others, state: 'up' })
    })
    this.spread({ about: node, state: 'up' })
  }

  crash(nodes: readonly SearchNode[]): void {
    for (const node of nodes) this.world.crash(node)
    this.world.at(this.world.timeMs + this.settings.verdictMs, () => {
      for (const about of nodes) if (!about.isUp) this.spread({ about, state: 'down' })
    })
  }

  /** Cuts the paths for `forMs`. Each side declares the other dead, and learns when the cut is over. */
  split(left: readonly SearchNode[], right: readonly SearchNode[], forMs: number): void {
    const { world } = this
    const numbers = (nodes: readonly SearchNode[]): number[] => nodes.map(node => node.index)
    const cut = world.network.partition(split(numbers(left), numbers(right)))
    const tellBoth = (afterMs: number, state: News['state']): void => {
      world.at(world.timeMs + afterMs, () => {
        for (const [side, about] of [[left, right] as const, [right, left] as const]) {
          for (const node of side) this.tellSoon(node, { about, state })
        }
      })
    }
    tellBoth(this.settings.verdictMs, 'down')
    world.at(world.timeMs + forMs, () => cut.end())
    tellBoth(forMs + this.settings.verdictMs, 'up')
  }

  private spread(news: News): void {
    this.bundle.push(news)
    if (this.bundle.length > 1) return
    this.world.at(this.world.timeMs + this.settings.bundleMs, () => {
      const up = this.bundle.filter(({ state }) => state === 'up').map(({ about }) => about)
      const down = this.bundle.filter(({ state }) => state === 'down').map(({ about }) => about)
      this.bundle = []
      for (const node of this.world.nodes) {
        if (up.length > 0) this.tellSoon(node, { about: up, state: 'up' })
        if (down.length > 0) this.tellSoon(node, { about: down, state: 'down' })
      }
    })
  }

  private tellSoon(node: SearchNode, news: { about: readonly SearchNode[]; state: News['state'] }): void {
    if (node.process === 'off') return
    this.world.after(this.world.random.unit() * this.settings.bundleMs, node, () => this.tell(node, news))
  }

  private tell(node: SearchNode, { about, state }: { about: readonly SearchNode[]; state: News['state'] }): void {
    this.world.call(node, (machine, now) => {
      for (const other of about) {
        if (other === node) continue
        if (state === 'up') machine.memberUp(other.contact, now)
        else machine.memberDown(other.id, now)
      }
    })
  }
}
