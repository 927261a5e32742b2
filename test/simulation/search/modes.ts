/** Compares the cost and the success of plain floods, dynamic queries, and dynamic queries with route tables. */
import type { SearchSettings } from '../../../src/core/search/settings.ts'
import { Random } from '../../../src/base/random.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import type { SearchMessage } from '../../../src/wire/gnutella/search.ts'
import { encode } from '../../../src/wire/codec/codec.ts'
import { searchMessage } from '../../../src/wire/gnutella/search.ts'
import { askAll, drawQuestions, Large, largeLibrary, type Question } from './large.ts'
import type { Library } from './library.ts'
import { firstHitMs, succeeded, type Asked } from './searches.ts'
import type { SearchNode, Tap } from './world.ts'

/** The mean time between two searches. */
const EVERY_MS = 500

export interface Mode {
  readonly name: string
  readonly settings: Partial<SearchSettings>
}

/** Without pings, which would blur the cost of queries. Pings have a table of their own. */
const NO_PINGS = { pingMs: 3_600_000 }

export const MODES: readonly Mode[] = [
  { name: 'plain flood', settings: { ...NO_PINGS, mode: 'flood', tableHops: 0, tellAsked: false } },
  { name: 'dynamic query', settings: { ...NO_PINGS, mode: 'dynamic', tableHops: 0 } },
  { name: '+ QRP of one hop', settings: { ...NO_PINGS, mode: 'dynamic', tableHops: 1 } },
  { name: '+ QRP of two hops', settings: { ...NO_PINGS, mode: 'dynamic', tableHops: 2 } }
]

export interface Row {
  readonly mode: string
  /** Means per query. */
  readonly queries: number
  readonly answers: number
  readonly reached: number
  /** The shares of queries with at least one answer, and with as many answers as the flood, up to the limit. */
  readonly success: number
  readonly asMany: number
  readonly firstHitMs: { readonly p50: number; readonly p95: number }
  /** Route table messages until all searches ended. */
  readonly tables: { readonly messages: number; readonly bytes: number }
  readonly results: readonly number[]
}

class TableTraffic implements Tap {
  messages = 0
  bytes = 0

  received(): void {
    // Counted at the sender only.
  }

  sent(_node: SearchNode, _to: NodeId, message: SearchMessage): void {
    if (message.kind !== 'route-table') return
    this.messages++
    this.bytes += encode(searchMessage, message).length
  }
}

export interface ModesSettings {
  readonly seed: number
  readonly copiesExponent: number
  readonly queriesExponent: number
  readonly questions: number
  readonly limit: number
}

/** One row per mode, the flood first. */
export function compareModes(settings: ModesSettings): Row[] {
  const library = largeLibrary(settings.seed, settings)
  const questions = drawQuestions(Random.from(`shoal/sim/questions/${settings.seed}`), library, settings.questions)
  const rows: Row[] = []
  for (const mode of MODES) rows.push(playMode(settings, { mode, library, questions, flood: rows[0] }))
  return rows
}

interface Play {
  readonly mode: Mode
  readonly library: Library
  readonly questions: readonly Question[]
  readonly flood: Row | undefined
}

function playMode({ seed, limit }: ModesSettings, { mode, library, questions, flood }: Play): Row {
  const large = new Large({ seed, library, settings: mode.settings })
  const tables = new TableTraffic()
  large.net.taps.push(tables)
  large.settle()
  const asked = askAll(large.net, questions, { everyMs: EVERY_MS, limit }).filter(one => one !== undefined)
  const results = asked.map(one => Math.min(limit, resultsOf(one)))
  const times = asked.map(firstHitMs).filter(ms => ms !== undefined)
  return {
    mode: mode.name,
    queries: mean(asked.map(one => one.queries)),
    answers: mean(asked.map(one => one.answers)),
    reached: mean(asked.map(one => one.reached.size)),
    success: mean(asked.map(one => (succeeded(one) ? 1 : 0))),
    asMany: mean(results.map((count, i) => (count >= (flood?.results[i] ?? 0) ? 1 : 0))),
    firstHitMs: { p50: quantile(times, 0.5), p95: quantile(times, 0.95) },
    tables: { messages: tables.messages, bytes: tables.bytes },
    results
  }
}

function resultsOf({ hits }: Asked): number {
  return hits.reduce((sum, { hit }) => sum + hit.results.length, 0)
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

/** The quantile of the values; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
