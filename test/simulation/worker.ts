/** A child of run.ts. Reads jobs from stdin, one line of JSON each, and prints an outcome line for each. */
import { createInterface } from 'node:readline'
import type { Outcome, Scenario } from '../../src/sim/scenario.ts'
import type { Job } from './deal.ts'
import { scenarios } from './scenarios/index.ts'

/** One of this many seeds runs twice and must produce the same trace. */
const TWICE_EVERY_SEEDS = 20

const byName = new Map(scenarios.map(scenario => [scenario.name, scenario]))

/**
 * Runs the seed again. A different trace means that the run depends on more than the seed, such as global state or a
 * clock.
 */
function playedTwice(scenario: Scenario, first: Outcome): Outcome {
  const second = scenario.run(first.seed)
  if (second.hash === first.hash) return first
  const detail = `the trace is ${first.hash} in the first run and ${second.hash} in the second`
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
