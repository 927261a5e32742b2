/**
 * All tests in turn, and the sum of what passed and failed on the last line: `node test/run.js --size reduced|full`.
 * A lint or type step counts as one. A step that finds no test, or dies before it has counted, counts as one failed.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

const sizes = ['reduced', 'full']
const { values } = parseArgs({ options: { size: { type: 'string', default: 'reduced' } } })
const size = values.size
if (!sizes.includes(size)) {
  console.error(`test/run.js: --size is ${sizes.join(' or ')}, not ${size}`)
  process.exit(64)
}

const root = path.resolve(import.meta.dirname, '..')
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-test-'))

const step = { script, suite, simulation, mutants }

/** In the order in which they run: what fails fast comes first. */
const steps = [
  step.script('lint:code'),
  step.script('lint:imports'),
  step.script('lint:format'),
  step.script('types'),
  step.suite('tidy'),
  step.suite('unit'),
  step.simulation({ reduced: 200, full: 2000 }),
  step.suite('integration'),
  ...(size === 'full' ? [step.mutants(), step.suite('fuzz'), step.suite('interop')] : [])
]

const totals = { passed: 0, failed: 0 }
const summary = []
for (const { name, run } of steps) {
  console.log(`\n== ${name}`)
  const startMs = performance.now()
  const { passed, failed, skipped = 0 } = await run()
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  totals.passed += passed
  totals.failed += failed
  const line = `${name}: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''} in ${seconds} s`
  console.log(`-- ${line}`)
  summary.push(line)
}
fs.rmSync(temporary, { recursive: true, force: true })
console.log(`\n${summary.join('\n')}\n`)
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed === 0 ? 0 : 1

/** A script of package.json: passes or fails as one. */
function script(name) {
  const run = async () => {
    const { exitCode } = await start(['--run', name])
    return exitCode === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
  }
  return { name, run }
}

/** A project of vitest.config.ts. */
function suite(name) {
  const run = async () => {
    const report = path.join(temporary, `${name}.json`)
    const { exitCode } = await start([
      ...['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/tidy/vitest.config.ts', '--project', name],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    ])
    return judged(exitCode, countsOfReport(report))
  }
  return { name, run }
}

/** Deliberate bugs, each of which a checker of the simulations must catch. */
function mutants() {
  const run = async () => {
    const { exitCode, output } = await start(['test/simulation/mutants.ts'])
    const counts = /^mutants: (\d+) passed, (\d+) failed$/.exec(output.trimEnd().split('\n').at(-1) ?? '')
    return judged(exitCode, counts && { passed: Number(counts[1]), failed: Number(counts[2]) })
  }
  return { name: 'mutants', run }
}

/** test/simulation/run.ts; so many seeds by size: `{ reduced: 200, full: 2000 }`. */
function simulation(seeds) {
  const run = async () => {
    const { exitCode, output } = await start(['test/simulation/run.ts', '--seeds', String(seeds[size])])
    const counts = /^sim: (\d+) passed, (\d+) failed$/.exec(output.trimEnd().split('\n').at(-1) ?? '')
    return judged(exitCode, counts && { passed: Number(counts[1]), failed: Number(counts[2]) })
  }
  return { name: 'simulation', run }
}

/** Counts that contradict the exit status, or that count nothing, are one more failure. */
function judged(exitCode, counts) {
  if (!counts) return { passed: 0, failed: 1 }
  const silent = counts.failed === 0 && (exitCode !== 0 || counts.passed === 0)
  return silent ? { ...counts, failed: 1 } : counts
}

function countsOfReport(file) {
  if (!fs.existsSync(file)) return undefined
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(fs.readFileSync(file, 'utf8'))
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests }
}

/** What the child prints is shown as it comes, and kept. */
function start(args) {
  const env = { ...process.env, SHOAL_TEST_SIZE: size }
  const child = spawn('node', args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    process.stdout.write(text)
    output += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ exitCode: code ?? signal, output })
    })
  })
}
