/**
 * Plans of faults. A plan is drawn from the seed as a whole before it starts, so that it can be printed, and then put
 * on the event queue. A fault has a start, a duration and an end. `World.calm` ends active faults and cancels later
 * ones.
 */
import type { Random } from '../base/random.ts'
import { unreachable } from '../base/assert.ts'
import type { Machine } from '../core/machine.ts'
import { oneWay, split, type Ending } from './network/network.ts'
import type { SimNode } from './node.ts'
import type { World } from './world.ts'

export type Fault =
  /** The process dies; with `host`, the whole computer. At the end it starts again; with `move`, at another address. */
  | { kind: 'crash'; node: number; host: boolean; move: boolean }
  /** SIGSTOP at the start, SIGCONT at the end. */
  | { kind: 'pause'; node: number }
  | { kind: 'split'; left: number[]; right: number[] }
  /** Packets from `from` do not reach `to`; packets from `to` reach `from`. */
  | { kind: 'one-way'; from: number[]; to: number[] }
  /** `share` is a share of all datagrams. */
  | { kind: 'loss'; share: number }
  | { kind: 'duplication'; share: number }
  | { kind: 'slow-network'; factor: number }
  | { kind: 'slow-disk'; node: number; factor: number }
  | { kind: 'full-disk'; node: number }
  /** All links of the node are reset. Has no duration. */
  | { kind: 'break-links'; node: number }
  /** The wall clock jumps. Has no duration. */
  | { kind: 'wall-jump'; node: number; byMs: number }

export type FaultKind = Fault['kind']

export interface PlannedFault {
  /** Counted from the start of the plan. */
  readonly atMs: number
  readonly lastsMs: number
  readonly fault: Fault
}

export type FaultPlan = readonly PlannedFault[]

export interface FaultSettings {
  /** The relative frequency of each kind. A missing kind is never drawn. */
  weights: Partial<Record<FaultKind, number>>
  /** All faults start and end within this period. */
  forMs: number
  /** The mean time between the starts of two faults. */
  everyMs: number
  lastsMinMs: number
  lastsMaxMs: number
  /** The most nodes that are crashed or paused at the same time. */
  downMax: number
  /** Nodes that are never crashed, paused or given a bad disk, by index. */
  spared: readonly number[]
  lossMax: number
  duplicationMax: number
  /** The share of crashes of the whole computer, and the share of crashes after which the node has another address. */
  hostShare: number
  moveShare: number
}

export const ALL_FAULTS: FaultSettings['weights'] = {
  crash: 4,
  pause: 3,
  split: 2,
  'one-way': 2,
  loss: 3,
  duplication: 1,
  'slow-network': 1,
  'slow-disk': 1,
  'break-links': 1,
  'wall-jump': 1
}

export const FAULT_DEFAULTS: FaultSettings = {
  weights: ALL_FAULTS,
  forMs: 60_000,
  everyMs: 4_000,
  lastsMinMs: 100,
  lastsMaxMs: 20_000,
  downMax: 2,
  spared: [],
  lossMax: 0.3,
  duplicationMax: 0.2,
  hostShare: 0.3,
  moveShare: 0.2
}

const LATENCY_FACTOR_MAX = 20
const DISK_FACTOR_MAX = 200
const WALL_JUMP_MAX_MS = 86_400_000

/** A node that is off or paused until `untilMs`. */
interface Absence {
  readonly node: number
  readonly untilMs: number
}

/** Draws faults for a world of `nodeCount` nodes, ordered by their start. */
export function drawPlan(random: Random, nodeCount: number, settings: Partial<FaultSettings> = {}): FaultPlan {
  const all: FaultSettings = { ...FAULT_DEFAULTS, ...settings }
  const plan: PlannedFault[] = []
  const absences: Absence[] = []
  for (let atMs = 0; ;) {
    atMs += random.range(0, 2 * all.everyMs)
    if (atMs >= all.forMs) return plan
    const lasts = all.lastsMinMs * Math.pow(all.lastsMaxMs / all.lastsMinMs, random.unit())
    const lastsMs = Math.min(lasts, all.forMs - atMs)
    const fault = drawFault(random, nodeCount, all)
    if (fault === undefined) continue
    if (fault.kind === 'crash' || fault.kind === 'pause') {
      const absent = absences.filter(({ untilMs }) => untilMs >= atMs)
      if (absent.length >= all.downMax || absent.some(({ node }) => node === fault.node)) continue
      absences.push({ node: fault.node, untilMs: atMs + lastsMs })
    }
    plan.push({ atMs, lastsMs, fault })
  }
}

function drawKind(random: Random, weights: FaultSettings['weights']): FaultKind | undefined {
  const kinds = Object.entries(weights) as Array<[FaultKind, number]>
  let left = random.unit() * kinds.reduce((sum, [, weight]) => sum + weight, 0)
  return kinds.find(([, weight]) => (left -= weight) < 0)?.[0]
}

