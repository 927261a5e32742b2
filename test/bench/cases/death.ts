/** How long the others of a group need to know that one was killed (kill -9): the first of them, and all. */
import { figure, reported } from '../figures.ts'
import { startGroup, stopAll, type Node } from '../nodes.ts'
import { startSerfs } from '../peers/serf.ts'
import { installed, sleep } from '../workshop.ts'
import type { Answer, Case, Options } from './case.ts'

const KILLS = 3
/** Between two looks at one node; beside the time that the look takes, the resolution. */
const LOOK_MS = 30
const SETTLE_MS = 5_000
/** Apart from the resolution: the detectors wait for seconds. */
const LIMIT_MS = 60_000

export interface Death {
  firstSeconds: number
  allSeconds: number
}

/** A group that can lose one: ends it, and resolves with when each survivor knew, in seconds from the kill. */
export interface Group {
  kill(index: number): Promise<number[]>
}

export const death: Case = {
  name: 'death',
  async run(workshop, options) {
    const rows: Array<{ name: string; deaths: Death[] }> = []
    for (const preset of ['lan', 'local']) {
      options.note(`${options.nodes} daemons, preset ${preset}`)
      const nodes = await startGroup(workshop, options.nodes, preset)
      rows.push({ name: `shoal, preset ${preset}`, deaths: await lose(`shoal ${preset}`, shoals(nodes), options) })
      await stopAll(nodes)
    }
    const hasSerf = installed('serf') !== undefined
    if (hasSerf) {
      options.note(`${options.nodes} agents of serf, profile lan`)
      const serfs = await startSerfs(workshop, options.nodes, LIMIT_MS)
      rows.push({ name: 'serf, profile lan', deaths: await lose('serf', serfs, options) })
      await serfs.stop()
    }
    return answer(rows, hasSerf, options)
  }
}

async function lose(name: string, group: Group, options: Options): Promise<Death[]> {
  await sleep(SETTLE_MS)
  const deaths: Death[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    const seconds = await group.kill(kill)
    deaths.push({ firstSeconds: Math.min(...seconds), allSeconds: Math.max(...seconds) })
    options.note(`${name}: kill ${kill} of ${KILLS}: all know after ${Math.max(...seconds).toFixed(2)} s`)
  }
  return deaths
}

function shoals(nodes: readonly Node[]): Group {
  const gone = new Set<Node>()
  return {
    async kill(index) {
      const victim = nodes[index]
      if (victim === undefined) throw new Error(`no node ${index}`)
      gone.add(victim)
      const startMs = performance.now()
      await victim.running.kill('SIGKILL')
      const knows = async (node: Node): Promise<number> => {
        for (;;) {
          const row = (await node.members()).find(member => member.id === victim.id)
          const ms = performance.now() - startMs
          if (row === undefined || row.state === 'dead') return ms / 1_000
          if (ms > LIMIT_MS) throw new Error(`${node.name} has not noticed that ${victim.name} is dead`)
          await sleep(LOOK_MS)
        }
      }
      return Promise.all(nodes.filter(node => !gone.has(node)).map(knows))
    }
  }
}

function answer(rows: Array<{ name: string; deaths: Death[] }>, hasSerf: boolean, { nodes }: Options): Answer {
  const column = (deaths: Death[], field: keyof Death): string => reported(figure(deaths.map(one => one[field])))
  return {
    title: `a member of ${nodes} is killed (kill -9), ${KILLS} times`,
    head: ['', 'first knows, s', 'all know, s'],
    rows: rows.map(({ name, deaths }) => [name, column(deaths, 'firstSeconds'), column(deaths, 'allSeconds')]),
    notes: [
      `Real processes on loopback; the killed are not replaced: groups of ${nodes}, ${nodes - 1}, ${nodes - 2}. A shoal is asked every ${LOOK_MS} ms, serf says it.`,
      ...(hasSerf ? [] : ['serf: not here (not installed: serf).'])
    ],
    data: rows
  }
}
