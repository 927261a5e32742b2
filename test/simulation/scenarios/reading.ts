/**
 * A reader reads a content while it is downloaded, and jumps. After each jump the leaves at the reader's position
 * must arrive before nearly all others (`needed-first`), within the time that the fastest holder alone takes
 * (`needed-soon`). After the last read the download must complete as usual (`completes`). No faults; the scenario
 * `exchange` has them.
 */
import type { ContentId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import type { ReaderId } from '../../../src/core/exchange/download/readers.ts'
import type { Outcome, Scenario } from '../../../src/sim/scenario.ts'
import { scenario } from '../../../src/sim/scenario.ts'
import { LEAF_BYTES, Layout, type LeafRange, type PieceIndex } from '../../../src/wire/bittorrent/layout.ts'
import { Swarm, type ExchangeNode } from '../swarm.ts'

const UPLINK_BYTES_PER_SECOND = 2_000_000
/** The rate of the one slow holder. */
const SLOW_BYTES_PER_SECOND = 100_000
const PIECES = 256
const JUMPS = 4
/** The leaves that a reader requests. Only the first part of them is checked. */
const AHEAD_LEAVES = 32
const JUDGED_LEAVES = 8
/** The time between two jumps, after which every source has a full window again. */
const BETWEEN_JUMPS_MS = 700
/**
 * The longest time from a jump until the checked leaves have arrived. It is half of the time that they take without
 * priority: the fastest holder first sends a window of a second or more, and another getter uses half of its uplink.
 */
const SOON_MS = 1_000
/** The share of other missing leaves that may arrive before the checked ones: requests in flight, and other holders. */
const BEFORE_SHARE_MAX = 0.2
const QUIET_MS = 120_000

function build(seed: number): Swarm {
  return new Swarm({ seed, uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND })
}

/** The ranges of `leaves` leaves from `leaf` on, numbered through the content. */
export function rangesFrom(layout: Layout, leaf: number, leaves: number): LeafRange[] {
  const ranges: LeafRange[] = []
  const end = Math.min(layout.leaves, leaf + leaves)
  for (let piece = 0; piece < layout.pieces; piece++) {
    const first = layout.firstLeafOf(piece as PieceIndex)
    const from = Math.max(leaf, first)
    const to = Math.min(end, first + layout.leavesOf(piece as PieceIndex))
    if (from < to) ranges.push({ piece: piece as PieceIndex, leafStart: from - first, leafCount: to - from })
  }
  return ranges
}

class Reading {
  private readonly swarm: Swarm
  private readonly node: ExchangeNode
  private readonly content: ContentId
  private readonly layout: Layout
  private readonly reader: ReaderId

  constructor(swarm: Swarm, node: ExchangeNode, of: { content: ContentId; layout: Layout }, reader: number) {
    this.swarm = swarm
    this.node = node
    this.content = of.content
    this.layout = of.layout
    this.reader = reader as ReaderId
  }

  private has(leaf: number): boolean {
    return this.swarm.blocks.leaves(this.node, this.content).good(leaf)
  }

  private missing(from: number, to: number): number {
    let missing = 0
    for (let leaf = from; leaf < to; leaf++) if (!this.has(leaf)) missing++
    return missing
  }

  jump(random: Random): void {
    const { world } = this.swarm
    const leaf = random.below(this.layout.leaves)
    const end = Math.min(this.layout.leaves, leaf + JUDGED_LEAVES)
    const rest = this.missing(0, this.layout.leaves) - this.missing(leaf, end)
    const startMs = world.timeMs
    world.call(this.node, (machine, now) => {
      machine.reading(this.content, this.reader, rangesFrom(this.layout, leaf, AHEAD_LEAVES), now)
    })
    const soon = world.settle(() => this.missing(leaf, end) === 0, { everyMs: 5, limitMs: SOON_MS })
    const where = `${this.node.name} at leaf ${leaf}, ${(world.timeMs - startMs).toFixed(0)} ms after its jump`
    world.require(soon, 'needed-soon', `${where}: ${this.missing(leaf, end)} leaves have not arrived`)
    const left = this.missing(0, this.layout.leaves)
    world.require(
      rest - left <= rest * BEFORE_SHARE_MAX,
      'needed-first',
      `${where}: ${rest - left} of ${rest} others arrived`
    )
  }

  leave(): void {
    this.swarm.world.call(this.node, (machine, now) => {
      machine.stopReading(this.content, this.reader, now)
    })
  }
}

function play(swarm: Swarm): void {
  const { world, blocks } = swarm
  const { random } = world
  const layout = new Layout(LEAF_BYTES * 2 ** (2 + random.below(4)), [PIECES * 8 * LEAF_BYTES])
  const content = swarm.content('film', layout)
  const seeds = world.startMany(1 + random.below(3))
  const getters = world.startMany(1 + random.below(2))
  for (const seed of seeds) swarm.seed(seed, content)
  if (seeds.length > 1 && random.chance(0.7)) blocks.bench(seeds.at(-1)!).uplinkBytesPerSecond = SLOW_BYTES_PER_SECOND
  for (const getter of getters) swarm.get(getter, content)
  const readings = getters.map((getter, i) => new Reading(swarm, getter, { content, layout }, i + 1))
  for (let jump = 0; jump < JUMPS; jump++) {
    world.run(BETWEEN_JUMPS_MS)
    random.pick(readings)!.jump(random)
  }
  for (const reading of readings) reading.leave()
  const done = (node: ExchangeNode) => swarm.hasFinished(node, content)
  world.settle(() => getters.every(done), { everyMs: 100, limitMs: QUIET_MS })
  for (const getter of getters) world.require(done(getter), 'completes', `${getter.name} has not completed`)
}

export const reading: Scenario = {
  name: 'reading',
  about: 'the leaves that a reader of an unfinished content waits for arrive first, then the rest',
  share: 0.5,
  run: (seed): Outcome => {
    const swarm = build(seed)
    return scenario({ name: 'reading', about: reading.about, build: () => swarm.world, play: () => play(swarm) }).run(
      seed
    )
  }
}
