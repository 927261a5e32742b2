/**
 * Properties of search. Checks of every seed (search/checks.ts): `ttl` (the sum of TTL and hops does not grow, stays
 * within the hard limit, and expired descriptors are not sent), `once` and `no-echo` (no copy is sent twice or back),
 * `way-back` (hits, pongs and pushes take only the reverse path), `degree`, `honest-hits` (holders have their
 * results), `ends-once`. The scenarios here: what floods and dynamic queries reach and find, graphs that repair
 * themselves, searches while nodes die, a neighbour that sends a hundred times as many queries, and all faults
 * together.
 */
import { expectDefined } from '../../../src/base/assert.ts'
import type { Random } from '../../../src/base/random.ts'
import { RESULTS_MAX, type SearchSettings } from '../../../src/core/search/settings.ts'
import { components, graphOf, hopsFrom, type Graph } from '../search/graph.ts'
import { entriesOf } from '../search/bounds.ts'
import { Liars } from '../search/liars.ts'
import { Flooder } from '../search/overload.ts'
import { drawContent, drawId, firstHitMs, succeeded, type Asked } from '../search/searches.ts'
import { FEW_PINGS, NO_REWIRING, Stage, staged } from '../search/stage.ts'
import type { SearchNode } from '../search/world.ts'
import { oneFault } from '../support/ring-faults.ts'

const SEARCHES = 12
/** The time until all nodes have as many neighbours as they want, and the tables of all neighbours. */
const FILLED_MS = 5_000
const SEARCH_MAX_MS = 30_000
/** More than the number of all results. */
const EVERYTHING = { limit: RESULTS_MAX, timeoutMs: 20_000 }

/** Frequent pings, every second of which is a wide one. */
const MANY_PINGS = { pingMs: 4_000, wideEvery: 2 }

/** Sometimes draws a sparse graph, in which a short TTL does not reach all nodes. */
function drawDegrees(random: Random): Partial<SearchSettings> {
  return random.chance(0.5) ? { degreeMin: 2, degreeTarget: 2, degreeMax: 3 } : {}
}

/** Searches, and waits for the end. */
function searched(stage: Stage, asked: Asked): Asked {
  const { world } = stage.net
  const ended = world.settle(() => asked.ended !== undefined, { everyMs: 50, limitMs: SEARCH_MAX_MS })
  world.require(ended, 'ends-once', `search ${asked.serial} of ${asked.origin.name} has not ended`)
  return asked
}

export const searchFlood = staged({
  name: 'search-flood',
  about: 'a plain flood reaches every node within its TTL once and no other; answers take the reverse path',
  build: (seed, random) => {
    // With equal latencies the first copy took the shortest path. Otherwise later copies over shorter paths must be
    // sent on.
    const even = random.chance(0.5)
    const pongCache = random.chance(0.7)
    return new Stage({
      seed,
      nodes: 8 + random.below(pongCache ? 40 : 15),
      network: even ? { latencyMinMs: 20, latencyMaxMs: 20, asymmetry: 0, jitter: 0 } : {},
      settings: {
        ...{ ...MANY_PINGS, ...NO_REWIRING, ...drawDegrees(random), pongCache },
        ...{ mode: 'flood', tableHops: random.chance(0.3) ? 2 : 0, ttl: 1 + random.below(7) },
        ...{ widen: even ? 'rounds' : 'detours', tellAsked: random.chance(0.5) }
      }
    })
  },
  play: stage => {
    const { net } = stage
    const { world } = net
    stage.startAll()
    // A sparse graph may have several components.
    world.run(2 * FILLED_MS)
    for (let i = 0; i < SEARCHES; i++) {
      const { origin, text } = stage.question()
      forge(stage)
      const graph = graphOf(stage.nodes)
      const asked = searched(stage, net.searches.ask(origin, text, { ...EVERYTHING, trace: stage.random.chance(0.2) }))
      world.run(200)
      requireHeard(stage, graph, asked)
      const hops = hopsFrom(graph, origin)
      requireFound(stage, asked, node => (hops.get(node) ?? Infinity) <= net.settings.ttl)
    }
  }
})

/** Requires that the query reached exactly the nodes within its TTL, and asked no index twice. */
function requireHeard(stage: Stage, graph: Graph, { origin, heard, reached, serial }: Asked): void {
  const { world, settings } = stage.net
  const hops = hopsFrom(graph, origin)
  for (const node of stage.nodes) {
    const distance = hops.get(node) ?? Infinity
    const times = heard.get(node) ?? 0
    const what = `search ${serial} of ${origin.name} and ${node.name}, ${distance} hops away:`
    world.require(times <= 1, 'heard-once', `${what} its index was asked ${times} times`)
    const expected = reached.has(node) === distance <= settings.ttl
    // With route tables it may skip nodes without a match.
    const right = node === origin || expected || (settings.tableHops > 0 && !reached.has(node))
    world.require(right, 'heard-within-ttl', `${what} ${reached.has(node) ? 'reached' : 'not reached'}`)
  }
}

