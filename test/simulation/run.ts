/**
 * Runs scenarios with many seeds in two processes: `npm run sim -- --help`. For a seed that fails it prints the
 * violated property, the faults, the last lines of the trace and the replay command.
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { failureText, type Outcome, type Scenario } from '../../src/sim/scenario.ts'
import { deal, type Job } from './deal.ts'
import { playJobs, type Played } from './pool.ts'
import { scenarios } from './scenarios/index.ts'

const HELP = `usage: npm run sim -- [--scenario NAME] [--seeds N] [--from K] [--seed S] [--json] [--until PROPERTY]
  --scenario NAME   run only this scenario; default: all of ${scenarios.map(({ name }) => name).join(', ')}
  --seeds N         the number of seeds over all scenarios (default 200)
  --from K          the first seed of every scenario (default 1)
  --seed S          run only this seed
  --jobs J          the number of processes (default 2)
  --json            print one line of JSON per seed instead of the table
  --until PROPERTY  stop at the first violation of this property
or: npm run sim -- search [PART…] [--seed S]
  the figures of search at 1,000 nodes (default seed 1); parts: pings, modes, deaths, graph, load`

const EXIT_USAGE = 64
/** The table marks scenarios whose mean is higher. */
const CPU_PER_SEED_MAX_MS = 400
/** The number of failures printed in full. Further failures are printed as one line. */
const FAILURES_IN_FULL_MAX = 3
const PROGRESS_EVERY_MS = 5_000

/** The argument that prints the figures of search for one seed, instead of running scenarios. */
const REPORT = 'search'

interface Options {
  chosen: readonly Scenario[]
  jobs: Job[]
  processes: number
  json: boolean
  until: string | undefined
}

function usage(problem: string): never {
  console.error(`sim: ${problem}\n${HELP}`)
  process.exit(EXIT_USAGE)
}

function numberOf(text: string, name: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) usage(`--${name} must be a non-negative integer, not ${text}`)
  return value
}

function readArgs() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        scenario: { type: 'string' },
        seeds: { type: 'string', default: '200' },
        seed: { type: 'string' },
        from: { type: 'string', default: '1' },
        jobs: { type: 'string', default: '2' },
        until: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false }
      }
    })
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

function readOptions({ values, positionals }: ReturnType<typeof readArgs>): Options {
  if (positionals.length > 0) usage(`unknown argument ${positionals[0]}`)
  if (values.help) {
    console.log(HELP)
    process.exit(0)
  }
  const chosen = scenarios.filter(({ name }) => values.scenario === undefined || name === values.scenario)
  if (chosen.length === 0) usage(`unknown scenario ${values.scenario ?? ''}`)
  const jobs =
    values.seed === undefined
      ? deal(chosen, numberOf(values.seeds, 'seeds'), numberOf(values.from, 'from'))
      : chosen.map(({ name }) => ({ scenario: name, seed: numberOf(values.seed ?? '', 'seed') }))
  const processes = Math.max(1, Math.min(numberOf(values.jobs, 'jobs'), jobs.length))
  return { chosen, jobs, processes, json: values.json, until: values.until }
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    }).trim()
  } catch {
    return 'unknown'
  }
}

/** Counts outcomes and prints them. */
class Tally {
  readonly played: Played[] = []
  failed = 0
  private readonly options: Options
  private shownAtMs = performance.now()

  constructor(options: Options) {
    this.options = options
  }

  /** Returns false when the run should stop. */
  add(one: Played): boolean {
    this.played.push(one)
    const { failure } = one.outcome
    if (this.options.json) console.log(JSON.stringify({ ...one.outcome, cpuMs: one.cpuMs }))
    if (failure !== undefined) {
      this.failed++
      if (!this.options.json) this.showFailure(one.outcome)
    }
    this.showProgress()
    return failure === undefined || failure.property !== this.options.until
  }

  private showFailure(outcome: Outcome): void {
    const text = failureText(outcome)
    const first = text.slice(0, text.indexOf('\n'))
    console.log(
      this.failed <= FAILURES_IN_FULL_MAX ? `\n${text}\ncommit ${commit()}, Node ${process.version}\n` : first
    )
  }

  private showProgress(): void {
    const nowMs = performance.now()
    if (nowMs - this.shownAtMs < PROGRESS_EVERY_MS) return
    this.shownAtMs = nowMs
    console.error(`sim: ${this.played.length} of ${this.options.jobs.length} seeds, ${this.failed} failed`)
  }

  /** A table with one line per scenario. */
  table(): string {
    const rows = this.options.chosen.map(({ name }) => {
      const mine = this.played.filter(({ outcome }) => outcome.scenario === name)
      const cpu = mine.map(({ cpuMs }) => cpuMs)
      const messages = mine.reduce((sum, { outcome }) => sum + outcome.messages, 0)
      const passed = mine.filter(({ outcome }) => outcome.failure === undefined).length
      const meanMs = cpu.reduce((sum, ms) => sum + ms, 0) / Math.max(1, cpu.length)
      const mostMs = Math.max(0, ...cpu)
      const mark = meanMs > CPU_PER_SEED_MAX_MS ? `  mean over ${CPU_PER_SEED_MAX_MS} ms` : ''
      return [name, mine.length, passed, meanMs.toFixed(0), mostMs.toFixed(0), messages, mark] as const
    })
    const head = ['scenario', 'seeds', 'passed', 'CPU ms mean', 'max', 'messages', ''] as const
    return [head, ...rows]
      .map(
        ([name, ...cells]) =>
          name.padEnd(24) +
          cells
            .map(cell => String(cell).padStart(12))
            .join('')
            .trimEnd()
      )
      .join('\n')
  }
}

const args = readArgs()
if (args.positionals[0] === REPORT) {
  // Imported only when needed: scenarios do not use it.
  const { report } = await import('./search/report.ts')
  report(numberOf(args.values.seed ?? '1', 'seed'), args.positionals.slice(1))
  process.exit(0)
}
const options = readOptions(args)
const tally = new Tally(options)
const startedMs = performance.now()
await playJobs(options.jobs, options.processes, one => tally.add(one))
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
const passed = tally.played.length - tally.failed
const last = `sim: ${passed} passed, ${tally.failed} failed`
if (options.json) console.error(last)
else {
  if (options.jobs.length === 1 && passed === 1) console.log(failureText(tally.played[0]!.outcome))
  console.log(`${tally.table()}\ncommit ${commit()}, Node ${process.version}, ${seconds} s\n${last}`)
}
process.exitCode = tally.failed === 0 ? 0 : 1
