/**
 * `npm run bench -- [CASE…] [OPTIONS]`: what Shoal costs on this machine, beside other programs where they are installed. Real processes on loopback, in turn; every run is told, none is left out.
 *
 * Everything lives in one temporary folder and is removed; every process that was started is ended. Exit 0 when all ran.
 */
import { execFileSync } from 'node:child_process'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { Answer, Case, Options } from './cases/case.ts'
import { death } from './cases/death.ts'
import { gateway } from './cases/gateway.ts'
import { idle } from './cases/idle.ts'
import { index } from './cases/names.ts'
import { search } from './cases/search.ts'
import { start } from './cases/start.ts'
import { large, small } from './cases/transfer.ts'
import { table } from './figures.ts'
import { Workshop } from './workshop.ts'

const CASES: readonly Case[] = [large, small, death, idle, start, search, gateway, index]
/** The whole of a default run takes half of this on two quiet cores. */
const CASE_MS_MAX = 10 * 60_000

const HELP = `usage: npm run bench -- [CASE…] [--runs N] [--mib N] [--files N] [--nodes N] [--names N] [--json]
  CASE       of ${CASES.map(({ name }) => name).join(', ')} (default: all)
  --runs N   of each measurement (default 3); --mib, --files, --nodes, --names say how much of it
  --json     one line of JSON per case in place of the tables`
const EXIT_USAGE = 64

const { values, positionals } = readArgs()
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const chosen = positionals.length === 0 ? CASES : positionals.map(caseOf)
const options: Options = {
  ...{ runs: count('runs'), mib: count('mib'), files: count('files'), nodes: count('nodes'), names: count('names') },
  note: text => process.stderr.write(`${text}\n`)
}
const machine = {
  cores: os.availableParallelism(),
  processor: os.cpus()[0]?.model ?? 'unknown',
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  node: process.version,
  kernel: os.release(),
  commit: commit(),
  load: os.loadavg()[0]?.toFixed(1)
}

if (!values.json) {
  const { cores, processor, memoryGiB, node, kernel, load } = machine
  console.log(
    `Shoal ${machine.commit}: ${cores} cores (${processor}), ${memoryGiB} GiB, Node ${node}, Linux ${kernel}, load ${load}`
  )
  console.log('Median (least–most) of the runs.')
}
for (const one of chosen) tell(one.name, await inWorkshop(one))

function usage(problem: string): never {
  console.error(`bench: ${problem}\n${HELP}`)
  process.exit(EXIT_USAGE)
}

function readArgs() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '3' },
        mib: { type: 'string', default: '1024' },
        files: { type: 'string', default: '5000' },
        nodes: { type: 'string', default: '16' },
        names: { type: 'string', default: '1000000' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false }
      }
    })
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

function caseOf(name: string): Case {
  return CASES.find(one => one.name === name) ?? usage(`there is no case ${name}`)
}

async function inWorkshop(one: Case): Promise<Answer> {
  const workshop = new Workshop()
  const end = (): void => {
    workshop.close()
    process.exit(1)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, end)
  const late = setTimeout(() => {
    console.error(`${one.name} took longer than ${CASE_MS_MAX / 60_000} minutes, and was ended`)
    end()
  }, CASE_MS_MAX)
  try {
    return await one.run(workshop, options)
  } finally {
    clearTimeout(late)
    for (const signal of signals) process.off(signal, end)
    workshop.close()
  }
}

function tell(name: string, { title, head, rows, notes, data }: Answer): void {
  if (values.json) console.log(JSON.stringify({ case: name, title, ...machine, data }))
  else console.log(`\n${title}\n${table(head, rows)}${notes.map(note => `\n  ${note}`).join('')}`)
}

function count(name: 'runs' | 'mib' | 'files' | 'nodes' | 'names'): number {
  const value = Number(values[name])
  if (!Number.isInteger(value) || value < 1) usage(`--${name} takes a whole number, not ${values[name]}`)
  return value
}

/** With a `+` when the tree is not as it was committed. */
function commit(): string {
  const git = (...args: string[]): string => {
    try {
      return execFileSync('git', args, { cwd: path.resolve(import.meta.dirname, '../..'), encoding: 'utf8' }).trim()
    } catch {
      return ''
    }
  }
  const head = git('rev-parse', '--short', 'HEAD')
  return head === '' ? 'of no commit' : head + (git('status', '--porcelain') === '' ? '' : '+')
}
