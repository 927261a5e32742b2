/** Each row plants one import and names the rule that must refuse it; every import that the floors allow must pass. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plantTree, root } from './tree.ts'

interface Row {
  rule: string
  from: string
  to: string
  /** By default a value is imported. */
  kind?: 'type' | 'dynamic'
}

const refused: Row[] = [
  { rule: 'base-points-down', from: 'src/base/a.ts', to: 'src/wire/a.ts' },
  { rule: 'wire-points-down', from: 'src/wire/a.ts', to: 'src/core/a.ts' },
  { rule: 'wire-points-down', from: 'src/wire/a.ts', to: 'src/core/a.ts', kind: 'type' },
  { rule: 'core-points-down', from: 'src/core/a.ts', to: 'src/io/a.ts' },
  { rule: 'core-points-down', from: 'src/core/records/a.ts', to: 'src/daemon/a.ts', kind: 'type' },
  { rule: 'core-points-down', from: 'src/core/node/a.ts', to: 'src/sim/a.ts' },
  { rule: 'io-points-down', from: 'src/io/a.ts', to: 'src/daemon/a.ts' },
  { rule: 'io-points-down', from: 'src/io/a.ts', to: 'src/sim/a.ts' },
  { rule: 'sim-points-down', from: 'src/sim/a.ts', to: 'src/io/a.ts' },
  { rule: 'daemon-points-down', from: 'src/daemon/a.ts', to: 'src/cli/a.ts' },
  { rule: 'daemon-points-down', from: 'src/daemon/a.ts', to: 'src/sim/a.ts', kind: 'dynamic' },
  { rule: 'cli-points-down', from: 'src/cli/a.ts', to: 'src/core/a.ts' },
  { rule: 'cli-points-down', from: 'src/cli/a.ts', to: 'src/daemon/a.ts', kind: 'dynamic' },
  { rule: 'core-rooms-apart', from: 'src/core/membership/a.ts', to: 'src/core/overlay/a.ts' },
  { rule: 'core-rooms-apart', from: 'src/core/exchange/a.ts', to: 'src/core/search/a.ts', kind: 'type' },
  { rule: 'core-rooms-apart', from: 'src/core/records/deep/a.ts', to: 'src/core/node/a.ts' },
  { rule: 'core-contract-above-rooms', from: 'src/core/a.ts', to: 'src/core/records/a.ts', kind: 'type' },
  { rule: 'io-takes-types-of-core', from: 'src/io/a.ts', to: 'src/core/a.ts' },
  { rule: 'io-takes-types-of-core', from: 'src/io/a.ts', to: 'src/core/exchange/a.ts', kind: 'dynamic' },
  { rule: 'cli-takes-control-of-wire', from: 'src/cli/a.ts', to: 'src/wire/swim.ts' },
  { rule: 'cli-takes-control-of-wire', from: 'src/cli/a.ts', to: 'src/wire/codec/codec.ts' },
  { rule: 'src-stands-alone', from: 'src/daemon/a.ts', to: 'test/fixtures/a.ts' },
  { rule: 'src-stands-alone', from: 'src/cli/a.ts', to: 'bin/a.js' },
  { rule: 'bin-runs-the-build', from: 'bin/b.js', to: 'src/cli/a.ts' },
  { rule: 'bin-runs-the-build', from: 'bin/b.js', to: 'dist/core/a.js', kind: 'dynamic' },
  { rule: 'bin-runs-the-build', from: 'bin/b.js', to: 'pino' },
  { rule: 'pure-floors-take-no-package', from: 'src/base/a.ts', to: 'pino' },
  { rule: 'pure-floors-take-no-package', from: 'src/wire/a.ts', to: 'pino' },
  { rule: 'pure-floors-take-no-package', from: 'src/core/overlay/a.ts', to: '@libp2p/interface', kind: 'type' },
  { rule: 'pure-floors-take-no-package', from: 'src/sim/a.ts', to: 'pino' },
  { rule: 'pure-floors-take-no-package', from: 'src/wire/a.ts', to: 'valibot' },
  { rule: 'pure-floors-take-no-package', from: 'src/wire/codec/a.ts', to: 'valibot', kind: 'type' },
  { rule: 'pure-floors-take-no-package', from: 'src/core/a.ts', to: 'valibot' },
  { rule: 'control-schemas-take-valibot', from: 'src/wire/control/a.ts', to: 'pino' },
  { rule: 'control-schemas-take-valibot', from: 'src/wire/control/a.ts', to: 'commander', kind: 'type' },
  { rule: 'valibot-in-control-schemas', from: 'src/cli/a.ts', to: 'valibot' },
  { rule: 'valibot-in-control-schemas', from: 'src/daemon/a.ts', to: 'valibot', kind: 'type' },
  { rule: 'pure-floors-take-no-node', from: 'src/wire/control/a.ts', to: 'node:fs' },
  { rule: 'pure-floors-take-no-node', from: 'src/core/a.ts', to: 'node:fs' },
  { rule: 'pure-floors-take-no-node', from: 'src/sim/a.ts', to: 'node:timers', kind: 'type' },
  { rule: 'libp2p-in-io-net', from: 'src/daemon/a.ts', to: 'libp2p' },
  { rule: 'libp2p-in-io-net', from: 'src/daemon/a.ts', to: '@libp2p/crypto' },
  { rule: 'libp2p-in-io-net', from: 'src/daemon/a.ts', to: '@libp2p/interface', kind: 'type' },
  { rule: 'libp2p-in-io-net', from: 'src/cli/a.ts', to: '@multiformats/multiaddr' },
  { rule: 'libp2p-in-io-net', from: 'src/daemon/a.ts', to: '@chainsafe/libp2p-noise' },
  { rule: 'libp2p-in-io-net', from: 'src/io/blocks/a.ts', to: '@libp2p/interface', kind: 'type' },
  { rule: 'it-pipe-in-io', from: 'src/daemon/a.ts', to: 'it-pipe' },
  { rule: 'commander-in-cli', from: 'src/daemon/a.ts', to: 'commander' },
  { rule: 'pino-where-logs-are', from: 'src/core/a.ts', to: 'pino' },
  { rule: 'declared-packages-only', from: 'src/daemon/a.ts', to: 'vitest' },
  { rule: 'declared-packages-only', from: 'src/io/a.ts', to: 'vite' },
  { rule: 'resolvable', from: 'src/daemon/a.ts', to: 'src/daemon/missing.ts' },
  { rule: 'resolvable', from: 'src/io/a.ts', to: 'no-such-package' }
]

