/**
 * Deliberate bugs, each of which the checker of a property must catch: `node test/simulation/mutants.ts [NAME…]`. A
 * mutant is one textual change to a copy of the sources. Its scenario runs there until the property is violated. The
 * unchanged sources must pass the same seeds.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Outcome } from '../../src/sim/scenario.ts'

export interface Mutant {
  /** A description of the bug, words with hyphens. */
  readonly name: string
  /** The property that the run must violate. */
  readonly property: string
  /** Relative to the project's root. */
  readonly file: string
  /** Must occur in the file exactly once. */
  readonly find: string
  readonly replace: string
  readonly scenario: string
  /** The run uses seeds 1 to this. */
  readonly seeds: number
}

const ROOT = path.resolve(import.meta.dirname, '../..')
const MUTANTS = path.join(import.meta.dirname, 'mutants')
/** The files and folders that a scenario may import. */
const COPIED = ['package.json', 'src', 'test/simulation']
const PROCESSES = 2

type Verdict = { ok: true; note: string } | { ok: false; problem: string }

async function readMutants(names: readonly string[]): Promise<Mutant[]> {
  const files = fs.readdirSync(MUTANTS).filter(name => name.endsWith('.ts'))
  const modules = await Promise.all(
    files.sort().map(async name => (await import(path.join(MUTANTS, name))) as { mutants: Mutant[] })
  )
  const all = modules.flatMap(({ mutants }) => mutants)
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

/** Copies the sources into a temporary folder, in which one mutant at a time is applied. */
function copySources(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-mutants-'))
  for (const part of COPIED) {
    fs.cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true })
  }
  return folder
}

/** Runs seeds 1 to `seeds` in one process, up to the first violation of `until`. */
function play(root: string, what: { scenario: string; seeds: number; until: string }): Promise<Outcome[]> {
  const run = path.join(root, 'test/simulation/run.ts')
  const options = ['--scenario', what.scenario, '--seeds', String(what.seeds), '--until', what.until]
  const child = spawn(process.execPath, [run, ...options, '--jobs', '1', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const outcomes: Outcome[] = []
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  createInterface({ input: child.stdout }).on('line', line => outcomes.push(JSON.parse(line) as Outcome))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => {
      if (outcomes.length > 0) resolve(outcomes)
      else reject(new Error(`no seed was run: ${complaints.trim()}`))
    })
  })
}

function failures(outcomes: readonly Outcome[]): string {
  const found = outcomes.flatMap(({ seed, failure }) =>
    failure === undefined ? [] : [`seed ${seed}: ${failure.property}`]
  )
  return found.length === 0 ? `no failure in ${outcomes.length} seeds` : found.slice(0, 3).join(', ')
}

/** Runs scenarios on the unchanged sources. Runs every pair of scenario and seeds only once. */
class Baselines {
  private readonly played = new Map<string, Promise<string | undefined>>()

  problem({ scenario, seeds }: Mutant): Promise<string | undefined> {
    const key = `${scenario} ${seeds}`
    let known = this.played.get(key)
    if (known === undefined) {
      known = play(ROOT, { scenario, seeds, until: '' }).then(outcomes =>
        outcomes.every(({ failure }) => failure === undefined) ? undefined : failures(outcomes)
      )
      this.played.set(key, known)
    }
    return known
  }
}

async function judge(mutant: Mutant, folder: string, baselines: Baselines): Promise<Verdict> {
  const file = path.join(folder, mutant.file)
  const original = fs.readFileSync(file, 'utf8')
  const places = original.split(mutant.find).length - 1
  if (places !== 1) return { ok: false, problem: `its text occurs ${places} times in ${mutant.file}, not once` }
  const unmutated = await baselines.problem(mutant)
  if (unmutated !== undefined) return { ok: false, problem: `the unchanged sources fail: ${unmutated}` }
  fs.writeFileSync(
    file,
    original.replace(mutant.find, () => mutant.replace)
  )
  try {
    const outcomes = await play(folder, { ...mutant, until: mutant.property })
    const caught = outcomes.find(({ failure }) => failure?.property === mutant.property)
    if (caught !== undefined) return { ok: true, note: `${mutant.property} at seed ${caught.seed}` }
    return { ok: false, problem: `${mutant.property} was not violated: ${failures(outcomes)}` }
  } finally {
    fs.writeFileSync(file, original)
  }
}

const waiting = await readMutants(process.argv.slice(2))
const baselines = new Baselines()
const counts = { passed: 0, failed: 0 }

async function work(): Promise<void> {
  const folder = copySources()
  try {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await judge(mutant, folder, baselines).catch((error: unknown): Verdict => {
        return { ok: false, problem: error instanceof Error ? error.message : String(error) }
      })
      counts[verdict.ok ? 'passed' : 'failed']++
      console.log(`${verdict.ok ? 'caught' : 'FAILED'}  ${mutant.name}: ${verdict.ok ? verdict.note : verdict.problem}`)
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

await Promise.all(Array.from({ length: PROCESSES }, work))
console.log(`mutants: ${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
