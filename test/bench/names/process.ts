/**
 * A process of the benchmark: `build PATH NAMES` fills an index; `ask PATH` opens and asks it; `bare` does neither, and says what
 * a process weighs without. Each says its figures as one line of JSON.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openIndex, type ShareIndex } from '../../../src/io/index/index.ts'
import { sleep } from '../workshop.ts'
import { DrawnNames } from './drawn.ts'
import { drawnQueries, type Asked } from './queries.ts'

export const SEED = 'names of a benchmark'
const RESULTS = 64
const QUERIES_OF_EACH_SORT = 60
/** What is thrown away is given back within this. */
const SETTLE_MS = 1_000
const BETWEEN_QUERIES_MS = 20

const [what = '', path = '', count = '0'] = process.argv.slice(2)
const names = new DrawnNames(SEED)
const queries = drawnQueries(names, QUERIES_OF_EACH_SORT)
switch (what) {
  case 'build':
    await build(Number(count))
    break
  case 'ask':
    await ask()
    break
  case 'bare':
    await sleep(SETTLE_MS)
    tell({ residentBytes: process.memoryUsage.rss() })
    break
  default:
    throw new Error(`build, ask or bare, not "${what}"`)
}

async function build(wanted: number): Promise<void> {
  const index = await openIndex({ path })
  const during = askUntilStopped(index)
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()
  let [files, putMs] = [0, 0]
  while (files < wanted) {
    const share = names.share()
    files += Math.max(share.entries.length, 1)
    const startMs = performance.now()
    await index.put(share)
    putMs += performance.now() - startMs
  }
  const startMs = performance.now()
  const { table } = await index.summary()
  const summaryMs = performance.now() - startMs
  const takenMs = await during.stop()
  loop.disable()
  const peakBytes = process.resourceUsage().maxRSS * 1_024
  const delayMs = { p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 }
  await index.close()
  tell({ files, putMs, summaryMs, tableBits: table.bits, tableCount: table.count, takenMs, delayMs, peakBytes })
}

/** A query every few milliseconds, as they come to a daemon that takes a new share. */
function askUntilStopped(index: ShareIndex): { stop: () => Promise<number[]> } {
  const over = new AbortController()
  const takenMs: number[] = []
  const loop = (async () => {
    for (let i = 0; !over.signal.aborted; i++) {
      takenMs.push(await taken(index, queries[i % queries.length]!))
      await sleep(BETWEEN_QUERIES_MS)
    }
  })()
  const stop = async (): Promise<number[]> => {
    over.abort()
    await loop
    return takenMs
  }
  return { stop }
}

async function ask(): Promise<void> {
  const startMs = performance.now()
  const index = await openIndex({ path })
  const openMs = performance.now() - startMs
  const takenMs: Record<string, number[]> = {}
  for (const asked of queries) (takenMs[asked.sort] ??= []).push(await taken(index, asked))
  await sleep(SETTLE_MS)
  tell({ openMs, takenMs, residentBytes: process.memoryUsage.rss() })
  await index.close()
}

async function taken(index: ShareIndex, { query }: Asked): Promise<number> {
  const startMs = performance.now()
  await index.match(query, RESULTS)
  return performance.now() - startMs
}

function tell(figures: unknown): void {
  console.log(JSON.stringify(figures))
}