/** Requires an answer of every node in `reached` that has a match. */
function requireFound(stage: Stage, asked: Asked, reached: (node: SearchNode) => boolean): void {
  const answered = new Set(asked.hits.filter(({ hit }) => hit.results.length > 0).map(({ hit }) => hit.holder.id))
  for (const holder of stage.holders(asked.query.text)) {
    const found = !reached(holder) || answered.has(holder.id)
    const what = `search ${asked.serial} of ${asked.origin.name} for ${asked.query.text}`
    stage.net.world.require(found, 'finds-all', `${what} did not find ${holder.name}`)
  }
}

/** Sends a query with TTL 255 to a node. */
function forge(stage: Stage): void {
  const victim = expectDefined(stage.random.pick(stage.upNodes), 'a node is up')
  const liar = stage.random.pick(graphOf(stage.nodes).get(victim) ?? [])
  if (liar === undefined) return
  const id = drawId(stage.random)
  const query = {
    text: 'forged',
    content: undefined,
    filter: { type: undefined, minBytes: undefined, maxBytes: undefined }
  }
  const hops = stage.random.below(3)
  stage.net.world.call(victim, (machine, now) => {
    machine.receive(liar.contact, 'stream', { kind: 'query', id, ttl: 255, hops, query, trace: false, asked: [] }, now)
  })
}

export const searchDynamic = staged({
  name: 'search-dynamic',
  about: 'a dynamic query stops at its limit, or finds all results, with and without route tables',
  build: (seed, random) =>
    new Stage({
      seed,
      nodes: 8 + random.below(50),
      library: { files: 200 },
      settings: { ...FEW_PINGS, ...NO_REWIRING, mode: 'dynamic', tableHops: random.pick([0, 1, 2]) ?? 2 }
    }),
  play: stage => {
    const { net, random } = stage
    stage.startAll()
    stage.requireGraph('one-graph')
    net.world.run(FILLED_MS)
    for (let i = 0; i < SEARCHES; i++) {
      const { origin, text } = stage.question()
      const limit = random.pick([1, 5, RESULTS_MAX]) ?? 1
      const asked = net.searches.ask(origin, text, { limit, timeoutMs: 20_000 })
      if (random.chance(0.2)) {
        net.world.run(random.range(0, 500))
        net.searches.cancel(asked)
      } else requireEnd(stage, searched(stage, asked))
    }
    net.world.run(1_000)
  }
})

/** Requires that the search ended at the answer that reached its limit, or after all nodes were asked. */
function requireEnd(stage: Stage, asked: Asked): void {
  const { world } = stage.net
  const { report, atMs } = expectDefined(asked.ended, 'it has ended')
  const what = `search ${asked.serial} of ${asked.origin.name}, limit ${asked.options.limit}`
  let count = 0
  const full = asked.hits.find(({ hit }) => (count += hit.results.length) >= asked.options.limit)
  if (full !== undefined) {
    world.require(report.ended === 'limit' && full.atMs === atMs, 'stops', `${what}, ended ${report.ended} later`)
    return
  }
  world.require(report.ended === 'exhausted', 'ends-once', `${what} with ${count} results ended: ${report.ended}`)
  requireFound(stage, asked, () => true)
}

const JOINING_MS = 10_000
const HEALED_MAX_MS = 60_000
const REPAIRED_MAX_MS = 30_000

export const searchGraph = staged({
  name: 'search-graph',
  about: 'after joins, deaths and partitions there is one graph with valid degrees',
  build: (seed, random) =>
    new Stage({ seed, nodes: 7 + random.below(40), library: { files: 40 }, settings: FEW_PINGS }),
  play: stage => {
    const { net, random, oracle } = stage
    const { world } = net
    stage.startAll(JOINING_MS)
    world.run(JOINING_MS)
    stage.requireGraph('one-graph')
    for (const node of random.sample(stage.nodes, Math.ceil(stage.nodes.length / 10))) {
      oracle.crash(node, { host: random.chance(0.5) })
    }
    world.run(1_000)
    stage.requireGraph('one-graph', REPAIRED_MAX_MS)
    const nodes = random.shuffle(stage.upNodes)
    const cut = oracle.split(nodes.slice(nodes.length >> 1), nodes.slice(0, nodes.length >> 1))
    world.run(60_000)
    const parts = components(graphOf(stage.upNodes)).length
    world.require(parts === 2 || nodes.length < 4, 'one-graph', `${parts} components in two halves`)
    cut.end()
    world.run(1_000)
    stage.requireGraph('one-graph', HEALED_MAX_MS)
  }
})

