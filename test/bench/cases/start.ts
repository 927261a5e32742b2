/** How long a person waits: for a daemon to be ready, and for a command. */
import { figure, told } from '../figures.ts'
import { startNode, stopAll } from '../nodes.ts'
import type { Case } from './case.ts'

const RUNS_PER_RUN = 3

export const start: Case = {
  name: 'start',
  async run(workshop, { runs, note }) {
    const ready: number[] = []
    const status: number[] = []
    for (let run = 1; run <= runs * RUNS_PER_RUN; run++) {
      note(`start and status, run ${run} of ${runs * RUNS_PER_RUN}`)
      const node = await timed(ready, () => startNode(workshop, 'n1'))
      await timed(status, () => workshop.start(node.command('status')).ended)
      await stopAll([node])
    }
    const row = (name: string, times: number[]): string[] => [name, told(figure(times.map(ms => ms / 1_000)), 3)]
    return {
      title: 'start and command',
      head: ['', 'seconds'],
      rows: [row('daemon of a new home, until ready', ready), row('shoal status', status)],
      notes: [],
      data: { readyMs: ready, statusMs: status }
    }
  }
}

async function timed<T>(times: number[], act: () => Promise<T>): Promise<T> {
  const startMs = performance.now()
  const value = await act()
  times.push(performance.now() - startMs)
  return value
}
