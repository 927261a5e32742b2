/**
 * The ring under churn. `ring-churn`: crashes and joins only, with more than s + 1 members; Zave's invariant holds
 * after every event. `ring-faults`: loss, splits that heal, pauses, crashes, restarts and false verdicts; within 60 s
 * without faults there is one ring.
 */
import { keyOf, type Key } from '../../../src/base/ids.ts'
import { Chord } from '../../../src/core/ring/chord/chord.ts'
import type { RingEvent } from '../../../src/core/ring/ring.ts'
import { successorListLength } from '../../../src/core/ring/settings.ts'
import type { Checker, Violation } from '../../../src/sim/failure.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { scenario, type ScenarioSpec } from '../../../src/sim/scenario.ts'
import { World, type Birth, type WorldSettings } from '../../../src/sim/world.ts'
import { ringMessage, type RingMessage } from '../../../src/wire/ring.ts'
import { Oracle } from '../support/oracle.ts'
import { oneFault, RESTART_MAX_MS } from '../support/ring-faults.ts'
import {
  disorder,
  invariantProblem,
  ownerOf,
  ownershipProblem,
  ringNodes,
  type RingNode
} from '../support/ring-checks.ts'

type RingWorld = World<RingMessage, never, RingEvent, Chord>
type Node = SimNode<Chord>
type RingChecker = Checker<RingWorld, Node, RingEvent>
type RingOracle = Oracle<RingMessage, never, RingEvent, Chord>

/** The time from the last fault until there must be one ring. */
const QUIET_LIMIT_MS = 60_000
const CHURN_MS = 40_000
/** The mean time between two joins or crashes. */
const CHURN_EVERY_MS = 1_200
const KEYS = 24
/** Longer than any lookup takes. */
const LOOKUP_MS = 12_000

function build(
  seed: number,
  lookups: LookupsEnd,
  settings: Partial<WorldSettings<RingMessage, never, RingEvent, Chord>> = {}
): RingWorld {
  return new World<RingMessage, never, RingEvent, Chord>({
    seed,
    codec: ringMessage,
    create: (birth: Birth) => new Chord(birth, {}, birth.now),
    ...settings,
    checkers: [lookups, ...(settings.checkers ?? [])]
  })
}

const all = (world: RingWorld): Array<RingNode<Chord>> => ringNodes(world.nodes, machine => machine)

/** Checks that every lookup of a surviving process ends with exactly one event. */
class LookupsEnd implements RingChecker {
  /** The number of final events of each lookup, by request. */
  private readonly asked = new Map<Node, Map<number, number>>()

  /** Starts lookups during the faults. Only their end is checked, not their result. */
  ask(world: RingWorld): void {
    for (const node of world.nodes) {
      world.call(node, (machine, now) => {
        this.of(node).set(machine.lookup(keyOf(world.random.bytes(32)), now), 0)
      })
    }
  }

  emitted(_world: RingWorld, node: Node, event: RingEvent): Violation | undefined {
    if (event.kind !== 'found' && event.kind !== 'lost') return undefined
    const times = (this.of(node).get(event.request) ?? 0) + 1
    this.of(node).set(event.request, times)
    return times > 1 ? this.violation(node, event.request, times) : undefined
  }

  ended(_world: RingWorld, node: Node): void {
    this.asked.delete(node)
  }

  /** All lookups started longer ago than a lookup may take. */
  atEnd(): Violation | undefined {
    for (const [node, asked] of this.asked) {
      for (const [request, times] of asked) if (times !== 1) return this.violation(node, request, times)
    }
    return undefined
  }

  private violation(node: Node, request: number, times: number): Violation {
    return { property: 'lookups-end', detail: `lookup ${request} of ${node.name} has ended ${times} times` }
  }

  private of(node: Node): Map<number, number> {
    const known = this.asked.get(node) ?? new Map<number, number>()
    this.asked.set(node, known)
    return known
  }
}

/** Checks Zave's invariant after every change of a successor list or of the members, while it is `on`. */
class Invariant implements RingChecker {
  on = false
  private readonly lists = new Map<Node, readonly unknown[]>()
  private joined = 0
  private fewest = Infinity

  /** The length of successor lists for the lowest number of members so far. */
  get s(): number {
    return successorListLength(this.fewest)
  }

  afterEvent(world: RingWorld, node: Node): Violation | undefined {
    if (!this.on) return undefined
    const list = node.running?.successors
    const joined = world.nodes.reduce((count, one) => count + (one.running?.standing === 'joined' ? 1 : 0), 0)
    const same = joined === this.joined && sameList(this.lists.get(node), list)
    if (same) return undefined
    this.joined = joined
    if (list === undefined) this.lists.delete(node)
    else this.lists.set(node, list)
    return this.check(world)
  }

  check(world: RingWorld): Violation | undefined {
    const live = all(world).filter(one => one.ring.standing === 'joined')
    this.fewest = Math.min(this.fewest, live.length)
    const problem = invariantProblem(live, this.s)
    return problem === undefined ? undefined : { property: 'ring-invariant', detail: problem }
  }
}

function sameList(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  return a === b || (a?.length === b?.length && a?.every((one, i) => one === b?.[i]) === true)
}

/** Requires one ring within the limit, and that every node finds the owner of every key. */
function settleAndLookUp(world: RingWorld): void {
  const calm = (): string | undefined => disorder(all(world))
  world.settle(() => calm() === undefined, { everyMs: 500, limitMs: QUIET_LIMIT_MS })
  const nodes = all(world)
  world.require(calm() === undefined, 'one-ring', `${calm()} ${QUIET_LIMIT_MS / 1_000} s after the last fault`)
  const keys = Array.from({ length: KEYS }, () => keyOf(world.random.bytes(32)))
  const problem = ownershipProblem(nodes, [...keys, ...nodes.map(one => one.place)])
  world.require(problem === undefined, 'one-owner', problem ?? '')
  lookUp(world, keys, nodes)
  world.run(LOOKUP_MS)
}

