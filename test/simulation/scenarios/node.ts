/**
 * Whole nodes, all rooms together: membership by gossip alone, ring and records by what membership says, downloads from whom
 * the records name. Nodes crash with their hosts, restart (some at a new address), pause, and are cut off from each other under
 * loss. Within 60 s of quiet: `one-membership`, `one-ring`, `records-found` (every holder of every content, from everywhere);
 * and every download that was begun `completes`. What io finds (`no-wrong-byte`, `synced-kept`, …) holds throughout.
 */
import { sha256Hex, utf8 } from '../../../src/base/bytes.ts'
import { contentKey, type ContentId, type NodeId } from '../../../src/base/ids.ts'
import type { ExchangeCommand } from '../../../src/core/exchange/contract.ts'
import { nodeMessage, type NodeMessage } from '../../../src/core/node/envelope.ts'
import { Node as Machine, type NodeEvent } from '../../../src/core/node/node.ts'
import { settingsOf } from '../../../src/core/node/settings.ts'
import { Blocks } from '../../../src/sim/blocks.ts'
import { drawPlan, unleash } from '../../../src/sim/faults.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { scenario, type Outcome, type Scenario } from '../../../src/sim/scenario.ts'
import { World } from '../../../src/sim/world.ts'
import { Layout } from '../../../src/wire/layout.ts'
import { OVERLAY_SETTINGS_DEFAULT } from '../../../src/wire/ticket.ts'
import { viewsDiffer } from '../support/views.ts'
import { disorder, ringNodes } from '../support/ring-checks.ts'

type NodeWorld = World<NodeMessage, ExchangeCommand, NodeEvent, Machine>
type Node = SimNode<Machine>

const KIB = 1_024
const NODES_MIN = 5
const NODES_MAX = 10
/** One run in so many is of a large group, with fewer faults. */
const LARGE_EVERY = 12
const LARGE_NODES_MAX = 32
const LOSS_MAX = 0.3
const LARGE_LOSS_MAX = 0.05
const FAULTS_MS = 20_000
const LARGE_FAULTS_MS = 8_000
/** What the protocols promise. */
const QUIET_MS = 60_000
/** A source that was missed is asked again after at most a minute, and then it has to come. */
const DOWNLOAD_MS = 120_000
const UPLINK_BYTES_PER_SECOND = 4_000_000
const LINK_BYTES_PER_SECOND = 1e12
const SETTINGS = settingsOf({ ...OVERLAY_SETTINGS_DEFAULT, preset: 'lan' }, { uploadsMax: 8 })

/** A world, what its nodes share and fetch, and what they heard. */
class Shoal {
  readonly world: NodeWorld
  readonly blocks: Blocks<NodeMessage, NodeEvent, Machine>
  readonly contents = new Map<ContentId, Layout>()
  private readonly wishes = new Map<Node, Set<ContentId>>()
  private readonly heard = new Map<string, readonly NodeId[]>()

  constructor(seed: number) {
    const { inFlightBytesMax } = SETTINGS.exchange
    this.blocks = new Blocks(seed, {
      inFlightBytesMax,
      uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND,
      keyPrefix: 'exchange/'
    })
    this.world = new World<NodeMessage, ExchangeCommand, NodeEvent, Machine>({
      seed,
      codec: nodeMessage,
      create: birth => new Machine(birth, { name: birth.self.id.slice(0, 6), settings: SETTINGS }, birth.now),
      outside: this.blocks,
      network: { uplinkBytesPerSecond: LINK_BYTES_PER_SECOND },
      checkers: [{ started: (_world, node) => this.started(node) }],
      onEvent: (_world, node, event) => {
        if (event.room === 'records' && event.event.kind === 'providers') {
          const { request, providers } = event.event
          this.heard.set(
            `${node.name}/${request}`,
            providers.map(one => one.provider)
          )
        }
      }
    })
  }

  /** As a daemon starts: with the contact of a ticket, and what it shares and fetches. */
  private started(node: Node): void {
    const boot = node.boots
    this.world.at(this.world.timeMs, () => {
      if (node.boots !== boot || node.process === 'off') return
      const first = this.world.node(0)
      this.world.call(node, (machine, now) => machine.start(first === node ? [] : [first.contact], now))
      for (const content of this.wishes.get(node) ?? []) this.ask(node, content)
    })
  }

  /** A content that the node has from the start. */
  share(node: Node, name: string, layout: Layout): ContentId {
    const content = sha256Hex(utf8(name)) as ContentId
    this.contents.set(content, layout)
    this.blocks.publish(content, layout)
    this.blocks.leaves(node, content).fill()
    this.wish(node, content)
    return content
  }

