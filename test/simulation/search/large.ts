/** As many nodes as its library has, usually a thousand, and what their owners ask, for the figures of `npm run sim -- search`. */
import type { SearchOptions } from '../../../src/core/search/contract.ts'
import type { SearchSettings } from '../../../src/core/search/settings.ts'
import { Random } from '../../../src/base/random.ts'
import { Herald } from './herald.ts'
import { Library, type LibrarySettings } from './library.ts'
import type { Asked } from './searches.ts'
import { SearchNet, type SearchNetSettings } from './world.ts'

export const LARGE_NODES = 1_000
export const LARGE_FILES = 100_000
/** Words of all names together. */
const LARGE_VOCABULARY = 20_000
/** One-way, of a pair. */
export const LATENCY_MS = { latencyMinMs: 5, latencyMaxMs: 50 }
/** Until the graph has its degrees and the route tables have travelled. */
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

/** Nodes that join one after the other; messages are handed over without being encoded. */
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

/** What one owner asks. */
export interface Question {
  readonly origin: number
  readonly text: string
}

/** Nobody asks for what it holds itself. */
export function drawQuestions(random: Random, library: Library, count: number): Question[] {
  const questions: Question[] = []
  while (questions.length < count) {
    const text = library.drawText(random)
    const origin = random.below(library.settings.nodes)
    if (!library.find(text).has(origin)) questions.push({ origin, text })
  }
  return questions
}

/** One after the other at random moments; those of nodes that are down by then are left out. Returns when all have ended. */
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
