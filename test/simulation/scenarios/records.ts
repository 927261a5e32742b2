/**
 * Provider records on the ring. `records-faults`: an acknowledged record is never lost while fewer than k of its
 * holders are down; within 60 s without faults every record is on its replicas and found from every node.
 * `records-wipe`: nodes lose their disks, one or two at a time, with time to replicate in between, and no
 * acknowledged record is lost.
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
/** The time between two losses of a disk. It is enough for the verdict, the stabilisation and the replication. */
const REPLICATE_MS = 25_000

interface Said {
  readonly provider: Node
  readonly key: Key
  held: Held
  /** Undefined until the claim is acknowledged. */
  sequence: number | undefined
  /** Whether the provider went down before the acknowledgement. It may then have lost the claim. */
  interrupted: boolean
  /** The number of holders at the acknowledgement: k, or fewer when the provider and the owner knew fewer members. */
  acks: number
}

/** Records the latest claims of providers, and checks that no acknowledged one is lost. */
class Acked implements Checker<RecordsWorld, Node, BothEvent> {
  readonly everyMs = 1_000
  readonly said = new Map<string, Said>()
  /** The records on the disks of the nodes that are down. */
  private readonly down = new Map<Node, Set<string>>()

  say(world: RecordsWorld, provider: Node, key: Key, held: Held): void {
    const name = `${key}/${provider.id}`
    // A provider that lost its claim has nothing to withdraw and emits no event.
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

  /** The process has already ended, so its records are read from the disk. */
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
      const claim = `sequence ${sequence} of ${provider.name} for ${key.slice(0, 8)}`
      const detail = `${claim}: no holder runs, but only ${down.join(' ')} of its holders are down`
      return { property: 'acked-record', detail }
    }
    return undefined
  }

  /**
   * Whether the record may exist or not: it was not acknowledged by k nodes while its provider was up, or the provider
   * may have lost it, or all nodes that acknowledged it are down.
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

/** Some nodes publish or withdraw records for some keys, at random times within the period. */
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

/** Requires one ring, with every record on all its replicas and found from every node. */
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
    if (sequence === undefined) return `${provider.name} has no acknowledgement for ${key.slice(0, 8)} (${held})`
    const first = all.findIndex(node => node.place >= key)
    for (let i = 0; i < Math.min(K, all.length); i++) {
      const name = all[(Math.max(0, first) + i) % all.length]!.name
      if (running.get(name)?.running?.records.holds(key, provider.id, sequence) === true) continue
      return `${name} lacks the record of ${provider.name} for ${key.slice(0, 8)}`
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
  for (const id of found.keys()) if (!acked.said.has(`${key}/${id}`)) return 'a provider that never published'
  return undefined
}

const someKeys = (world: RecordsWorld): Key[] => Array.from({ length: 16 }, () => keyOf(world.random.bytes(32)))

const faults = (): RecordsSpec => {
  let acked = new Acked()
  let heard: Heard = new Map()
  return {
    name: 'records-faults',
    about: 'loss, splits, pauses, crashes, restarts, false verdicts: no acknowledged record is lost',
    build: seed => build(seed, (acked = new Acked()), (heard = new Map() as Heard)),
    play: world => {
      const oracle: RecordsOracle = new Oracle(world)
      const keys = someKeys(world)
      startMany(world, oracle, world.random.chance(0.4) ? 5 + world.random.below(5) : 5 + world.random.below(26))
      // A write may take more than a second on some disks, so that crashes happen during writes.
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
    about: 'nodes lose their disks, fewer than k at once: other nodes replicate their records before the next loss',
    build: seed => build(seed, (acked = new Acked()), (heard = new Map() as Heard)),
    play: world => {
      const oracle: RecordsOracle = new Oracle(world)
      const keys = someKeys(world)
      startMany(world, oracle, 7 + world.random.below(18))
      publishSome(world, acked, keys, 4_000)
      world.run(20_000)
      for (let i = 0; i < 4; i++) {
        const running = world.nodes.filter(node => node.process === 'running')
        // With at most k nodes there is no other node to replicate to.
        const victims = running.length < 2 * K ? [] : world.random.sample(running, 1 + world.random.below(K - 1))
        for (const victim of victims) {
          world.fault(`${victim.name} dies and loses its disk`)
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
