/**
 * Files of holders change, vanish and come back while other nodes download them, during crashes, pauses and
 * partitions. In half of the seeds every holder permanently loses one file. Each node checks its files from time to
 * time, as daemon/sharing/monitor.ts does; between two checks, a missing piece is noticed only when it is requested.
 *
 * In addition to the properties that io checks (listed in exchange.ts): `completes` (every piece that some node can
 * read is downloaded), `names-what-is-missing` (a stalled download reports the pieces that no node has, and who had
 * them), `announces-what-it-holds`.
 */
import type { ContentId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import { ALL_FAULTS, drawPlan, unleash } from '../../../src/sim/faults.ts'
import { scenario, type Outcome, type Scenario } from '../../../src/sim/scenario.ts'
import { Layout, type PieceIndex } from '../../../src/wire/bittorrent/layout.ts'
import { Swarm, type ExchangeNode } from '../swarm.ts'

const KIB = 1_024
/** So slow that the downloads last as long as the faults. */
const UPLINK_BYTES_PER_SECOND = 80_000
const FAULTS_MS = 20_000
/** The longest wait for providers, a source and a monitor, and then a whole download again. */
const QUIET_MS = 180_000
const LOSSES = 12
const LOST_MS_MAX = 15_000
const MONITOR_MS_MIN = 500
const MONITOR_MS_MAX = 5_000

class Stage {
  readonly swarm: Swarm
  readonly content: ContentId
  readonly layout: Layout
  readonly seeds: readonly ExchangeNode[]
  readonly getters: readonly ExchangeNode[]

  constructor(swarm: Swarm) {
    this.swarm = swarm
    const { random } = swarm.world
    this.layout = drawLayout(random)
    this.content = swarm.content('it', this.layout)
    this.seeds = swarm.world.startMany(1 + random.below(3))
    this.getters = swarm.world.startMany(1 + random.below(3))
    for (const seed of this.seeds) swarm.seed(seed, this.content)
    for (const getter of this.getters) swarm.get(getter, this.content)
    for (const node of [...this.seeds, ...this.getters])
      this.monitor(node, random.range(MONITOR_MS_MIN, MONITOR_MS_MAX))
  }

  leaves(node: ExchangeNode) {
    return this.swarm.blocks.leaves(node, this.content)
  }

  piecesOf(file: number): PieceIndex[] {
    const { first, end } = this.layout.piecesOf(file)
    return Array.from({ length: end - first }, (_, i) => (first + i) as PieceIndex)
  }

  /** Only complete contents are checked. */
  private monitor(node: ExchangeNode, everyMs: number): void {
    const { world } = this.swarm
    const look = (): void => {
      const { changed, finished } = this.leaves(node)
      if (node.isUp && finished) {
        const sound = Array.from({ length: this.layout.pieces }, (_, piece) => piece as PieceIndex)
        world.call(node, (machine, now) => {
          machine.withdraw(this.content, changed, now)
          machine.restore(
            this.content,
            sound.filter(piece => !changed.has(piece)),
            now
          )
        })
      }
      world.at(world.timeMs + everyMs, look)
    }
    world.at(everyMs, look)
  }

  /** Makes files of one holder vanish for a while. */
  loseForAWhile(random: Random): void {
    const { world } = this.swarm
    const node = random.pick([...this.seeds, ...this.getters])
    const files = [...this.layout.fileLengths.keys()].filter(() => random.chance(0.4))
    const pieces = files.flatMap(file => this.piecesOf(file))
    const atMs = random.below(FAULTS_MS)
    const backMs = atMs + random.below(LOST_MS_MAX)
    world.at(atMs, () => {
      if (node === undefined || !this.leaves(node).finished) return
      for (const piece of pieces) this.leaves(node).changed.add(piece)
      world.at(backMs, () => {
        for (const piece of pieces) if (!this.lost.has(piece)) this.leaves(node).changed.delete(piece)
      })
    })
  }

  private readonly lost = new Set<PieceIndex>()

  /** Removes a file permanently at every seed. Nodes that have downloaded it continue to serve it. */
  loseForGood(random: Random): void {
    const pieces = this.piecesOf(random.below(this.layout.fileLengths.length))
    this.swarm.world.at(random.below(2_000), () => {
      for (const piece of pieces) this.lost.add(piece)
      for (const seed of this.seeds) for (const piece of pieces) this.leaves(seed).changed.add(piece)
    })
  }

  /** Whether some node can send each leaf of the piece. */
  isReadable(piece: PieceIndex): boolean {
    const first = this.layout.firstLeafOf(piece)
    const holders = [...this.seeds, ...this.getters].filter(node => !this.leaves(node).changed.has(piece))
    return Array.from({ length: this.layout.leavesOf(piece) }, (_, leaf) => first + leaf).every(leaf =>
      holders.some(node => this.leaves(node).good(leaf))
    )
  }

  /** Judged by the contents of its disk. */
  missingAt(node: ExchangeNode): PieceIndex[] {
    const { layout } = this
    const isHere = (piece: PieceIndex): boolean => {
      const first = layout.firstLeafOf(piece)
      return Array.from({ length: layout.leavesOf(piece) }, (_, leaf) => first + leaf).every(leaf =>
        this.leaves(node).good(leaf)
      )
    }
    return Array.from({ length: layout.pieces }, (_, piece) => piece as PieceIndex).filter(piece => !isHere(piece))
  }

  /** Whether the download is complete, or has stalled and reports it. */
  isSettled(node: ExchangeNode): boolean {
    if (this.leaves(node).finished) return true
    const shortage = this.shortageOf(node)
    // A holder that a fault keeps silent has not yet reported that the piece is gone.
    const isTold = shortage?.isAsking === false && shortage.withdrawnBy.length > 0
    return isTold && this.missingAt(node).every(piece => !this.isReadable(piece))
  }

  shortageOf(node: ExchangeNode) {
    return node.machine.shortage(this.content)
  }
}

function drawLayout(random: Random): Layout {
  const pieceLength = 16 * KIB * 2 ** random.below(4)
  return new Layout(
    pieceLength,
    Array.from({ length: 2 + random.below(5) }, () => 1 + random.below(400 * KIB))
  )
}

function play(swarm: Swarm): void {
  const { world } = swarm
  const { random } = world
  const stage = new Stage(swarm)
  for (let i = 0; i < LOSSES; i++) stage.loseForAWhile(random)
  if (random.chance(0.5)) stage.loseForGood(random)
  const weights = { ...ALL_FAULTS, loss: 0, duplication: 0, 'wall-jump': 0 }
  unleash(world, drawPlan(random, world.nodes.length, { forMs: FAULTS_MS, everyMs: 3_000, lastsMaxMs: 8_000, weights }))
  world.run(FAULTS_MS + LOST_MS_MAX)
  world.calm()
  world.settle(() => stage.getters.every(node => stage.isSettled(node)), { everyMs: 500, limitMs: QUIET_MS })
  for (const node of stage.getters) judgeGetter(stage, node)
  // Waits for one more check of each monitor and for its announcements.
  world.run(2 * MONITOR_MS_MAX)
  for (const node of stage.seeds) judgeAnnounced(stage, node)
}

function judgeGetter(stage: Stage, node: ExchangeNode): void {
  const { world } = stage.swarm
  if (stage.leaves(node).finished) return
  const missing = stage.missingAt(node)
  const readable = missing.filter(piece => stage.isReadable(piece))
  const progress = JSON.stringify(node.machine.progress(stage.content, node.clock.now(world.timeMs)))
  world.require(
    readable.length === 0,
    'completes',
    `${node.name} lacks ${readable.join()}, which other nodes can send: ${progress}`
  )
  world.require(missing.length > 0, 'completes', `${node.name} has every leaf and has not completed: ${progress}`)
  const shortage = stage.shortageOf(node)
  const named = shortage?.pieces.join()
  const isTold = named === missing.join() && shortage?.withdrawnBy.length !== 0
  const detail = `${node.name} lacks ${missing.join()} and says ${JSON.stringify(shortage)}`
  world.require(isTold, 'names-what-is-missing', detail)
}

/** Requires that the last announcement matches the pieces that the node holds. */
function judgeAnnounced({ swarm, content }: Stage, node: ExchangeNode): void {
  const pieces = node.machine.heldPieces(content)
  const held = pieces?.full === true ? 'all' : pieces?.empty === true ? 'none' : 'part'
  const told = swarm.announcedBy(node, content)
  swarm.world.require(told === held, 'announces-what-it-holds', `${node.name} holds ${held} and announced ${told}`)
}

/** Builds the swarm of the seed first, then runs a scenario on its world. */
export const withdrawal: Scenario = {
  name: 'withdrawal',
  about: 'files of holders vanish and come back: readable pieces are downloaded, missing pieces are reported',
  share: 1,
  run: (seed): Outcome => {
    const swarm = new Swarm({ seed, uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND })
    const { name, about } = withdrawal
    return scenario({ name, about, build: () => swarm.world, play: () => play(swarm) }).run(seed)
  }
}
