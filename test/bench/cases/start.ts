/**
 * How long a person waits: for a daemon to be ready, and for a command. What a command costs beyond its work is the whole of it
 * less the daemon's answer over an open socket.
 */
import { figure, reported } from '../figures.ts'
import { startNode, stopAll, type Node } from '../nodes.ts'
import type { Case } from './case.ts'

const RUNS_PER_RUN = 3
/** What is promised. */
const READY_MS_MAX = 1_000
const COMMAND_MS_MAX = 250
const COMMANDS = ['hello', 'status', 'members'] as const

export const start: Case = {
  name: 'start',
  async run(workshop, { runs, note }) {
    const fresh: number[] = []
    const again: number[] = []
    const beyond = { status: [] as number[], members: [] as number[] }
    for (let run = 1; run <= runs * RUNS_PER_RUN; run++) {
      note(`start and commands, run ${run} of ${runs * RUNS_PER_RUN}`)
      const first = await timed(fresh, () => startNode(workshop, 'n1'))
      await stopAll([first])
      const node = await timed(again, () => startNode(workshop, 'n1', { home: first.home }))
      // The first call of each kind is compiled in it.
      for (const method of COMMANDS) await node.ask(method, {})
      for (const name of ['status', 'members'] as const) {
        const workMs = await duration(() => node.ask(name, {}))
        const wholeMs = await duration(() => workshop.start(node.command(name)).ended)
        beyond[name].push(wholeMs - workMs)
      }
      await stopAll([node])
    }
    const row = (name: string, times: readonly number[], mostMs: number): string[] => {
      const worst = Math.max(...times)
      return [
        name,
        reported(figure(times.map(ms => ms / 1_000)), 3),
        `< ${mostMs / 1_000}`,
        worst < mostMs ? 'yes' : 'NO'
      ]
    }
    return {
      title: 'start and command',
      head: ['', 'seconds', 'promised', 'kept'],
      rows: [
        row('daemon of a new home, until ready', fresh, READY_MS_MAX),
        row('daemon of that home again, until ready', again, READY_MS_MAX),
        row("shoal status, beyond the daemon's answer", beyond.status, COMMAND_MS_MAX),
        row("shoal members, beyond the daemon's answer", beyond.members, COMMAND_MS_MAX)
      ],
      notes: ['kept: in every run'],
      data: { readyMs: fresh, readyAgainMs: again, statusBeyondMs: beyond.status, membersBeyondMs: beyond.members }
    }
  }
}

async function timed(times: number[], act: () => Promise<Node>): Promise<Node> {
  const startMs = performance.now()
  const node = await act()
  times.push(performance.now() - startMs)
  return node
}

async function duration(act: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await act()
  return performance.now() - startMs
}
