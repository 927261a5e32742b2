/**
 * Whole nodes with all machines: membership by gossip, ring and records driven by membership, downloads from the
 * providers in the records, searches over neighbours. Hosts crash, restart (some at a new address), pause, and are
 * partitioned under loss. Within 60 s without faults: `one-membership`, `one-ring`, `records-found` and `words-found`
 * (every node finds every holder of every content), and every started download `completes`. The properties that io
 * checks (`no-wrong-byte`, `synced-kept`, …) hold throughout.
 *
 * `push`: one node cannot be dialled. Downloads of its content still complete, because search asks it to dial:
 * `completes`.
 */
import { sha256Hex, utf8 } from '../../../src/base/bytes.ts'
import { wordsOf } from '../../../src/wire/gnutella/words.ts'
import { contentKey, type ContentId, type NodeId } from '../../../src/base/ids.ts'
import type { SearchCommand } from '../../../src/core/search/contract.ts'
import { nodeCodec, type NodeMessage } from '../../../src/core/node/envelope.ts'
import { Node as Machine, type NodeCommand, type NodeEvent } from '../../../src/core/node/node.ts'
import { settingsOf } from '../../../src/core/node/settings.ts'
import { Blocks } from '../../../src/sim/outside/blocks.ts'
import { drawPlan, unleash } from '../../../src/sim/faults.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { scenario, type Outcome, type Scenario } from '../../../src/sim/scenario.ts'
import { World } from '../../../src/sim/world.ts'
import { Layout } from '../../../src/wire/bittorrent/layout.ts'
import { QrpTable } from '../../../src/wire/gnutella/qrp.ts'
import type { SearchResult } from '../../../src/wire/gnutella/search.ts'
import { OVERLAY_SETTINGS_DEFAULT } from '../../../src/wire/ticket.ts'
import { viewsDiffer } from '../support/views.ts'
import { disorder, ringNodes } from '../support/ring-checks.ts'

type NodeWorld = World<NodeMessage, NodeCommand, NodeEvent, Machine>
type Node = SimNode<Machine>

const KIB = 1_024
const NODES_MIN = 5
const NODES_MAX = 10
/** One of this many runs has a large group and fewer faults. */
const LARGE_EVERY = 12
const LARGE_NODES_MAX = 32
const LOSS_MAX = 0.3
const LARGE_LOSS_MAX = 0.05
const FAULTS_MS = 20_000
const LARGE_FAULTS_MS = 8_000
/** The time within which the protocols recover. */
const QUIET_MS = 60_000
/** A missed source is asked again within a minute, and then the download must finish. */
const DOWNLOAD_MS = 120_000
/** An unanswered dial takes 5 s, an unanswered request too; then follow a push and its dial back. */
const PUSH_MS = 30_000
const UPLINK_BYTES_PER_SECOND = 4_000_000
const LINK_BYTES_PER_SECOND = 1e12
/** FTS5 answers nearly every query within this. */
const MATCH_MS = 1
const SEARCH = { limit: 1_000, timeoutMs: 10_000, trace: false }
const SETTINGS = settingsOf({ ...OVERLAY_SETTINGS_DEFAULT, preset: 'lan' }, { uploadsMax: 8 })

/** A world, the contents that its nodes share and download, and the results of their searches. */
class Shoal {
  readonly world: NodeWorld
  readonly blocks: Blocks<NodeMessage, NodeEvent, Machine, NodeCommand>
  readonly contents = new Map<ContentId, Layout>()
  readonly names = new Map<ContentId, string>()
  private readonly wishes = new Map<Node, Set<ContentId>>()
  /** The holders that each search found, and whether it has ended. */
  private readonly searches = new Map<string, { holders: Set<NodeId>; ended: boolean }>()
  private readonly heard = new Map<string, readonly NodeId[]>()