/** Round in a circle of types only, which the compiler would let pass. */
const cycle: Record<string, string> = {
  'src/daemon/round-1.ts': "import type { B } from './round-2.ts'\nexport type A = B | 1\n",
  'src/daemon/round-2.ts': "import type { A } from './round-1.ts'\nexport type B = A | 2\n"
}

const allowed: Array<Omit<Row, 'rule'>> = [
  { from: 'src/base/a.ts', to: 'src/base/b.ts' },
  { from: 'src/base/a.ts', to: 'node:crypto' },
  { from: 'src/wire/a.ts', to: 'src/base/b.ts' },
  { from: 'src/wire/control/a.ts', to: 'valibot' },
  { from: 'src/core/a.ts', to: 'src/wire/b.ts' },
  { from: 'src/core/membership/a.ts', to: 'src/core/b.ts' },
  { from: 'src/core/membership/a.ts', to: 'src/core/membership/deep/b.ts' },
  { from: 'src/core/node/a.ts', to: 'src/core/membership/b.ts' },
  { from: 'src/io/a.ts', to: 'src/core/b.ts', kind: 'type' },
  { from: 'src/io/a.ts', to: 'src/wire/b.ts' },
  { from: 'src/io/net/a.ts', to: 'libp2p' },
  { from: 'src/io/net/stream/a.ts', to: '@chainsafe/libp2p-noise' },
  { from: 'src/io/a.ts', to: 'it-pipe' },
  { from: 'src/io/a.ts', to: 'pino' },
  { from: 'src/io/a.ts', to: 'node:fs' },
  { from: 'src/io/a.ts', to: 'pino' },
  { from: 'src/sim/a.ts', to: 'src/core/node/b.ts' },
  { from: 'src/daemon/a.ts', to: 'src/io/b.ts' },
  { from: 'src/daemon/a.ts', to: 'src/core/node/b.ts' },
  { from: 'src/daemon/a.ts', to: 'pino' },
  { from: 'src/cli/a.ts', to: 'src/base/b.ts' },
  { from: 'src/cli/a.ts', to: 'src/wire/control/methods.ts' },
  { from: 'src/cli/a.ts', to: 'src/wire/control-events.ts' },
  { from: 'src/cli/a.ts', to: 'commander' },
  { from: 'src/cli/a.ts', to: 'node:net' },
  { from: 'bin/a.js', to: 'dist/cli/main.js', kind: 'dynamic' },
  { from: 'bin/a.js', to: 'dist/daemon/main.js', kind: 'dynamic' },
  { from: 'bin/a.js', to: 'bin/b.js' },
  { from: 'bin/a.js', to: 'node:child_process' }
]

