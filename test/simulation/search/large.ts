/** A world of a thousand nodes and the searches of their owners, for the figures of `npm run sim -- search`. */
import type { SearchOptions } from '../../../src/core/search/contract.ts'
import type { SearchSettings } from '../../../src/core/search/settings.ts'
import { Random } from '../../../src/base/random.ts'
import { Herald } from './herald.ts'
import { Library, type LibrarySettings } from './library.ts'
import type { Asked } from './searches.ts'
import { SearchNet, type SearchNetSettings } from './world.ts'

export const LARGE_NODES = 1_000
export const LARGE_FILES = 100_000
/** The number of distinct words of all names. */
const LARGE_VOCABULARY = 20_000
/** The one-way latency of a pair. */
export const LATENCY_MS = { latencyMinMs: 5, latencyMaxMs: 50 }
/** The time until all nodes have enough neighbours and have exchanged route tables. */
const SETTLE_MS = 30_000
const JOINING_MS = 2_000

export function largeLibrary(seed: number, settings: Partial<LibrarySettings> = {}): Library {
  const all = { nodes: LARGE_NODES, files: LARGE_FILES, copiesMax: LARGE_NODES, vocabulary: LARGE_VOCABULARY }
  return new Library(Random.from(`shoal/sim/library/${seed}`), { ...all, ...settings })
}

export interface LargeSettings {
  readonly seed: number
  readonly library: Library
  readonly settings: Partial<SearchSettings>
  readonly joiningMs?: number
  readonly matchMs?: number
}

/** A world whose nodes join one after the other. Messages are not encoded. */
export class Large {
  readonly net: SearchNet
  readonly herald: Herald

  constructor({ joiningMs = JOINING_MS, ...settings }: LargeSettings) {
    const all: SearchNetSettings = { ...settings, network: LATENCY_MS, encode: false, traceLines: 0 }
    this.net = new SearchNet(all)
    const { world } = this.net
    this.herald = new Herald(world)
    const { nodes } = settings.library.settings
    for (let i = 0; i < nodes; i++) {
      const node = world.add()
      world.at((i / nodes) * joiningMs, () => this.herald.start(node))
    }
    world.run(joiningMs)
  }

  settle(): void {
    this.net.world.run(SETTLE_MS)
  }
}

/** A search of one owner. */
export interface Question {
  readonly origin: number
  readonly text: string
}

/** Draws searches. No node searches for a file that it holds itself. */
export function drawQuestions(random: Random, library: Library, count: number): Question[] {
  const questions: Question[] = []
  while (questions.length < count) {
    const text = library.drawText(random)
    const origin = random.below(library.settings.nodes)
    if (!library.find(text).has(origin)) questions.push({ origin, text })
  }
  return questions
}

/**
 * Runs the searches one after the other at random times, and skips those of nodes that are down. Returns when all
 * ended.
 */
export function askAll(
  net: SearchNet,
  questions: readonly Question[],
  { everyMs, ...options }: Partial<SearchOptions> & { everyMs: number }
): Array<Asked | undefined> {
  const asked = questions.map(({ origin, text }) => {
    net.world.run(net.world.random.range(0, 2 * everyMs))
    const node = net.world.node(origin)
    return node.isUp ? net.searches.ask(node, text, options) : undefined
  })
  const done = (one: Asked | undefined): boolean => one === undefined || one.ended !== undefined || !one.origin.isUp
  net.world.settle(() => asked.every(done), { everyMs: 1_000, limitMs: 120_000 })
  return asked
}
