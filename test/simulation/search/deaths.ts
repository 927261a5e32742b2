/** Measures searches while a tenth of the nodes die at once. */
import { Random } from '../../../src/base/random.ts'
import { askAll, drawQuestions, Large, type LargeSettings, type Question } from './large.ts'
import { mean } from './modes.ts'
import { succeeded, type Asked } from './searches.ts'

export interface Success {
  readonly when: string
  readonly searches: number
  /** The success rate of all searches, and of those for which a live node has an answer. */
  readonly share: number
  readonly possibleShare: number
}

const SEARCHES = 100
const EVERY_MS = 200
const KILLED_SHARE = 0.1
/** Half of the searches start before the deaths, half after. */
const KILL_AT = SEARCHES / 2
const BACK_MS = 60_000

/** Three rows: before the deaths, during them (membership reports them 5 s later), and a minute later. */
export function searchThroughDeaths(settings: LargeSettings): Success[] {
  const large = new Large(settings)
  large.settle()
  const { net, herald } = large
  const { world } = net
  const random = Random.from(`shoal/sim/questions/${settings.seed}`)
  const questions = drawQuestions(random, settings.library, SEARCHES)
  const play = (when: string, some: readonly Question[]): Success =>
    counters(large, when, askAll(net, some, { everyMs: EVERY_MS }))
  const before = play('before', questions)
  const victims = random.sample(world.nodes, Math.round(world.nodes.length * KILLED_SHARE))
  const killedMs = world.timeMs + KILL_AT * EVERY_MS
  world.at(killedMs, () => herald.crash(victims))
  const during = play('10 % die at once, half way', questions)
  world.run(Math.max(0, killedMs + BACK_MS - world.timeMs))
  return [before, during, play('a minute later', questions)]
}

function counters({ net }: Large, when: string, asked: ReadonlyArray<Asked | undefined>): Success {
  const counted = asked.filter(one => one?.origin.isUp === true) as Asked[]
  const found = (some: readonly Asked[]): number => mean(some.map(one => (succeeded(one) ? 1 : 0)))
  const possible = counted.filter(({ query }) =>
    [...net.library.find(query.text).keys()].some(holder => net.world.node(holder).isUp)
  )
  return { when, searches: counted.length, share: found(counted), possibleShare: found(possible) }
}
