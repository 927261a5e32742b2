/**
 * Several nodes download one or two contents from a few seeds and from each other, during crashes, pauses, partitions
 * and full disks, with a sender of wrong bytes among them; some are read while they are fetched. io
 * (sim/outside/blocks.ts) finds the machine guilty of: `no-wrong-byte`, `synced-first`, `synced-kept` (a leaf that
 * was recorded is asked for after a restart), `in-flight`, `one-ask` (two at once outside the endgame and snubs),
 * `hashes-first`, `quiet-close`. Here: `completes`, `bans-liars`, `no-honest-banned`.
 */
import { Bitfield } from '../../../src/base/bitfield.ts'
import { ALL_FAULTS, drawPlan, unleash } from '../../../src/sim/faults.ts'
import type { Outcome, Scenario } from '../../../src/sim/scenario.ts'
import { scenario } from '../../../src/sim/scenario.ts'
import { Layout } from '../../../src/wire/bittorrent/layout.ts'
import { Swarm, type ExchangeNode, type ExchangeWorld } from '../swarm.ts'
import { Random } from '../../../src/base/random.ts'
import type { ReaderId } from '../../../src/core/exchange/download/readers.ts'
import { rangesFrom } from './reading.ts'

const KIB = 1_024
const FAULTS_MS = 20_000
/** The longest wait for providers or a source, and then a whole download from one slow seed. */
const QUIET_MS = 120_000
const UPLINK_BYTES_PER_SECOND = 2_000_000
const SLOW_BYTES_PER_SECOND = 100_000
/** The share of runs with readers, the number of their jumps, the number of readers, and the leaves that each needs. */
const READ_CHANCE = 0.5
const READS = 60
const READERS = 3
const READ_LEAVES = 40
/** A low limit, so that runs reach it. */
const IN_FLIGHT_BYTES_MAX = 1 << 20

function drawLayout(random: Random): Layout {
  const pieceLength = 16 * KIB * 2 ** random.below(5)
  const small = Array.from({ length: random.below(12) }, () => random.below(40 * KIB))
  return new Layout(pieceLength, [...small, random.below(2_500 * KIB), random.below(300 * KIB) + 1])
}

function drawWanted(random: Random, layout: Layout): Bitfield {
  const wanted = new Bitfield(layout.pieces)
  if (random.chance(0.75)) return wanted.fill()
  for (let piece = 0; piece < layout.pieces; piece++) if (random.chance(0.5)) wanted.add(piece)
  return wanted
}

/** The swarm of a seed, with its world. */
function build(seed: number): Swarm {
  return new Swarm({
    seed,
    uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND,
    settings: { inFlightBytesMax: IN_FLIGHT_BYTES_MAX }
  })
}

interface Cast {
  readonly getters: readonly ExchangeNode[]
  readonly liar: ExchangeNode | undefined
}

/** Adds seeds (one of them slow), sometimes a liar, and the downloading nodes. */
function raise(swarm: Swarm): Cast & { contents: ReturnType<Swarm['content']>[] } {
  const { world, blocks } = swarm
  const { random } = world
  const layouts = Array.from({ length: 1 + random.below(2) }, () => drawLayout(random))
  const contents = layouts.map((layout, i) => swarm.content(`content ${i}`, layout))
  const seeds = world.startMany(1 + random.below(2))
  const liar = random.chance(0.6) ? world.startMany(1)[0] : undefined
  const getters = world.startMany(2 + random.below(4))
  for (const [i, content] of contents.entries()) {
    for (const seed of seeds) swarm.seed(seed, content)
    if (liar !== undefined) swarm.seed(liar, content)
    for (const getter of getters) swarm.get(getter, content, drawWanted(random, layouts[i]!))
  }
  if (random.chance(0.5)) blocks.bench(seeds.at(-1)!).uplinkBytesPerSecond = SLOW_BYTES_PER_SECOND
  if (liar !== undefined) {
    blocks.bench(liar).flips = random.pick([0.02, 0.3, 1]) ?? 1
    blocks.bench(liar).lies = random.chance(0.3)
  }
  return { contents, getters, liar }
}

/** In half of the runs, readers jump and leave during the faults. All properties must still hold. */
function read(swarm: Swarm, getters: readonly ExchangeNode[], contents: ReturnType<Swarm['content']>[]): void {
  const { world, blocks } = swarm
  // A separate generator, so that the faults of a run are the same with and without readers.
  const random = Random.from(`readers ${world.seed}`)
  if (!random.chance(READ_CHANCE)) return
  for (let i = 0; i < READS; i++) {
    const node = random.pick(getters)!
    const content = random.pick(contents)!
    const { layout } = blocks.leaves(node, content)
    const ranges = rangesFrom(layout, random.below(layout.leaves), READ_LEAVES)
    const reader = random.below(READERS) as ReaderId
    const leaves = random.chance(0.2)
    world.at(random.below(FAULTS_MS), () => {
      if (!node.isUp) return
      world.call(node, (machine, now) => {
        if (leaves) machine.stopReading(content, reader, now)
        else machine.reading(content, reader, ranges, now)
      })
    })
  }
}

function play(swarm: Swarm): void {
  const { world } = swarm
  const { contents, getters, liar } = raise(swarm)
  read(swarm, getters, contents)
  const weights = { ...ALL_FAULTS, crash: 5, 'full-disk': 2, loss: 0, duplication: 0, 'wall-jump': 0 }
  unleash(
    world,
    drawPlan(world.random, world.nodes.length, { forMs: FAULTS_MS, everyMs: 1_500, lastsMaxMs: 8_000, weights })
  )
  world.run(FAULTS_MS)
  world.calm()
  const done = (node: ExchangeNode) => contents.every(content => swarm.hasFinished(node, content))
  world.settle(() => getters.every(done), { everyMs: 500, limitMs: QUIET_MS })
  for (const node of getters) {
    for (const content of contents)
      world.require(swarm.hasFinished(node, content), 'completes', unfinished(node, content, world))
  }
  const bans = swarm.events.flatMap(({ event }) => (event.kind === 'banned' ? [event] : []))
  for (const { peer } of bans)
    world.require(peer === liar?.id, 'no-honest-banned', `${world.nodeOf(peer)?.name ?? peer} is banned`)
  world.require(
    bans.length > 0 || swarm.blocks.badLeaves === 0,
    'bans-liars',
    'corrupt leaves arrived, and no peer is banned'
  )
}

function unfinished(node: ExchangeNode, content: ReturnType<Swarm['content']>, world: ExchangeWorld): string {
  const progress = node.machine.progress(content, node.clock.now(world.timeMs))
  return `${node.name} is not done with ${content.slice(0, 8)}: ${JSON.stringify(progress)}`
}

/** Builds the swarm of the seed first, then runs a scenario on its world. */
export const exchange: Scenario = {
  name: 'exchange',
  about: 'downloads complete, corrupt data is never kept, synced data is never requested again',
  share: 1,
  run: (seed): Outcome => {
    const swarm = build(seed)
    return scenario({ name: 'exchange', about: exchange.about, build: () => swarm.world, play: () => play(swarm) }).run(
      seed
    )
  }
}
