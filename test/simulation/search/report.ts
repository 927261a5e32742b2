/**
 * The figures of search with a thousand nodes, for one seed: `npm run sim -- search [PART…] [--seed S]`. Messages are
 * not encoded, unlike in the scenarios; everything else is as in the scenarios.
 */
import { searchThroughDeaths } from './deaths.ts'
import { LARGE_FILES, LARGE_NODES, LATENCY_MS, largeLibrary } from './large.ts'
import { compareModes, type Row } from './modes.ts'
import { loadFigures } from './overload.ts'
import { pingFigures, SEARCH_EVERY_MS } from './pings.ts'
import { repairs } from './repairs.ts'
import { table } from '../../bench/figures.ts'

/** The exponents of the popularity of copies and of queries. */
const EXPONENTS = [
  [0.8, 0.8],
  [1, 1]
] as const
const QUESTIONS = 100
const LIMIT = 50
type Part = (seed: number) => string

const PARTS: Readonly<Record<string, Part>> = { pings, modes, deaths, graph, load }

export function report(seed: number, only: readonly string[]): void {
  console.log(
    `${LARGE_NODES} nodes, ${LARGE_FILES} files, ${LATENCY_MS.latencyMinMs} to ${LATENCY_MS.latencyMaxMs} ms one way, seed ${seed}`
  )
  for (const [name, part] of Object.entries(PARTS)) {
    if (only.length > 0 && !only.includes(name)) continue
    console.log(`\n${part(seed)}`)
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function seconds(ms: number): string {
  if (Number.isNaN(ms)) return ''
  return ms === Infinity ? 'never' : `${(ms / 1_000).toFixed(2)} s`
}

function modes(seed: number): string {
  return EXPONENTS.map(([copiesExponent, queriesExponent]) => {
    const rows = compareModes({ seed, copiesExponent, queriesExponent, questions: QUESTIONS, limit: LIMIT })
    const head = `Popularity of files r^-${copiesExponent}, of queries r^-${queriesExponent}; ${QUESTIONS} searches, limit ${LIMIT}`
    return `${head}\n${modesTable(rows)}`
  }).join('\n\n')
}

function modesTable(rows: readonly Row[]): string {
  const flood = rows[0]!
  const all = ({ queries, answers }: Row): number => queries + answers
  return table(
    [
      ...['', 'queries', 'hits', 'of flood', 'nodes', 'success', 'of flood', 'as many', 'p50 ms', 'p95 ms'],
      ...['table messages/node', 'KiB/node']
    ],
    rows.map(row => [
      ...[row.mode, row.queries.toFixed(0), row.answers.toFixed(0), percent(all(row) / all(flood))],
      ...[row.reached.toFixed(0), percent(row.success), percent(row.success / flood.success), percent(row.asMany)],
      ...[row.firstHitMs.p50.toFixed(0), row.firstHitMs.p95.toFixed(0)],
      ...[(row.tables.messages / LARGE_NODES).toFixed(1), (row.tables.bytes / LARGE_NODES / 1_024).toFixed(1)]
    ])
  )
}

function pings(seed: number): string {
  const { queries, answers, cached, flooded } = pingFigures({ seed, library: largeLibrary(seed) })
  const rows = [['with the pong cache', cached] as const, ['without it, as in 0.4', flooded] as const].map(
    ([name, rates]) => [
      ...[name, ...[rates.pings, rates.pongs, queries, answers].map(rate => rate.toFixed(0))],
      percent((rates.pings + rates.pongs) / (rates.pings + rates.pongs + queries + answers))
    ]
  )
  const head = `Plain floods, a search of each node every ${SEARCH_EVERY_MS / 1_000} s; messages per second of all nodes`
  return `${head}\n${table(['', 'pings', 'pongs', 'queries', 'hits', 'pings and pongs'], rows)}`
}

function deaths(seed: number): string {
  const rows = searchThroughDeaths({ seed, library: largeLibrary(seed), settings: {} }).map(one => [
    ...[one.when, String(one.searches), percent(one.share), percent(one.possibleShare)]
  ])
  return `Searches that found something\n${table(['', 'searches', 'success', 'of those with a living holder'], rows)}`
}

function graph(seed: number): string {
  const library = largeLibrary(seed, { files: LARGE_NODES })
  const rows = repairs({ seed, library, settings: {} }).map(one => [
    ...[one.what, seconds(one.oneMs), seconds(one.orderMs), String(one.components)],
    `${one.degrees.min} – ${one.degrees.max}`,
    one.degrees.mean.toFixed(2)
  ])
  return `The graph\n${table(['', 'one component after', 'all degrees after', 'components', 'degrees', 'mean'], rows)}`
}

function load(seed: number): string {
  const rows = loadFigures(seed).map(one => [
    ...[one.when, percent(one.success), one.p50Ms.toFixed(1), one.p95Ms.toFixed(1)]
  ])
  return `A neighbour asks a hundred times as much as all others\n${table(['', 'success', 'p50 ms', 'p95 ms'], rows)}`
}
