/**
 * Provider records on the ring. `records-faults`: what was acked is never lost while fewer than k of its holders are down;
 * within 60 s of quiet every record is where it belongs and found from every node. `records-wipe`: nodes lose their disks,
 * one or two at a time with time to replicate in between, and no acked record is lost with them.
 */
import { keyOf, type Key, type NodeId } from '../../../src/base/ids.ts'
import type { RecordsEvent } from '../../../src/core/records/records.ts'
import type { Checker, Violation } from '../../../src/sim/failure.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { scenario, type ScenarioSpec } from '../../../src/sim/scenario.ts'
import { World } from '../../../src/sim/world.ts'
import type { Held } from '../../../src/wire/records.ts'
import { Oracle } from '../support/oracle.ts'
import { bothMessage, RingAndRecords, type BothEvent, type BothMessage } from '../support/ring-and-records.ts'
import { disorder, ringNodes } from '../support/ring-checks.ts'
import { oneFault, RESTART_MAX_MS } from '../support/ring-faults.ts'

type RecordsWorld = World<BothMessage, never, BothEvent, RingAndRecords>
type Node = SimNode<RingAndRecords>
type RecordsOracle = Oracle<BothMessage, never, BothEvent, RingAndRecords>
type RecordsSpec = ScenarioSpec<BothMessage, never, BothEvent, RingAndRecords>

const K = 3
const QUIET_LIMIT_MS = 60_000
/** Crashes with loss of the disk come this far apart: verdict, stabilisation, comparison. */
const REPLICATE_MS = 25_000

interface Said {
  readonly provider: Node
  readonly key: Key
  held: Held
  /** Undefined as long as it was not acked. */
  sequence: number | undefined
  /** The provider went down before that: it may have forgotten that it said so. */
  interrupted: boolean
  /** How many hold it then: k, or all members that the provider and the owner knew of. */
  acks: number
}

/** What providers said last, and that nothing of what was acked is lost. */
class Acked implements Checker<RecordsWorld, Node, BothEvent> {
  readonly everyMs = 1_000
  readonly said = new Map<string, Said>()
  /** What each node that is down held. */
  private readonly down = new Map<Node, Set<string>>()

  say(world: RecordsWorld, provider: Node, key: Key, held: Held): void {
    const name = `${key}/${provider.id}`
    // A provider that forgot what it said has nothing to withdraw, and answers nothing.
    const interrupted = held === 'none' && this.said.get(name)?.interrupted === true
    this.said.set(name, { provider, key, held, sequence: undefined, interrupted, acks: 0 })
    world.call(provider, (machine, now) => {
      if (held === 'none') machine.withdraw(key, now)
      else machine.publish(key, held, now)
    })
  }

  emitted(_world: RecordsWorld, node: Node, { room, inner }: BothEvent): Violation | undefined {
    if (room !== 'records' || inner.kind !== 'published') return undefined
    const said = this.said.get(`${inner.key}/${node.id}`)
    if (said?.held !== inner.held) return undefined
    said.sequence = inner.sequence
    said.interrupted = false
    said.acks = inner.acks
    return undefined
  }

  /** The process is gone already: the disk knows what it held. */
  ended(world: RecordsWorld, node: Node): void {
    const contents = node.disk.contents()
    this.down.set(node, new Set([...this.said.keys()].filter(name => contents.has(`records/${name}`))))
    for (const said of this.said.values()) {
      if (said.provider === node && said.sequence === undefined) said.interrupted = true
    }
    this.started(world)
  }

  started(_world: RecordsWorld, node?: Node): void {
    if (node !== undefined) this.down.delete(node)
  }

  periodically(world: RecordsWorld): Violation | undefined {
    for (const said of this.said.values()) {
      const { provider, key, sequence, acks } = said
      if (sequence === undefined || this.runningHolder(world, said)) continue
      const down = this.downHolders(said)
      if (down.length >= acks) continue
      const detail = `sequence ${sequence} of ${provider.name} for ${key.slice(0, 8)}: no holder runs, of its holders only ${down.join(' ')} are down`
      return { property: 'acked-record', detail }
    }
    return undefined
  }

