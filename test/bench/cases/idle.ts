/** What a daemon costs that has nothing to do, in a group of five. */
import { mebibytes } from '../contents.ts'
import { figure, reported } from '../figures.ts'
import { startGroup, stopAll } from '../nodes.ts'
import { cpuSeconds, residentBytes } from '../usage.ts'
import { sleep } from '../workshop.ts'
import type { Case } from './case.ts'

const NODES = 5
const SETTLE_MS = 10_000
const WATCHED_MS = 30_000

export const idle: Case = {
  name: 'idle',
  async run(workshop, { note }) {
    const nodes = await startGroup(workshop, NODES, 'lan')
    note(`${NODES} idle daemons, for ${(SETTLE_MS + WATCHED_MS) / 1_000} s`)
    await sleep(SETTLE_MS)
    const startMs = performance.now()
    const before = nodes.map(({ pid }) => cpuSeconds(pid) ?? Number.NaN)
    await sleep(WATCHED_MS)
    const seconds = (performance.now() - startMs) / 1_000
    const rows = nodes.map(({ name, pid }, i) => ({
      name,
      percent: (((cpuSeconds(pid) ?? Number.NaN) - (before[i] ?? Number.NaN)) / seconds) * 100,
      residentBytes: residentBytes(pid) ?? Number.NaN
    }))
    await stopAll(nodes)
    return {
      title: `idle daemons in a group of ${NODES}, preset lan, over ${WATCHED_MS / 1_000} s`,
      head: ['', 'CPU, % of a core', 'resident MiB'],
      rows: [
        ...rows.map(row => [row.name, row.percent.toFixed(2), mebibytes(row.residentBytes)]),
        [
          'median',
          reported(figure(rows.map(({ percent }) => percent))),
          mebibytes(figure(rows.map(row => row.residentBytes)).median)
        ]
      ],
      notes: [],
      data: rows
    }
  }
}
