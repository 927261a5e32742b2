/**
 * How soon the first result of a search is there, in a group of real processes; and how much later while one member asks each of
 * its neighbours a hundred times as often as all others ask.
 */
import path from 'node:path'
import fs from 'node:fs'
import { socketTransport } from '../../../src/cli/client/transport.ts'
import { quantile } from '../figures.ts'
import { ownEnvironment, startGroup, stopAll, type Node } from '../nodes.ts'
import { sleep, type Workshop } from '../workshop.ts'
import type { Case, Options } from './case.ts'

const PEER = path.resolve(import.meta.dirname, '../../fixtures/peers/peer.ts')
/** In each node's share; all of their names have COMMON, one has a word of its own. */
const FILES = 200
const COMMON = 'report'
/** For neighbours to be found, and tables of words to be told. */
const SETTLE_MS = 10_000
/** A word for each node, that no other has. */
const WORDS = [
  ...['albatross', 'badger', 'cormorant', 'dolphin', 'echidna', 'flamingo', 'gazelle', 'hedgehog', 'ibex', 'jackdaw'],
  ...[
    'kestrel',
    'lemur',
    'marmot',
    'narwhal',
    'ocelot',
    'pelican',
    'quail',
    'raccoon',
    'salamander',
    'tapir',
    'urchin'
  ],
  ...['vicuna', 'walrus', 'xerus', 'yak', 'zebra']
]
const wordOf = (at: number): string => `${WORDS[at % WORDS.length] ?? ''}${at < WORDS.length ? '' : at}`
/** What is normal: so many searches a second at each node. */
const SEARCHES_PER_SECOND = 0.5
const FLOOD_FACTOR = 100
const SEARCHES_EACH = 20
/** Neighbours take some seconds to cut the flood off. */
const FLOODED_EACH = 50
const SEARCH_MS_MAX = 60_000
const START_MS = 60_000

interface Round {
  firstMs: number[]
  endMs: number[]
  failed: number
}

export const search: Case = {
  name: 'search',
  async run(workshop, options) {
    const nodes = await startGroup(workshop, options.nodes, 'lan')
    for (const [at, node] of nodes.entries()) await node.ask('share', { paths: [makeShare(workshop, node.name, at)] })
    const asking = nodes.slice(0, -1)
    options.note(`${nodes.length} daemons, ${FILES} files each; ${asking.length * SEARCHES_EACH} searches a round`)
    await sleep(SETTLE_MS)
    // What is compiled and connected on the first use is not measured.
    await round(asking, 2)
    const quiet = await round(asking, SEARCHES_EACH)
    options.note(`first result after ${quantile(quiet.firstMs, 0.95).toFixed(1)} ms (p95); now with a flood`)
    await flood(workshop, nodes)
    const flooded = await round(asking, FLOODED_EACH)
    await stopAll(nodes)
    return answer(quiet, flooded, options)
  }
}

/** Returns the folder. */
function makeShare(workshop: Workshop, name: string, at: number): string {
  const folder = workshop.folder(`share-${name}`)
  for (let i = 0; i < FILES; i++) fs.writeFileSync(path.join(folder, `${COMMON} ${i} of ${name}.txt`), `${name} ${i}`)
  fs.writeFileSync(path.join(folder, `${wordOf(at)}.txt`), name)
  return folder
}

/** Every node looks for what one other has, at the normal rate; all together, out of step. */
async function round(nodes: readonly Node[], searches: number): Promise<Round> {
  const all: Round = { firstMs: [], endMs: [], failed: 0 }
  const everyMs = 1_000 / SEARCHES_PER_SECOND
  const one = async (node: Node, at: number): Promise<void> => {
    await sleep((at / nodes.length) * everyMs)
    for (let i = 0; i < searches; i++) {
      const dueMs = performance.now() + everyMs
      await measured(node, wordOf((at + 1 + (i % (nodes.length - 1))) % nodes.length), all)
      await sleep(Math.max(0, dueMs - performance.now()))
    }
  }
  await Promise.all(nodes.map(one))
  return all
}

async function measured({ home }: Node, text: string, into: Round): Promise<void> {
  const startMs = performance.now()
  let firstMs: number | undefined
  const onEvent = ({ event }: { event?: unknown }): void => {
    if (event === 'hit') firstMs ??= performance.now() - startMs
  }
  const asking = { signal: AbortSignal.timeout(SEARCH_MS_MAX), onEvent }
  await socketTransport(home, 'npm run bench').ask('search', { text, tellMs: 0 }, asking)
  if (firstMs === undefined) into.failed++
  else into.firstMs.push(firstMs)
  into.endMs.push(performance.now() - startMs)
}

/** The last node is ended, and comes back as one that floods. */
async function flood(workshop: Workshop, nodes: readonly Node[]): Promise<void> {
  const last = nodes.at(-1)
  if (last === undefined) return
  await last.ask('stop', {})
  await last.running.ended
  const rate = String(SEARCHES_PER_SECOND * FLOOD_FACTOR)
  const args = ['--home', last.home, '--listen', '127.0.0.1:0', '--flood', rate, '--text', COMMON]
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', PEER, ...args]
  await workshop.start(command, { env: ownEnvironment() }).says(/"ready":true/, START_MS)
  await nodes[0]?.ask('members', { wait: nodes.length, timeoutMs: START_MS })
}

function answer(quiet: Round, flooded: Round, { nodes }: Options): Awaited<ReturnType<Case['run']>> {
  const rows = [
    { name: 'quiet', ...quiet },
    { name: `one of them floods`, ...flooded }
  ]
  const ratio = (at: number): string => (quantile(flooded.firstMs, at) / quantile(quiet.firstMs, at)).toFixed(2)
  const row = ({ name, firstMs, endMs, failed }: (typeof rows)[number]): string[] => [
    name,
    ...[0.5, 0.95, 1].map(at => quantile(firstMs, at).toFixed(1)),
    quantile(endMs, 0.5).toFixed(0),
    `${failed} of ${endMs.length}`
  ]
  return {
    title: `searches in a group of ${nodes}, preset lan`,
    head: ['', 'first result, ms: p50', 'p95', 'most', 'all asked, ms: p50', 'found nothing'],
    rows: rows.map(row),
    notes: [
      `Each node searches ${SEARCHES_PER_SECOND} a second for one file of another's; the flood is ${FLOOD_FACTOR * SEARCHES_PER_SECOND} queries a second to each neighbour.`,
      `flooded / quiet: p50 ${ratio(0.5)}, p95 ${ratio(0.95)}`
    ],
    data: rows
  }
}