  /**
   * Whether it may be there or not: it was not acked by k while its provider was up, the provider may have forgotten it,
   * or all that acked it are down by now.
   */
  isOpen(world: RecordsWorld, said: Said): boolean {
    const { provider, sequence, interrupted, acks } = said
    if (interrupted || (provider.process === 'off' && (sequence === undefined || acks < K))) return true
    return sequence !== undefined && !this.runningHolder(world, said) && this.downHolders(said).length >= acks
  }

  private runningHolder(world: RecordsWorld, { key, provider, sequence = 0 }: Said): boolean {
    return world.nodes.some(node => node.running?.records.holds(key, provider.id, sequence) === true)
  }

  private downHolders({ key, provider }: Said): string[] {
    const name = `${key}/${provider.id}`
    return [...this.down].filter(([, held]) => held.has(name)).map(([node]) => node.name)
  }
}

function build(seed: number, acked: Acked, heard: Heard): RecordsWorld {
  return new World<BothMessage, never, BothEvent, RingAndRecords>({
    seed,
    codec: bothMessage,
    create: birth => new RingAndRecords(birth),
    checkers: [acked],
    onEvent: (_world, node, event) => {
      if (event.room === 'records' && event.inner.kind === 'providers')
        heard.set(`${node.name}/${event.inner.request}`, event.inner)
    }
  })
}

type Heard = Map<string, Extract<RecordsEvent, { kind: 'providers' }>>

function startMany(world: RecordsWorld, oracle: RecordsOracle, count: number): void {
  for (let i = 0; i < count; i++) {
    const node = world.add()
    world.at(world.timeMs + world.random.range(0, 3_000), () => oracle.start(node))
  }
  world.run(3_001)
}

/** Some nodes say something about some keys, each at a time of its own within the stretch. */
function publishSome(world: RecordsWorld, acked: Acked, keys: readonly Key[], withinMs: number): void {
  for (let i = 0; i < 12; i++) {
    world.at(world.timeMs + world.random.range(0, withinMs), () => {
      const provider = world.random.pick(world.nodes.filter(node => node.process === 'running'))
      const key = world.random.pick(keys)
      if (provider === undefined || key === undefined) return
      const said = acked.said.get(`${key}/${provider.id}`)
      const held = said !== undefined && world.random.chance(0.3) ? 'none' : world.random.chance(0.5) ? 'all' : 'part'
      acked.say(world, provider, key, held)
    })
  }
}

/** In order, everything where it belongs and found from everywhere. */
function settleAndFind(world: RecordsWorld, acked: Acked, heard: Heard, keys: readonly Key[]): void {
  const astray = (): string | undefined => misplaced(world, acked)
  world.settle(() => astray() === undefined, { everyMs: 500, limitMs: QUIET_LIMIT_MS })
  world.require(
    astray() === undefined,
    'records-placed',
    `${astray()} ${QUIET_LIMIT_MS / 1_000} s after the last fault`
  )
  const asked: Array<{ name: string; key: Key }> = []
  for (const node of world.nodes) {
    if (node.running === undefined) continue
    for (const key of world.random.sample(keys, 2)) {
      world.call(node, (machine, now) => asked.push({ name: `${node.name}/${machine.find(key, now)}`, key }))
    }
  }
  world.runUntil(() => asked.every(({ name }) => heard.has(name)), 20_000)
  for (const { name, key } of asked) {
    const wrong = wrongAnswer(world, acked, key, heard.get(name))
    world.require(wrong === undefined, 'records-found', `${name} for ${key.slice(0, 8)}: ${wrong}`)
  }
}