/** Undefined when the drawn kind is impossible in this world. */
function drawFault(random: Random, nodeCount: number, settings: FaultSettings): Fault | undefined {
  const kind = drawKind(random, settings.weights)
  const nodes = Array.from({ length: nodeCount }, (_, index) => index)
  const node = random.pick(nodes.filter(index => !settings.spared.includes(index)))
  if (kind === undefined) return undefined
  switch (kind) {
    case 'split':
    case 'one-way': {
      if (nodeCount < 2) return undefined
      const [left, right] = halves(random, nodes)
      return kind === 'split' ? { kind, left, right } : { kind, from: left, to: right }
    }
    case 'loss':
      return { kind, share: random.range(0.01, settings.lossMax) }
    case 'duplication':
      return { kind, share: random.range(0.01, settings.duplicationMax) }
    case 'slow-network':
      return { kind, factor: random.range(2, LATENCY_FACTOR_MAX) }
    case 'crash':
    case 'pause':
    case 'slow-disk':
    case 'full-disk':
    case 'break-links':
    case 'wall-jump':
      return node === undefined ? undefined : drawNodeFault(random, kind, node, settings)
    default:
      return unreachable(kind)
  }
}

type NodeFaultKind = Extract<Fault, { node: number }>['kind']

function drawNodeFault(random: Random, kind: NodeFaultKind, node: number, settings: FaultSettings): Fault {
  switch (kind) {
    case 'crash':
      return { kind, node, host: random.chance(settings.hostShare), move: random.chance(settings.moveShare) }
    case 'slow-disk':
      return { kind, node, factor: random.range(2, DISK_FACTOR_MAX) }
    case 'wall-jump':
      return { kind, node, byMs: random.range(-WALL_JUMP_MAX_MS, WALL_JUMP_MAX_MS) }
    case 'pause':
    case 'full-disk':
    case 'break-links':
      return { kind, node }
    default:
      return unreachable(kind)
  }
}

/** Two groups, neither empty: often a single node and the rest. */
function halves(random: Random, nodes: readonly number[]): [number[], number[]] {
  const shuffled = random.shuffle(nodes.slice())
  const size = random.chance(0.4) ? 1 : 1 + random.below(nodes.length - 1)
  const order = (a: number, b: number): number => a - b
  return [shuffled.slice(0, size).sort(order), shuffled.slice(size).sort(order)]
}

/** Starts the plan at the current instant. */
export function unleash<M, C, E, N extends Machine<M, C, E>>(world: World<M, C, E, N>, plan: FaultPlan): void {
  const { calms, timeMs } = world
  for (const { atMs, lastsMs, fault } of plan) {
    world.at(timeMs + atMs, () => {
      if (world.calms !== calms) return
      world.fault(`${faultText(fault)}${hasNoDuration(fault) ? '' : ` for ${(lastsMs / 1_000).toFixed(3)} s`}`)
      const ending = begin(world, fault)
      world.at(world.timeMs + lastsMs, () => {
        if (world.calms === calms) ending?.end()
      })
    })
  }
}

function hasNoDuration({ kind }: Fault): boolean {
  return kind === 'break-links' || kind === 'wall-jump'
}

/** Starts the fault now. Returns how to end it; undefined for a fault without duration. */
export function begin<M, C, E, N extends Machine<M, C, E>>(world: World<M, C, E, N>, fault: Fault): Ending | undefined {
  if ('node' in fault) return beginAt(world, world.node(fault.node), fault)
  switch (fault.kind) {
    case 'split':
      return world.network.partition(split(fault.left, fault.right))
    case 'one-way':
      return world.network.partition(oneWay(fault.from, fault.to))
    case 'loss':
      return world.network.weather({ loss: fault.share })
    case 'duplication':
      return world.network.weather({ duplication: fault.share })
    case 'slow-network':
      return world.network.weather({ latencyFactor: fault.factor })
    default:
      return unreachable(fault)
  }
}

function beginAt<M, C, E, N extends Machine<M, C, E>>(
  world: World<M, C, E, N>,
  node: SimNode<N>,
  fault: Extract<Fault, { node: number }>
): Ending | undefined {
  switch (fault.kind) {
    case 'crash':
      world.crash(node, { host: fault.host })
      return {
        end: () => {
          world.start(node, { move: fault.move })
        }
      }
    case 'pause':
      world.pause(node)
      return {
        end: () => {
          world.resume(node)
        }
      }
    case 'slow-disk':
      node.disk.slowness = fault.factor
      return {
        end: () => {
          node.disk.slowness = 1
        }
      }
    case 'full-disk':
      node.disk.full = true
      return {
        end: () => {
          node.disk.full = false
        }
      }
    case 'break-links':
      for (const peer of world.links.peersOf(node)) world.links.break(node, peer)
      return undefined
    case 'wall-jump':
      node.clock.jumpWall(fault.byMs)
      return undefined
    default:
      return unreachable(fault)
  }
}

/** The text of the fault in reports. */
export function faultText(fault: Fault): string {
  const group = (nodes: readonly number[]): string => nodes.map(index => `n${index}`).join(' ')
  switch (fault.kind) {
    case 'crash':
      return `${fault.host ? 'host crash' : 'crash'} of n${fault.node}${fault.move ? ', then moves' : ''}`
    case 'split':
      return `split: ${group(fault.left)} | ${group(fault.right)}`
    case 'one-way':
      return `one-way cut: ${group(fault.from)} cannot reach ${group(fault.to)}`
    case 'loss':
    case 'duplication':
      return `${fault.kind} of ${(fault.share * 100).toFixed(0)} %`
    case 'slow-network':
      return `network ${fault.factor.toFixed(0)} times slower`
    case 'slow-disk':
      return `disk of n${fault.node} ${fault.factor.toFixed(0)} times slower`
    case 'wall-jump':
      return `wall clock of n${fault.node} jumps by ${(fault.byMs / 1_000).toFixed(0)} s`
    case 'pause':
    case 'full-disk':
    case 'break-links':
      return `${fault.kind} at n${fault.node}`
    default:
      return unreachable(fault)
  }
}
