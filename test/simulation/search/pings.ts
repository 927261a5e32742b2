/** Measures the share of pings and pongs among all messages, with the pong cache and without it. */
import type { NodeId } from '../../../src/base/ids.ts'
import { Random } from '../../../src/base/random.ts'
import type { SearchMessage } from '../../../src/wire/gnutella/search.ts'
import { askAll, drawQuestions, Large } from './large.ts'
import type { Library } from './library.ts'
import type { SearchNet, SearchNode, Tap } from './world.ts'

class KindCounts implements Tap {
  private readonly sentOf = new Map<SearchMessage['kind'], number>()
  private readonly forMs: number

  constructor(forMs: number) {
    this.forMs = forMs
  }

  received(): void {
    // Counted at the sender only.
  }

  sent(_node: SearchNode, _to: NodeId, { kind }: SearchMessage): void {
    this.sentOf.set(kind, (this.sentOf.get(kind) ?? 0) + 1)
  }

  perSecond(kind: SearchMessage['kind']): number {
    return ((this.sentOf.get(kind) ?? 0) * 1_000) / this.forMs
  }
}

/** Messages per second of all nodes. */
export interface PingRates {
  readonly pings: number
  readonly pongs: number
}

export interface PingFigures {
  readonly queries: number
  readonly answers: number
  readonly cached: PingRates
  /** As in 0.4: each node floods pings as often as it sends wide pings with the cache. */
  readonly flooded: PingRates
}

/** The interval between two searches of one node. */
export const SEARCH_EVERY_MS = 300_000
const QUERIES_FOR_MS = 20_000
const FLOODED_FOR_MS = 10_000

export function pingFigures({ seed, library }: { seed: number; library: Library }): PingFigures {
  const settings = { mode: 'flood', tableHops: 0, tellAsked: false } as const
  const large = new Large({ seed, library, settings })
  large.settle()
  const { pingMs, wideEvery } = large.net.settings
  const periodMs = pingMs * wideEvery
  const cached = ratesOf(large.net, periodMs)
  return { cached: pingRates(cached), ...searchRates(large.net, seed), flooded: flooded({ seed, library, periodMs }) }
}

/** Counts sent messages by kind. */
function ratesOf(net: SearchNet, forMs: number, meanwhile = () => net.world.run(forMs)): KindCounts {
  const counts = new KindCounts(forMs)
  net.taps.push(counts)
  meanwhile()
  net.taps.splice(net.taps.indexOf(counts), 1)
  return counts
}

function pingRates(counts: KindCounts): PingRates {
  return { pings: counts.perSecond('ping'), pongs: counts.perSecond('pong') }
}

function searchRates(net: SearchNet, seed: number): { queries: number; answers: number } {
  const everyMs = SEARCH_EVERY_MS / net.world.nodes.length
  const random = Random.from(`shoal/sim/questions/${seed}`)
  const questions = drawQuestions(random, net.library, Math.round(QUERIES_FOR_MS / everyMs))
  const counts = ratesOf(net, QUERIES_FOR_MS, () => void askAll(net, questions, { everyMs }))
  return { queries: counts.perSecond('query'), answers: counts.perSecond('query-hit') }
}

/**
 * All nodes joined at once, so their first pings are uniformly within a quarter of the interval around it. A window of
 * half that interval, which starts at three quarters of it, contains one ping of each node.
 */
function flooded({ seed, library, periodMs }: { seed: number; library: Library; periodMs: number }): PingRates {
  const pingMs = 2 * periodMs
  const settings = { mode: 'flood', tableHops: 0, tellAsked: false, pongCache: false, wideEvery: 1, pingMs } as const
  const { net } = new Large({ seed, library, settings })
  net.world.run(0.75 * pingMs + 5_000 - net.world.timeMs)
  return pingRates(ratesOf(net, FLOODED_FOR_MS))
}
