/** Exchange machines in a simulated world with one or two contents, and owners that act like a node. */
import type { Bitfield } from '../../src/base/bitfield.ts'
import { sha256Hex, utf8 } from '../../src/base/bytes.ts'
import type { ContentId } from '../../src/base/ids.ts'
import type { ExchangeCommand, ExchangeEvent } from '../../src/core/exchange/contract.ts'
import { Exchange } from '../../src/core/exchange/exchange.ts'
import { exchangeDefaults, type ExchangeSettings } from '../../src/core/exchange/settings.ts'
import { Blocks } from '../../src/sim/outside/blocks.ts'
import type { NetworkSettings } from '../../src/sim/network/network.ts'
import type { SimNode } from '../../src/sim/node.ts'
import { World } from '../../src/sim/world.ts'
import { exchangeMessage, type ExchangeMessage } from '../../src/wire/exchange.ts'
import type { Layout } from '../../src/wire/bittorrent/layout.ts'

export type ExchangeWorld = World<ExchangeMessage, ExchangeCommand, ExchangeEvent, Exchange>
export type ExchangeNode = SimNode<Exchange>

export interface SwarmSettings {
  readonly seed: number | string
  readonly uplinkBytesPerSecond: number
  readonly settings?: Partial<ExchangeSettings>
  readonly network?: Partial<NetworkSettings>
  readonly traceLines?: number
}

/** The links have no rate limit, because `Blocks` models the uplink. */
const LINK_BYTES_PER_SECOND = 1e12

export class Swarm {
  readonly world: ExchangeWorld
  readonly blocks: Blocks<ExchangeMessage, ExchangeEvent, Exchange>
  readonly events: Array<{ node: ExchangeNode; event: ExchangeEvent; atMs: number }> = []
  /** The contents that the owner of each node seeds or downloads after every start. */
  private readonly wishes = new Map<ExchangeNode, Map<ContentId, 'seed' | 'get'>>()
  /** Stands in for the provider records: the announcements of each node. */
  private readonly providers = new Map<ContentId, Map<ExchangeNode, 'part' | 'all'>>()
  private readonly layouts = new Map<ContentId, Layout>()

  constructor(options: SwarmSettings) {
    const settings = { ...exchangeDefaults, ...options.settings }
    const { inFlightBytesMax } = settings
    this.blocks = new Blocks(options.seed, { inFlightBytesMax, uplinkBytesPerSecond: options.uplinkBytesPerSecond })
    this.world = new World({
      seed: options.seed,
      create: birth => new Exchange(birth, { settings }, birth.now),
      codec: exchangeMessage,
      outside: this.blocks,
      network: { uplinkBytesPerSecond: LINK_BYTES_PER_SECOND, ...options.network },
      ...(options.traceLines === undefined ? {} : { traceLines: options.traceLines }),
      checkers: [{ started: (_, node) => this.started(node) }],
      onEvent: (_, node, event) => {
        this.events.push({ node, event, atMs: this.world.timeMs })
        this.hear(node, event)
      }
    })
  }

  /** Publishes a content with this layout. Its id is derived from the name. */
  content(name: string, layout: Layout): ContentId {
    const content = sha256Hex(utf8(name)) as ContentId
    this.layouts.set(content, layout)
    this.blocks.publish(content, layout)
    return content
  }

  private wish(node: ExchangeNode, content: ContentId, wish: 'seed' | 'get'): void {
    const wishes = this.wishes.get(node) ?? new Map<ContentId, 'seed' | 'get'>()
    this.wishes.set(node, wishes.set(content, wish))
    if (node.process !== 'off') this.ask(node, content, wish)
  }

  seed(node: ExchangeNode, content: ContentId): void {
    this.blocks.leaves(node, content).fill()
    this.wish(node, content, 'seed')
  }

  /** `wanted` restricts the download to some pieces. */
  get(node: ExchangeNode, content: ContentId, wanted?: Bitfield): void {
    this.blocks.leaves(node, content, wanted)
    this.wish(node, content, 'get')
  }

  private ask(node: ExchangeNode, content: ContentId, wish: 'seed' | 'get'): void {
    this.world.call(node, (machine, now) => {
      if (wish === 'seed') machine.seed(content, this.layouts.get(content)!, now)
      else machine.get(content, now)
    })
    if (wish === 'seed') this.announced(content).set(node, 'all')
  }

  private started(node: ExchangeNode): undefined {
    const boot = node.boots
    this.world.at(this.world.timeMs, () => {
      for (const [content, wish] of this.wishes.get(node) ?? []) {
        const { finished, wanted } = this.blocks.leaves(node, content)
        const now = finished && wanted.full ? 'seed' : wish
        if (node.boots === boot && node.process !== 'off') this.ask(node, content, now)
      }
    })
  }

  /** What the node announced for the content. */
  announcedBy(node: ExchangeNode, content: ContentId): 'none' | 'part' | 'all' {
    return this.announced(content).get(node) ?? 'none'
  }

  private announced(content: ContentId): Map<ExchangeNode, 'part' | 'all'> {
    const known = this.providers.get(content) ?? new Map<ExchangeNode, 'part' | 'all'>()
    this.providers.set(content, known)
    return known
  }

  private hear(node: ExchangeNode, event: ExchangeEvent): void {
    if (event.kind === 'announce') {
      if (event.held === 'none') this.announced(event.content).delete(node)
      else this.announced(event.content).set(node, event.held)
    } else if (event.kind === 'wanted-providers') {
      const contacts = [...this.announced(event.content).keys()].filter(one => one !== node).map(one => one.contact)
      this.world.call(node, (machine, now) => {
        machine.sources(event.content, contacts, now)
      })
    }
  }

  /** Judged by the contents of its disk. */
  hasFinished(node: ExchangeNode, content: ContentId): boolean {
    return this.blocks.leaves(node, content).finished
  }

  completedMs(node: ExchangeNode): number | undefined {
    return this.events.find(one => one.node === node && one.event.kind === 'complete')?.atMs
  }
}
