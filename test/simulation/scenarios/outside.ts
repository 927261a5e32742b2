/**
 * Properties of the simulator itself, checked with the toy machine: streams are ordered and complete between up and
 * down, confirmed writes survive every crash, clocks never go back, and after `calm` all nodes reach each other.
 */
import { ALL_FAULTS, drawPlan, unleash } from '../../../src/sim/faults.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import type { Checker, Violation } from '../../../src/sim/failure.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { scenario } from '../../../src/sim/scenario.ts'
import { World } from '../../../src/sim/world.ts'
import { savesOn, Toy, toyMessage, type DiaryEntry, type ToyCommand, type ToyEvent, type ToyMessage } from '../toy.ts'

export type ToyWorld = World<ToyMessage, ToyCommand, ToyEvent, Toy>
type ToyChecker = Checker<ToyWorld, SimNode<Toy>, ToyEvent>

/** Each sender numbers its stream messages, so a gap or a decrease within one link is a violation. */
class OrderedStreams implements ToyChecker {
  private readonly read = new Map<Toy, { length: number; last: Map<NodeId, DiaryEntry> }>()

  afterEvent(_world: ToyWorld, node: SimNode<Toy>): Violation | undefined {
    const { diary } = node.machine
    let read = this.read.get(node.machine)
    if (read === undefined) this.read.set(node.machine, (read = { length: 0, last: new Map() }))
    for (; read.length < diary.length; read.length++) {
      const entry = diary[read.length]!
      const before = read.last.get(entry.peer)
      read.last.set(entry.peer, entry)
      if (!follows(before, entry)) {
        return {
          property: 'ordered-streams',
          detail: `${node.name}: ${JSON.stringify(entry)} after ${JSON.stringify(before)}`
        }
      }
    }
    return undefined
  }
}

function follows(before: DiaryEntry | undefined, entry: DiaryEntry): boolean {
  const wasUp = before !== undefined && (before.kind === 'number' || before.state === 'up')
  // A failed dial reports down for a link that was never up.
  if (entry.kind === 'link') return entry.state === 'down' || !wasUp
  return wasUp && (before.kind === 'link' || entry.value === before.value + 1)
}

/** A confirmed save survives, and no save appears that was never begun. */
class SafeWrites implements ToyChecker {
  private readonly safe = new Map<SimNode<Toy>, number>()
  private readonly tried = new Map<SimNode<Toy>, number>()

  emitted(_world: ToyWorld, node: SimNode<Toy>, event: ToyEvent): undefined {
    if (event.kind === 'saved') this.safe.set(node, event.count)
  }

  afterEvent(_world: ToyWorld, node: SimNode<Toy>): undefined {
    this.tried.set(node, node.machine.saves)
  }

  started(world: ToyWorld, node: SimNode<Toy>): void {
    const found = savesOn(node.disk.contents())
    const safe = this.safe.get(node) ?? 0
    const tried = this.tried.get(node) ?? 0
    const detail = `${node.name} finds save ${found}; ${safe} was confirmed, ${tried} was begun`
    world.require(safe <= found && found <= tried, 'safe-writes', detail)
  }
}

const NODES_MIN = 3
const NODES_MAX = 8
const FAULTS_MS = 20_000
const QUIET_MS = 10_000

export const outside = scenario<ToyMessage, ToyCommand, ToyEvent, Toy>({
  name: 'outside',
  about: 'the simulated network, disks and clocks work as specified',
  build: seed =>
    new World({
      seed,
      create: birth => new Toy(birth),
      codec: toyMessage,
      network: { loss: 0.02 },
      checkers: [new OrderedStreams(), new SafeWrites()]
    }),
  play: world => {
    const nodes = world.startMany(NODES_MIN + world.random.below(NODES_MAX - NODES_MIN + 1))
    unleash(
      world,
      drawPlan(world.random, nodes.length, {
        forMs: FAULTS_MS,
        everyMs: 1_000,
        weights: { ...ALL_FAULTS, 'full-disk': 1 }
      })
    )
    for (const node of nodes) keepBusy(world, node)
    world.run(FAULTS_MS)
    world.calm()
    for (const node of nodes) node.machine.pongs.clear()
    world.run(QUIET_MS)
    for (const node of nodes) {
      const silent = nodes.filter(other => other !== node && !node.machine.pongs.has(other.id))
      world.require(
        silent.length === 0,
        'all-heard',
        `${node.name} receives nothing from ${silent.map(({ name }) => name).join()}`
      )
    }
  }
})

/** Sends pings, stream messages and saves until the end of the run, after every start of the node. */
function keepBusy(world: ToyWorld, node: SimNode<Toy>): void {
  const act = (): void => {
    world.at(world.timeMs + world.random.range(1, 200), act)
    if (node.process === 'off') return
    world.call(node, (toy, now) => {
      const others = world.nodes.filter(other => other !== node)
      if (toy.nextWake() === undefined)
        toy.pingEvery(
          100,
          others.map(({ contact }) => contact),
          now
        )
      const peer = world.random.pick(others)
      if (peer !== undefined) toy.streamNext(peer.contact)
      toy.save()
    })
  }
  act()
}