const answers = new WeakMap<RingWorld, Map<string, RingEvent>>()

function lookUp(world: RingWorld, keys: readonly Key[], nodes: readonly RingNode[]): void {
  const asked: Array<{ name: string; key: Key }> = []
  for (const node of world.nodes) {
    if (node.running === undefined) continue
    world.call(node, (machine, now) => {
      for (const key of world.random.sample(keys, 4))
        asked.push({ name: `${node.name}/${machine.lookup(key, now)}`, key })
    })
  }
  const heard = answers.get(world)
  const done = (): boolean => asked.every(({ name }) => heard?.has(name))
  world.runUntil(done, 20_000)
  for (const { name, key } of asked) {
    const event = heard?.get(name)
    const owner = ownerOf(nodes, key)
    const right = event?.kind === 'found' && event.owner.id === owner.ring.view().self.id
    world.require(
      right,
      'lookup',
      `${name} for ${key.slice(0, 8)} of ${owner.name}: ${JSON.stringify(event ?? 'no answer').slice(0, 200)}`
    )
  }
}

/** The final events of lookups, by node and request. */
function remember(world: RingWorld, node: Node, event: RingEvent): void {
  const heard = answers.get(world) ?? new Map<string, RingEvent>()
  answers.set(world, heard)
  if (event.kind === 'found' || event.kind === 'lost') heard.set(`${node.name}/${event.request}`, event)
}

function startMany(world: RingWorld, oracle: RingOracle, count: number, withinMs: number): void {
  for (let i = 0; i < count; i++) {
    const node = world.add()
    world.at(world.timeMs + world.random.range(0, withinMs), () => oracle.start(node))
  }
  world.run(withinMs + 1)
}

const churn = (): ScenarioSpec<RingMessage, never, RingEvent, Chord> => {
  let lookups = new LookupsEnd()
  let invariant = new Invariant()
  return {
    name: 'ring-churn',
    about: 'crashes and joins only: the invariant of corrected Chord after every event',
    build: seed => {
      invariant = new Invariant()
      return build(seed, (lookups = new LookupsEnd()), { checkers: [invariant], onEvent: remember })
    },
    play: world => {
      const oracle: RingOracle = new Oracle(world)
      const count = 12 + world.random.below(37)
      startMany(world, oracle, count, 3_000)
      world.settle(() => disorder(all(world)) === undefined, { everyMs: 500, limitMs: QUIET_LIMIT_MS })
      world.require(
        disorder(all(world)) === undefined,
        'one-ring',
        `${disorder(all(world))} after the start of ${count}`
      )
      invariant.on = true
      churnFor(world, oracle, invariant, lookups)
      settleAndLookUp(world)
    }
  }
}

/** Zave's assumption: no crash removes a member's last live successor or one of the last s + 1 principals. */
function mayCrash(world: RingWorld, node: Node, invariant: Invariant): boolean {
  const rest = all(world).filter(one => one.ring.standing === 'joined' && one.name !== node.name)
  const s = Math.min(invariant.s, successorListLength(rest.length))
  return rest.length > s + 1 && invariantProblem(rest, s) === undefined
}

function churnFor(world: RingWorld, oracle: RingOracle, invariant: Invariant, lookups: LookupsEnd): void {
  const until = world.timeMs + CHURN_MS
  while (world.timeMs < until) {
    world.run(world.random.range(0, 2 * CHURN_EVERY_MS))
    if (world.random.chance(0.1)) lookups.ask(world)
    if (world.random.chance(0.5)) {
      oracle.start(world.add())
      continue
    }
    const victim = world.random.pick(world.nodes.filter(node => node.process === 'running'))
    if (victim !== undefined && mayCrash(world, victim, invariant)) oracle.crash(victim)
  }
}

const faults = (): ScenarioSpec<RingMessage, never, RingEvent, Chord> => {
  let lookups = new LookupsEnd()
  return {
    name: 'ring-faults',
    about: 'loss, splits, pauses, crashes, restarts, false verdicts: one ring within 60 s without faults',
    build: seed => build(seed, (lookups = new LookupsEnd()), { onEvent: remember }),
    play: world => {
      const oracle: RingOracle = new Oracle(world)
      const count = world.random.chance(0.3) ? 5 + world.random.below(8) : 5 + world.random.below(44)
      startMany(world, oracle, count, 4_000)
      const hooks = { splitSettled: (side: readonly Node[]) => checkSide(world, side) }
      for (let i = 0; i < 6; i++) {
        lookups.ask(world)
        oneFault(world, oracle, hooks)
      }
      world.run(RESTART_MAX_MS)
      world.calm({ restart: false })
      settleAndLookUp(world)
    }
  }
}

function checkSide(world: RingWorld, side: readonly Node[]): void {
  const ofSide = ringNodes(side, machine => machine).filter(one => one.ring.standing === 'joined')
  const live = new Set(ofSide.map(one => one.place))
  for (const { name, ring } of ofSide) {
    const ok = live.size === 1 || ring.successors.some(one => live.has(one.place))
    world.require(ok, 'ring-invariant', `${name} has no live successor on its side of ${live.size}`)
  }
}

export const ringChurn = scenario(churn())
export const ringFaults = scenario(faults())
