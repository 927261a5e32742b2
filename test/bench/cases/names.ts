/** What the index of names costs: memory, time of a query by what makes it hard, and the time to take in as many names. */
import fs from 'node:fs'
import path from 'node:path'
import { median } from '../figures.ts'
import type { Workshop } from '../workshop.ts'
import type { Case } from './case.ts'

const PROCESS = path.resolve(import.meta.dirname, '../names/process.ts')
const MIB = 2 ** 20
const BUILD_MS_MAX = 8 * 60_000
const ASK_MS_MAX = 2 * 60_000
/** As the daemon runs (src/cli/entry.ts). */
const FLAGS = ['--max-semi-space-size=1']

interface Built {
  readonly files: number
  readonly putMs: number
  readonly summaryMs: number
  readonly tableBits: number
  readonly takenMs: number[]
  readonly delayMs: { p99: number; max: number }
  readonly peakBytes: number
}

interface AskedOf {
  readonly openMs: number
  readonly takenMs: Readonly<Record<string, number[]>>
  readonly residentBytes: number
}

export const index: Case = {
  name: 'index',
  async run(workshop, { names, note }) {
    const file = path.join(workshop.folder('index'), 'index.db')
    note(`an index of ${names} names`)
    const built = await figuresOf<Built>(workshop, ['build', file, `${names}`], BUILD_MS_MAX)
    note('queries of it')
    const bare = await figuresOf<{ residentBytes: number }>(workshop, ['bare'], ASK_MS_MAX)
    const asked = await figuresOf<AskedOf>(workshop, ['ask', file], ASK_MS_MAX)
    const all = Object.values(asked.takenMs).flat()
    return {
      title: `${built.files} names: milliseconds of a query, the way to the index's thread and back included`,
      head: ['', 'median', '95th percentile', 'most'],
      rows: [...Object.entries(asked.takenMs), ['all of them', all] as const].map(([sort, ms]) => row(sort, ms)),
      notes: [
        `resident after the queries: ${mib(asked.residentBytes)} MiB, without an index ${mib(bare.residentBytes)}: ${mib(asked.residentBytes - bare.residentBytes)} more`,
        `put: ${(built.putMs / 1_000).toFixed(1)} s, ${mib(fs.statSync(file).size)} MiB on disk, at most ${mib(built.peakBytes)} MiB resident; open again: ${asked.openMs.toFixed(0)} ms`,
        `meanwhile a query took ${row('', built.takenMs).slice(1, 3).join(' and at the 95th percentile ')} ms, and the event loop was late by ${built.delayMs.p99.toFixed(1)} ms (99th percentile)`,
        `summary: ${built.summaryMs.toFixed(0)} ms, a table of 2^${built.tableBits} slots`
      ],
      data: { built, bare, asked }
    }
  }
}

function row(sort: string, takenMs: readonly number[]): string[] {
  const sorted = takenMs.toSorted((a, b) => a - b)
  const late = sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN
  return [sort, ...[median(sorted), late, sorted.at(-1) ?? Number.NaN].map(ms => ms.toFixed(2))]
}

async function figuresOf<T>(workshop: Workshop, args: readonly string[], withinMs: number): Promise<T> {
  const running = workshop.start([process.execPath, ...FLAGS, PROCESS, ...args])
  await running.inTime(withinMs)
  return JSON.parse(running.said) as T
}

const mib = (bytes: number): string => (bytes / MIB).toFixed(0)