/** The first record that is not on the disks of all its replicas. */
function misplaced(world: RecordsWorld, acked: Acked): string | undefined {
  const all = ringNodes(world.nodes, machine => machine.ring)
  const problem = disorder(all)
  if (problem !== undefined) return problem
  const running = new Map(world.nodes.map(node => [node.name, node]))
  for (const said of acked.said.values()) {
    const { provider, key, sequence, held } = said
    if (acked.isOpen(world, said)) continue
    if (sequence === undefined) return `${provider.name} has no ack for ${key.slice(0, 8)} (${held})`
    const first = all.findIndex(node => node.place >= key)
    for (let i = 0; i < Math.min(K, all.length); i++) {
      const name = all[(Math.max(0, first) + i) % all.length]!.name
      if (running.get(name)?.running?.records.holds(key, provider.id, sequence) === true) continue
      return `${name} lacks what ${provider.name} says of ${key.slice(0, 8)}`
    }
  }
  return undefined
}

function wrongAnswer(
  world: RecordsWorld,
  acked: Acked,
  key: Key,
  answer: Heard extends Map<string, infer T> ? T | undefined : never
): string | undefined {
  if (answer?.complete !== true) return answer === undefined ? 'no answer' : 'an incomplete answer'
  const found = new Map<NodeId, string>(answer.providers.map(({ provider, held }) => [provider, held]))
  for (const said of acked.said.values()) {
    if (said.key !== key || acked.isOpen(world, said)) continue
    const expected = said.held === 'none' ? undefined : said.held
    if (found.get(said.provider.id) !== expected)
      return `${said.provider.name} is ${found.get(said.provider.id)}, not ${said.held}`
  }
  for (const id of found.keys()) if (!acked.said.has(`${key}/${id}`)) return 'a provider that never said so'
  return undefined
}

const someKeys = (world: RecordsWorld): Key[] => Array.from({ length: 16 }, () => keyOf(world.random.bytes(32)))

const faults = (): RecordsSpec => {
  let acked = new Acked()
  let heard: Heard = new Map()
  return {
    name: 'records-faults',
    about: 'loss, splits, pauses, crashes, restarts, false verdicts: no acked record is lost, all are found after',
    build: seed => build(seed, (acked = new Acked()), (heard = new Map() as Heard)),
    play: world => {
      const oracle: RecordsOracle = new Oracle(world)
      const keys = someKeys(world)
      startMany(world, oracle, world.random.chance(0.4) ? 5 + world.random.below(5) : 5 + world.random.below(26))
      // A write may take a second and more on some: long enough to crash within.
      for (const node of world.random.sample(world.nodes, Math.floor(world.nodes.length / 3)))
        node.disk.slowness = world.random.range(20, 200)
      for (let i = 0; i < 5; i++) {
        publishSome(world, acked, keys, 10_000)
        oneFault(world, oracle, { splitSettled: () => undefined })
      }
      world.run(RESTART_MAX_MS)
      world.calm({ restart: false })
      settleAndFind(world, acked, heard, keys)
    }
  }
}

const wipe = (): RecordsSpec => {
  let acked = new Acked()
  let heard: Heard = new Map()
  return {
    name: 'records-wipe',
    about: 'nodes lose their disks, fewer than k at once: others have taken their records over before the next do',
    build: seed => build(seed, (acked = new Acked()), (heard = new Map() as Heard)),
    play: world => {
      const oracle: RecordsOracle = new Oracle(world)
      const keys = someKeys(world)
      startMany(world, oracle, 7 + world.random.below(18))
      publishSome(world, acked, keys, 4_000)
      world.run(20_000)
      for (let i = 0; i < 4; i++) {
        const running = world.nodes.filter(node => node.process === 'running')
        // A shoal of no more than k has nobody to take over.
        const victims = running.length < 2 * K ? [] : world.random.sample(running, 1 + world.random.below(K - 1))
        for (const victim of victims) {
          world.fault(`${victim.name} is gone with its disk`)
          oracle.crash(victim)
          victim.disk.wipe()
          acked.ended(world, victim)
        }
        if (world.random.chance(0.5)) oracle.start(world.add())
        world.run(REPLICATE_MS)
      }
      settleAndFind(world, acked, heard, keys)
    }
  }
}

export const recordsFaults = scenario(faults())
export const recordsWipe = scenario(wipe())