interface Violation {
  from: string
  rule: { name: string }
}

const configFile = path.join(root, 'test/tidy/imports.config.js')
const trees: string[] = []

function plant(rows: ReadonlyArray<Omit<Row, 'rule'>>, more: Record<string, string> = {}): string {
  const files: Record<string, string> = { ...more }
  for (const { to } of rows) {
    if (/^(src|bin|test|dist)\//.test(to) && !to.includes('missing')) files[to] = 'export const x = 1\n'
  }
  rows.forEach((row, index) => (files[plantedFile(row, index)] = statement(row)))
  const tree = plantTree(files)
  trees.push(tree)
  return tree
}

function plantedFile({ from }: Omit<Row, 'rule'>, index: number): string {
  return from.replace(/[.](ts|js)$/, `-${index}.$1`)
}

function statement({ from, to, kind }: Omit<Row, 'rule'>): string {
  const specifier = /^(src|bin|test|dist)\//.test(to) ? relative(path.dirname(from), to) : to
  if (kind === 'type') return `import type { x } from '${specifier}'\nexport type Y = typeof x\n`
  if (kind === 'dynamic') return `export const y = () => import('${specifier}')\n`
  return `import { x } from '${specifier}'\nexport const y = x\n`
}

function relative(folder: string, to: string): string {
  const way = path.relative(folder, to)
  return way.startsWith('.') ? way : `./${way}`
}

function violationsIn(tree: string): Violation[] {
  const command = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const args = [
    command,
    '--config',
    path.join(root, 'test/tidy/imports.config.js'),
    '--output-type',
    'json',
    'src',
    'bin'
  ]
  const child = spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (child.stdout === '') throw new Error(child.stderr)
  return (JSON.parse(child.stdout) as { summary: { violations: Violation[] } }).summary.violations
}

function rulesAgainst(file: string, violations: readonly Violation[]): string[] {
  return violations.filter(violation => violation.from === file).map(violation => violation.rule.name)
}

afterAll(() => {
  for (const tree of trees) fs.rmSync(tree, { recursive: true, force: true })
})

describe('refused', () => {
  let violations: Violation[]
  beforeAll(() => {
    violations = violationsIn(plant(refused, cycle))
  })

  it.each(refused.map((row, index) => ({ ...row, kind: row.kind ?? 'value', file: plantedFile(row, index) })))(
    '$rule: $from takes a $kind of $to',
    ({ rule, file }) => {
      expect(rulesAgainst(file, violations)).toContain(rule)
    }
  )

  it('no-cycles: two files whose types need each other', () => {
    expect(rulesAgainst('src/daemon/round-1.ts', violations)).toContain('no-cycles')
  })

  it('has a row for each rule', async () => {
    const { default: config } = (await import(configFile)) as { default: { forbidden: Array<{ name: string }> } }
    const rows = new Set([...refused.map(row => row.rule), 'no-cycles'])
    expect(config.forbidden.map(rule => rule.name).filter(name => !rows.has(name))).toEqual([])
  })
})

describe('allowed', () => {
  it('every import that the floors allow', () => {
    expect(violationsIn(plant(allowed))).toEqual([])
  })

  it('bin before anything was built', () => {
    const tree = plant(allowed)
    fs.rmSync(path.join(tree, 'dist'), { recursive: true })
    expect(violationsIn(tree)).toEqual([])
  })
})
