/** Measures searches while one neighbour sends a hundred times as many queries as all other nodes. */
import type { NodeId } from '../../../src/base/ids.ts'
import { Random } from '../../../src/base/random.ts'
import type { Query } from '../../../src/wire/gnutella/search.ts'
import { askAll, drawQuestions, Large, largeLibrary } from './large.ts'
import { quantile } from './modes.ts'
import { drawId, firstHitMs, succeeded } from './searches.ts'
import type { SearchNet, SearchNode } from './world.ts'

export interface LoadRow {
  readonly when: string
  readonly success: number
  readonly p50Ms: number
  readonly p95Ms: number
}

/** A smaller world: the load of one neighbour matters here, not how far its queries spread. */
const NODES = 100
const FILES = 10_000
const VOCABULARY = 4_000
const SEARCHES = 100
const EVERY_MS = 200
const FACTOR = 100

/** The same searches of other nodes, without the overload and with it. */
export function loadFigures(seed: number): LoadRow[] {
  const library = largeLibrary(seed, { nodes: NODES, files: FILES, copiesMax: NODES, vocabulary: VOCABULARY })
  const large = new Large({ seed, library, settings: {} })
  large.settle()
  const random = Random.from(`shoal/sim/questions/${seed}`)
  const questions = drawQuestions(random, library, SEARCHES).filter(({ origin }) => origin !== 0)
  const play = (when: string): LoadRow => {
    const asked = askAll(large.net, questions, { everyMs: EVERY_MS }).filter(one => one !== undefined)
    const times = asked.map(firstHitMs).filter(ms => ms !== undefined)
    const success = asked.filter(succeeded).length / asked.length
    return { when, success, p50Ms: quantile(times, 0.5), p95Ms: quantile(times, 0.95) }
  }
  const before = play('without it')
  const flooder = new Flooder(large.net, large.net.world.node(0), random)
  flooder.begin({ perSecond: (FACTOR * 1_000) / EVERY_MS, forMs: SEARCHES * EVERY_MS })
  return [before, play(`while it sends ${(FACTOR * 1_000) / EVERY_MS} a second`)]
}

/** Sends new queries to its neighbours without a `Search` machine, and ignores all answers. */
export class Flooder {
  private readonly net: SearchNet
  private readonly random: Random
  readonly node: SearchNode
  /** The number of queries sent to each neighbour. */
  sent = 0

  constructor(net: SearchNet, node: SearchNode, random: Random) {
    this.net = net
    this.node = node
    this.random = random
  }

  /** Sends for `forMs` from now on, also to nodes that ended the connection. */
  begin({ perSecond, forMs }: { perSecond: number; forMs: number }): void {
    const { world } = this.net
    const victims = this.node.machine.neighbours().map(({ id }) => id)
    const untilMs = world.timeMs + forMs
    const next = (): void => {
      if (world.timeMs >= untilMs) return
      this.ask(victims)
      world.at(world.timeMs + 1_000 / perSecond, next)
    }
    next()
  }

  private ask(victims: readonly NodeId[]): void {
    this.sent++
    const { world, library, settings } = this.net
    const filter = { type: undefined, minBytes: undefined, maxBytes: undefined }
    const query = { text: library.drawText(this.random), content: undefined, filter }
    for (const victim of victims) {
      const id = drawId(this.random)
      const message: Query = { kind: 'query', id, ttl: settings.ttl, hops: 0, query, trace: false, asked: [] }
      const node = world.nodeOf(victim)
      if (node?.isUp === true)
        world.call(node, (machine, now) => machine.receive(this.node.contact, 'stream', message, now))
    }
  }
}