  fetch(node: Node, content: ContentId): void {
    this.blocks.leaves(node, content)
    this.wish(node, content)
  }

  private wish(node: Node, content: ContentId): void {
    const wishes = this.wishes.get(node) ?? new Set()
    this.wishes.set(node, wishes.add(content))
    if (node.process !== 'off') this.ask(node, content)
  }

  private ask(node: Node, content: ContentId): void {
    const layout = this.contents.get(content)!
    this.world.call(node, (machine, now) => {
      machine.call(it => {
        if (this.blocks.leaves(node, content).finished) it.seed(content, layout, now)
        else it.exchange.get(content, now)
      }, now)
    })
  }

  holders(content: ContentId): Node[] {
    return [...this.wishes].flatMap(([node, wishes]) => (wishes.has(content) ? [node] : []))
  }

  unfinished(): string | undefined {
    for (const [node, wishes] of this.wishes) {
      for (const content of wishes) {
        if (!node.isUp || this.blocks.leaves(node, content).finished) continue
        const progress = node.machine.exchange.progress(content, node.clock.now(this.world.timeMs))
        return `${node.name} is not done with ${content.slice(0, 8)}: ${JSON.stringify(progress)}`
      }
    }
    return undefined
  }

  /** Everybody asks for the providers of everything. */
  lookForAll(): string | undefined {
    const { world } = this
    const asked: Array<{ name: string; content: ContentId }> = []
    for (const node of world.nodes.filter(one => one.isUp)) {
      for (const content of this.contents.keys()) {
        world.call(node, (machine, now) => {
          const request = machine.call(it => it.records.find(contentKey(content), now), now)
          asked.push({ name: `${node.name}/${request}`, content })
        })
      }
    }
    world.runUntil(() => asked.every(({ name }) => this.heard.has(name)), 20_000)
    for (const { name, content } of asked) {
      const found = this.heard.get(name)
      const missing = this.holders(content).find(node => node.isUp && found?.includes(node.id) !== true)
      if (missing !== undefined) {
        return `${name} for ${content.slice(0, 8)}: ${found === undefined ? 'no answer' : `${missing.name} is not among the providers`}`
      }
    }
    return undefined
  }
}

function drawLayout({ world: { random } }: Shoal): Layout {
  return new Layout(16 * KIB * 2 ** random.below(4), [random.below(40 * KIB), random.below(1_000 * KIB) + 1])
}

function play(shoal: Shoal): void {
  const { world } = shoal
  const { random } = world
  const large = random.below(LARGE_EVERY) === 0
  const nodes = world.startMany(NODES_MIN + random.below((large ? LARGE_NODES_MAX : NODES_MAX) - NODES_MIN + 1))
  world.run(2_000)
  for (let i = 0; i < 3; i++) {
    const [holder, ...others] = random.sample(nodes, 4)
    const content = shoal.share(holder!, `content ${i}`, drawLayout(shoal))
    for (const other of others) shoal.fetch(other, content)
  }
  const forMs = large ? LARGE_FAULTS_MS : FAULTS_MS
  const lossMax = large ? LARGE_LOSS_MAX : LOSS_MAX
  world.network.weather({ loss: random.unit() * lossMax })
  unleash(world, drawPlan(random, nodes.length, { forMs, downMax: Math.ceil(nodes.length / 3), lossMax }))
  world.run(forMs)
  world.calm()
  settle(shoal)
}

function settle(shoal: Shoal): void {
  const { world } = shoal
  const views = (): string | undefined => viewsDiffer(world.nodes, machine => machine.membership)
  const ring = (): string | undefined => disorder(ringNodes(world.nodes, machine => machine.ring))
  world.settle(() => views() === undefined && ring() === undefined, { everyMs: 500, limitMs: QUIET_MS })
  world.require(views() === undefined, 'one-membership', `${views()} after ${QUIET_MS / 1_000} s of quiet`)
  world.require(ring() === undefined, 'one-ring', `${ring()} after ${QUIET_MS / 1_000} s of quiet`)
  world.settle(() => shoal.unfinished() === undefined, { everyMs: 500, limitMs: DOWNLOAD_MS })
  world.require(shoal.unfinished() === undefined, 'completes', shoal.unfinished() ?? '')
  // What the last download published.
  world.run(5_000)
  const lost = shoal.lookForAll()
  world.require(lost === undefined, 'records-found', lost ?? '')
}

export const node: Scenario = {
  name: 'node',
  about: 'whole nodes: one membership, one ring, all records and downloads after 60 s of quiet',
  share: 1,
  run: (seed): Outcome => {
    const shoal = new Shoal(seed)
    return scenario({ name: 'node', about: node.about, build: () => shoal.world, play: () => play(shoal) }).run(seed)
  }
}
