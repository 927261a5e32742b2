/** A child of run.ts: plays the jobs that come in, a line of JSON each, and answers each with a line. */
import { createInterface } from 'node:readline'
import type { Outcome, Scenario } from '../../src/sim/scenario.ts'
import type { Job } from './deal.ts'
import { scenarios } from './scenarios/index.ts'

/** One seed of so many is played twice, and must leave the same trace. */
const TWICE_EVERY_SEEDS = 20

const byName = new Map(scenarios.map(scenario => [scenario.name, scenario]))

/** What is different the second time did not come from the seed: state outside of the world, a clock, chance. */
function playedTwice(scenario: Scenario, first: Outcome): Outcome {
  const second = scenario.run(first.seed)
  if (second.hash === first.hash) return first
  const detail = `trace ${first.hash} became ${second.hash} when it was played again`
  const failure = { property: 'same-trace', detail, atMs: first.worldMs, faults: [], trace: [] }
  return { ...first, failure }
}

createInterface({ input: process.stdin }).on('line', line => {
  const job = JSON.parse(line) as Job
  const scenario = byName.get(job.scenario)!
  const before = process.cpuUsage()
  const first = scenario.run(job.seed)
  const { user, system } = process.cpuUsage(before)
  const outcome = job.seed % TWICE_EVERY_SEEDS === 1 ? playedTwice(scenario, first) : first
  process.stdout.write(`${JSON.stringify({ outcome, cpuMs: (user + system) / 1_000 })}\n`)
})
