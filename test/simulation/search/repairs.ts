/**
 * Measures how long a thousand nodes take to form one valid graph: after joining, after deaths, and after a
 * partition.
 */
import { Random } from '../../../src/base/random.ts'
import { components, degrees, disorder, graphOf } from './graph.ts'
import { Large, type LargeSettings } from './large.ts'
import { mean } from './modes.ts'

export interface Repair {
  readonly what: string
  /**
   * The time until the graph is one component, and until all degrees are valid too. Infinity: not within `LIMIT_MS`.
   */
  readonly oneMs: number
  readonly orderMs: number
  readonly components: number
  readonly degrees: { readonly min: number; readonly mean: number; readonly max: number }
}

const LOOK_EVERY_MS = 250
const LIMIT_MS = 120_000
const JOINING_MS = 10_000
const CUT_MS = 60_000

export function repairs(settings: LargeSettings): Repair[] {
  const large = new Large({ ...settings, joiningMs: JOINING_MS })
  const { world } = large.net
  const random = Random.from(`shoal/sim/victims/${settings.seed}`)
  const joined = repaired(large, 'the last of 1,000 has joined')
  world.run(20_000)
  large.herald.crash(random.sample(world.nodes, world.nodes.length / 10))
  const killed = repaired(large, '10 % die at once')
  world.run(20_000)
  const up = random.shuffle(world.nodes.filter(node => node.isUp))
  const half = up.length >> 1
  large.herald.split(up.slice(0, half), up.slice(half), CUT_MS)
  world.run(CUT_MS)
  const halves = seen(large, 'at the end of 60 s in two halves', { oneMs: Number.NaN, orderMs: Number.NaN })
  return [joined, killed, halves, repaired(large, 'the halves can reach each other again')]
}

function repaired(large: Large, what: string): Repair {
  const { world, settings } = large.net
  const beganMs = world.timeMs
  let oneMs = Infinity
  let orderMs = Infinity
  while (orderMs === Infinity && world.timeMs - beganMs < LIMIT_MS) {
    world.run(LOOK_EVERY_MS)
    const graph = graphOf(world.nodes)
    const elapsedMs = world.timeMs - beganMs
    // The time until the graph stays connected: a later split resets it.
    if (components(graph).length > 1) oneMs = Infinity
    else oneMs = Math.min(oneMs, elapsedMs)
    if (disorder(graph, settings) === undefined) orderMs = elapsedMs
  }
  return seen(large, what, { oneMs, orderMs })
}

function seen(large: Large, what: string, times: { oneMs: number; orderMs: number }): Repair {
  const graph = graphOf(large.net.world.nodes)
  const all = degrees(graph)
  return {
    ...{ what, ...times, components: components(graph).length },
    degrees: { min: Math.min(...all), mean: mean(all), max: Math.max(...all) }
  }
}