/** The share of searches with a result, among those for which a live node has one. */
function successOf(stage: Stage, asked: readonly Asked[]): number {
  const possible = asked.filter(one => one.origin.isUp && stage.holders(one.query.text).length > 0)
  return possible.filter(succeeded).length / Math.max(1, possible.length)
}

/** Starts searches one after the other, and waits until the last one has ended. */
function askInTurn(stage: Stage, questions: ReturnType<Stage['question']>[], everyMs: number): Asked[] {
  const { world, searches } = stage.net
  const asked: Asked[] = []
  for (const { origin, text } of questions) {
    world.run(everyMs)
    if (origin.isUp) asked.push(searches.ask(origin, text, { limit: 20, timeoutMs: SEARCH_MAX_MS / 2 }))
  }
  const done = (one: Asked): boolean => one.ended !== undefined || one.origin.boots !== one.boot || !one.origin.isUp
  world.require(
    world.settle(() => asked.every(done), { everyMs: 250, limitMs: SEARCH_MAX_MS }),
    'ends-once',
    'not all searches have ended'
  )
  return asked
}

function questions(stage: Stage, count: number): ReturnType<Stage['question']>[] {
  return Array.from({ length: count }, () => stage.question())
}

const SEARCHES_IN_TURN = 30
const SEARCH_EVERY_MS = 400
const SUCCESS_FALL_MAX = 0.05

export const searchDeaths = staged({
  name: 'search-deaths',
  about: 'a tenth of the nodes dies during searches: few of them fail, and none a minute later',
  build: (seed, random) =>
    new Stage({ seed, nodes: 20 + random.below(20), library: { files: 200 }, settings: FEW_PINGS }),
  play: stage => {
    const { net, random, oracle } = stage
    const { world } = net
    stage.startAll()
    stage.requireGraph('one-graph')
    world.run(FILLED_MS)
    const killedMs = world.timeMs + (SEARCHES_IN_TURN / 2) * SEARCH_EVERY_MS
    world.at(killedMs, () => {
      for (const node of random.sample(stage.nodes, Math.ceil(stage.nodes.length / 10))) oracle.crash(node)
    })
    const during = successOf(stage, askInTurn(stage, questions(stage, SEARCHES_IN_TURN), SEARCH_EVERY_MS))
    world.require(during >= 1 - SUCCESS_FALL_MAX, 'success', `${during} of all searches while nodes died`)
    world.run(Math.max(0, killedMs + HEALED_MAX_MS - world.timeMs))
    const later = successOf(stage, askInTurn(stage, questions(stage, SEARCHES_IN_TURN / 2), SEARCH_EVERY_MS))
    world.require(later === 1, 'success', `${later} of all searches a minute after nodes died`)
  }
})

/** Lower than the defaults, so that a seed takes little CPU time. The searches of all other nodes stay below it. */
const RATES = { queriesPerSecond: 8, queriesBurst: 16, queriesOverMax: 32 }
/** So slow that an index that answered all queries of the flooder could answer no others. */
const SLOW_MATCH_MS = 5
const FLOODER_FACTOR = 100
const SLOWER_MAX = 1.5
/** Tolerance for random effects: late packets and concurrent searches. */
const SLACK_MS = 10

export const searchLoad = staged({
  name: 'search-load',
  about: 'a neighbour that sends a hundred times as many queries as all others hardly affects their searches',
  build: (seed, random) =>
    new Stage({
      seed,
      nodes: 10 + random.below(8),
      matchMs: SLOW_MATCH_MS,
      settings: { ...FEW_PINGS, ...NO_REWIRING, ...RATES }
    }),
  play: stage => {
    const { net, random } = stage
    const { world } = net
    stage.startAll()
    stage.requireGraph('one-graph')
    world.run(FILLED_MS)
    const flooder = new Flooder(net, stage.nodes[0]!, random.fork('flooder'))
    const some = questions(stage, SEARCHES_IN_TURN).filter(({ origin }) => origin !== flooder.node)
    const before = askInTurn(stage, some, SEARCH_EVERY_MS)
    flooder.begin({ perSecond: FLOODER_FACTOR * (1_000 / SEARCH_EVERY_MS), forMs: some.length * SEARCH_EVERY_MS })
    const under = askInTurn(stage, some, SEARCH_EVERY_MS)
    const [had, has] = [successOf(stage, before), successOf(stage, under)]
    world.require(has * SLOWER_MAX >= had, 'fair', `success fell from ${had} to ${has}`)
    const [was, is] = [meanFirstHitMs(before), meanFirstHitMs(under)]
    world.require(is <= was * SLOWER_MAX + SLACK_MS, 'fair', `first hits came after ${is} ms, and ${was} ms before`)
  }
})