  constructor(seed: number) {
    const { inFlightBytesMax } = SETTINGS.exchange
    const blocks = new Blocks<NodeMessage, NodeEvent, Machine, NodeCommand>(seed, {
      inFlightBytesMax,
      uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND,
      keyPrefix: 'exchange/'
    })
    this.blocks = blocks
    this.world = new World<NodeMessage, NodeCommand, NodeEvent, Machine>({
      seed,
      codec: nodeCodec,
      create: birth => new Machine(birth, { name: birth.self.id.slice(0, 6), settings: SETTINGS }, birth.now),
      outside: {
        started: (world, node) => blocks.started(world, node),
        ended: (world, node) => blocks.ended(world, node),
        link: (world, node, peer, state) => blocks.link(world, node, peer, state),
        command: (world, node, token, command) => {
          if (command.kind !== 'match') blocks.command(world, node, token, command)
          else
            world.after(MATCH_MS, node, () => world.done(node, token, { ok: true, value: this.match(node, command) }))
        }
      },
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
        if (event.room === 'exchange' && event.event.kind === 'complete') this.index(node)
        if (event.room === 'search' && (event.event.kind === 'hit' || event.event.kind === 'ended')) {
          const search = this.searchOf(node, event.event.search)
          if (event.event.kind === 'hit') search.holders.add(event.event.hit.holder.id)
          else search.ended = true
        }
      }
    })
  }

  /** Starts a node like a daemon: with the contacts of a ticket, its shares and its downloads. */
  private started(node: Node): void {
    const boot = node.boots
    this.world.at(this.world.timeMs, () => {
      if (node.boots !== boot || node.process === 'off') return
      const first = this.world.node(0)
      this.world.call(node, (machine, now) => machine.start(first === node ? [] : [first.contact], now))
      for (const content of this.wishes.get(node) ?? []) this.ask(node, content)
    })
  }

  private searchOf(node: Node, search: number): { holders: Set<NodeId>; ended: boolean } {
    const name = `${node.name}/${node.boots}/${search}`
    const known = this.searches.get(name) ?? { holders: new Set(), ended: false }
    this.searches.set(name, known)
    return known
  }

  private indexed(node: Node): ContentId[] {
    return [...this.names.keys()].filter(
      content => this.wishes.get(node)?.has(content) === true && this.blocks.leaves(node, content).finished
    )
  }

  private match(node: Node, { query }: SearchCommand): SearchResult[] {
    const asked = wordsOf(query.text)
    return this.indexed(node).flatMap(content => {
      const name = this.names.get(content)!
      const words = wordsOf(name)
      const matches = asked.every(word => words.some(one => one.startsWith(word)))
      const isIt = query.content === undefined ? matches : query.content === content
      return isIt ? [{ content, name, path: undefined, bytes: this.contents.get(content)!.bytes }] : []
    })
  }

  private index(node: Node): void {
    const contents = this.indexed(node)
    const words = contents.flatMap(content => [content, ...wordsOf(this.names.get(content)!)])
    this.world.call(node, (machine, now) =>
      machine.call(it => it.search.indexed(QrpTable.of(words), contents.length, 0, now), now)
    )
  }

  /** Adds a content that the node has from the start. */
  share(node: Node, name: string, layout: Layout): ContentId {
    const content = sha256Hex(utf8(name)) as ContentId
    this.contents.set(content, layout)
    this.names.set(content, name)
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
    if (this.blocks.leaves(node, content).finished) this.index(node)
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

  /** Searches from each of these nodes, and waits until all searches end. */
  search(nodes: readonly Node[], text: string): Array<{ node: Node; holders: ReadonlySet<NodeId> }> {
    const query = {
      text,
      content: undefined,
      filter: { type: undefined, minBytes: undefined, maxBytes: undefined }
    }
    const begun = nodes.map(node => {
      let id = 0
      this.world.call(node, (machine, now) => {
        id = machine.call(it => it.search.search(query, SEARCH, now), now)
      })
      return { node, search: this.searchOf(node, id) }
    })
    this.world.runUntil(() => begun.every(({ search }) => search.ended), 2 * SEARCH.timeoutMs)
    this.world.require(
      begun.every(({ search }) => search.ended),
      'search-ends',
      `"${text}"`
    )
    return begun.map(({ node, search }) => ({ node, holders: search.holders }))
  }

  /** Every node looks up the providers of every content. */
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
        const problem = found === undefined ? 'no answer' : `${missing.name} is not among the providers`
        return `${name} for ${content.slice(0, 8)}: ${problem}`
      }
    }
    return undefined
  }
}

function searchAll(shoal: Shoal): string | undefined {
  const { world } = shoal
  const up = world.nodes.filter(one => one.isUp)
  for (const [content, name] of shoal.names) {
    for (const { node, holders } of shoal.search(up, name)) {
      const missing = shoal.holders(content).find(one => one.isUp && !holders.has(one.id))
      if (missing !== undefined) return `${node.name} does not find "${name}" at ${missing.name}`
    }
  }
  return undefined
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
  // Waits for the records that the last download published.
  world.run(5_000)
  const lost = shoal.lookForAll()
  world.require(lost === undefined, 'records-found', lost ?? '')
  let hidden = searchAll(shoal)
  // Waits until nodes have new neighbours, and until route tables have travelled two hops.
  for (const endMs = world.timeMs + QUIET_MS; hidden !== undefined && world.timeMs < endMs; hidden = searchAll(shoal))
    world.run(2_000)
  world.require(hidden === undefined, 'words-found', hidden ?? '')
}

/** Only the shielded node has the content, and it dials no other node for it on its own. */
function playPush(shoal: Shoal): void {
  const { world } = shoal
  const { random } = world
  const nodes = world.startMany(NODES_MIN + 8 + random.below(NODES_MAX))
  const [shielded, ...others] = random.sample(nodes.slice(1), 3)
  world.network.shield(shielded!.index)
  world.run(10_000)
  const content = shoal.share(shielded!, 'hidden treasure', drawLayout(shoal))
  world.run(5_000)
  for (const other of others) shoal.fetch(other, content)
  world.settle(() => shoal.unfinished() === undefined, { everyMs: 500, limitMs: PUSH_MS })
  world.require(shoal.unfinished() === undefined, 'completes', shoal.unfinished() ?? '')
}

export const node: Scenario = {
  name: 'node',
  about: 'whole nodes: one membership, one ring, all records and downloads after 60 s without faults',
  share: 1,
  run: (seed): Outcome => {
    const shoal = new Shoal(seed)
    return scenario({ name: 'node', about: node.about, build: () => shoal.world, play: () => play(shoal) }).run(seed)
  }
}

export const push: Scenario = {
  name: 'push',
  about: 'whole nodes, one of which cannot be dialled: downloads from it complete within 30 s',
  share: 1,
  run: (seed): Outcome => {
    const shoal = new Shoal(seed)
    return scenario({ name: 'push', about: push.about, build: () => shoal.world, play: () => playPush(shoal) }).run(
      seed
    )
  }
}
