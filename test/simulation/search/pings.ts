/** What pings and pongs are of all messages, with the pong cache and without it. */
import type { NodeId } from '../../../src/base/ids.ts'
import { Random } from '../../../src/base/random.ts'
import type { SearchMessage } from '../../../src/wire/search.ts'
import { askAll, drawQuestions, Large, type LargeSettings } from './large.ts'
import type { SearchNode, Tap } from './world.ts'

export class KindCounts implements Tap {
  readonly sentOf = new Map<SearchMessage['kind'], number>()

  received(): void {
    // Counted once, where it is sent.
  }

  sent(_node: SearchNode, _to: NodeId, { kind }: SearchMessage): void {
    this.sentOf.set(kind, (this.sentOf.get(kind) ?? 0) + 1)
  }

  get all(): number {
    return [...this.sentOf.values()].reduce((sum, count) => sum + count, 0)
  }

  of(...kinds: ReadonlyArray<SearchMessage['kind']>): number {
    return kinds.reduce((sum, kind) => sum + (this.sentOf.get(kind) ?? 0), 0)
  }
}

export interface PingShare {
  readonly pongCache: boolean
  readonly pings: number
  readonly pongs: number
  readonly queries: number
  readonly answers: number
  /** Of all messages. */
  readonly share: number
}

/** Each node searches once in so long: 2.5 times an hour and person at work would be less. */
export const SEARCH_EVERY_MS = 300_000

export function pingShare(
  settings: LargeSettings,
  { pongCache, forMs }: { pongCache: boolean; forMs: number }
): PingShare {
  const large = new Large({ ...settings, settings: { ...settings.settings, pongCache } })
  large.settle()
  const { net } = large
  const counts = new KindCounts()
  net.taps.push(counts)
  const everyMs = SEARCH_EVERY_MS / net.world.nodes.length
  const random = Random.from(`shoal/sim/questions/${settings.seed}`)
  askAll(net, drawQuestions(random, settings.library, Math.round(forMs / everyMs)), { everyMs })
  return {
    pongCache,
    pings: counts.of('ping'),
    pongs: counts.of('pong'),
    queries: counts.of('query'),
    answers: counts.of('query-hit'),
    share: counts.of('ping', 'pong') / counts.all
  }
}