function meanFirstHitMs(asked: readonly Asked[]): number {
  const times = asked.map(firstHitMs).filter(ms => ms !== undefined)
  return times.reduce((sum, ms) => sum + ms, 0) / Math.max(1, times.length)
}

const FAULTS = 5
const ASK_EVERY_MS = 300
const LIE_EVERY_MS = 150
/** Longer than both generations remember a descriptor id. */
const QUIET_MS = 150_000
/** The limit of the entries of an idle machine: per member, per neighbour, and in addition. */
const ENTRIES_PER_MEMBER = 8
const ENTRIES_QUIET = 150

export const searchFaults = staged({
  name: 'search-faults',
  about:
    'crashes, pauses, partitions, loss and liars: searches end once, results are genuine, and no state is left over',
  build: (seed, random) =>
    new Stage({
      seed,
      nodes: 6 + random.below(8),
      library: { files: 100 },
      network: { loss: 0.01 },
      settings: {
        ...FEW_PINGS,
        mode: random.pick(['flood', 'dynamic']) ?? 'dynamic',
        tableHops: random.pick([0, 1, 2]) ?? 2,
        pongCache: random.chance(0.7)
      }
    }),
  play: stage => {
    const { net, oracle } = stage
    const { world } = net
    stage.startAll()
    world.run(3_000)
    const stop = keepAsking(stage)
    const liars = new Liars(stage)
    liars.lieEvery(LIE_EVERY_MS)
    for (let i = 0; i < FAULTS; i++) oneFault(world, oracle, { splitSettled: () => undefined })
    liars.stop()
    stop()
    world.calm({ restart: false })
    for (const node of world.nodes) if (node.process === 'off') oracle.start(node)
    world.run(SEARCH_MAX_MS)
    for (const one of net.searches.all) {
      const gone = one.origin.boots !== one.boot
      world.require(
        gone || one.ended !== undefined,
        'ends-once',
        `search ${one.serial} of ${one.origin.name} has not ended`
      )
    }
    stage.requireGraph('one-graph', HEALED_MAX_MS)
    world.run(QUIET_MS)
    requireForgotten(stage)
    const { origin, text } = stage.question()
    requireFound(stage, searched(stage, net.searches.ask(origin, text, EVERYTHING)), () => true)
  }
})

/** Requires that after a long idle time no machine holds state of old searches. */
function requireForgotten(stage: Stage): void {
  const { world, searches } = stage.net
  // Generations expire only when they are used, so each node looks up something that no node has.
  const nobody = drawContent(stage.random)
  for (const node of world.nodes) {
    searches.ask(node, 'nobody has this', { timeoutMs: SEARCH_MAX_MS })
    world.call(node, (machine, now) =>
      machine.requestPush(expectDefined(world.nodes[0], 'there are nodes').id, nobody, now)
    )
  }
  world.run(SEARCH_MAX_MS)
  for (const node of world.nodes) {
    const entries = entriesOf(node.machine)
    const most = ENTRIES_QUIET + ENTRIES_PER_MEMBER * world.nodes.length
    world.require(entries <= most, 'forgets', `${node.name} holds ${entries} entries, the limit is ${most}`)
  }
}

/** A random node searches, sometimes cancels, and sometimes requests a push. */
function keepAsking(stage: Stage): () => void {
  const { net, random } = stage
  const { world, searches } = net
  let asking = true
  const next = (): void => {
    if (!asking) return
    world.at(world.timeMs + random.range(0, 2 * ASK_EVERY_MS), next)
    const origin = random.pick(stage.upNodes)
    if (origin === undefined) return
    const asked = searches.ask(origin, stage.library.drawText(random), {
      limit: random.pick([1, 10, RESULTS_MAX]) ?? 1,
      timeoutMs: random.range(500, 10_000),
      trace: random.chance(0.1)
    })
    if (random.chance(0.1)) world.after(random.range(0, 1_000), origin, () => searches.cancel(asked))
    const before = random.pick(searches.all)
    const hit = random.pick(before?.hits ?? [])?.hit
    if (hit === undefined || before?.origin.isUp !== true || hit.holder.id === before.origin.id) return
    const content = hit.results[0]?.content
    if (content === undefined) return
    world.call(before.origin, (machine, now) => machine.requestPush(hit.holder.id, content, now))
  }
  next()
  return () => {
    asking = false
  }
}
