/** Each row plants one violation and names the rule that must refuse it; the control samples must pass as they are. */
import fs from 'node:fs'
import path from 'node:path'
import { ESLint, type Linter } from 'eslint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plantTree, root } from './tree.ts'

interface Row {
  claim: string
  rule: string
  code: string
  /** Where it is planted; by default in core. */
  file?: string
}

const globalRule = 'no-restricted-globals'
const importRule = 'no-restricted-imports'
const propertyRule = 'no-restricted-properties'
const syntaxRule = 'no-restricted-syntax'

const onPureFloors: Row[] = [
  { claim: 'Date', rule: globalRule, code: 'export const now = (): number => Date.now()' },
  { claim: 'new Date', rule: globalRule, code: 'export const now = (): unknown => new Date()' },
  { claim: 'performance', rule: globalRule, code: 'export const now = (): number => performance.now()' },
  { claim: 'process.hrtime', rule: globalRule, code: 'export const now = (): bigint => process.hrtime.bigint()' },
  { claim: 'Math.random', rule: propertyRule, code: 'export const draw = (): number => Math.random()' },
  {
    claim: 'Math.random taken out',
    rule: propertyRule,
    code: 'const { random } = Math\nexport const draw = (): number => random()'
  },
  { claim: 'the global crypto', rule: globalRule, code: 'export const draw = (): string => crypto.randomUUID()' },
  {
    claim: 'randomBytes',
    rule: importRule,
    code: "import { randomBytes } from 'node:crypto'\nexport const draw = (): unknown => randomBytes(8)"
  },
  {
    claim: 'all of node:crypto',
    rule: importRule,
    code: "import * as all from 'node:crypto'\nexport const draw = (): unknown => all.hash('sha256', '')"
  },
  { claim: 'node:crypto passed on', rule: importRule, code: "export { randomBytes } from 'node:crypto'" },
  {
    claim: 'memory that was used before',
    rule: propertyRule,
    code: 'export const draw = (): unknown => Buffer.allocUnsafe(8)'
  },
  {
    claim: 'setTimeout',
    rule: globalRule,
    code: 'export const later = (f: () => void): void => void setTimeout(f, 1)'
  },
  {
    claim: 'setInterval',
    rule: globalRule,
    code: 'export const later = (f: () => void): void => void setInterval(f, 1)'
  },
  {
    claim: 'setImmediate',
    rule: globalRule,
    code: 'export const later = (f: () => void): void => void setImmediate(f)'
  },
  {
    claim: 'queueMicrotask',
    rule: globalRule,
    code: 'export const later = (f: () => void): void => queueMicrotask(f)'
  },
  {
    claim: 'process.nextTick',
    rule: globalRule,
    code: 'export const later = (f: () => void): void => process.nextTick(f)'
  },
  {
    claim: 'node:timers',
    rule: importRule,
    code: "import { setTimeout as later } from 'node:timers'\nexport const f = later"
  },
  { claim: 'process', rule: globalRule, code: 'export const home = (): unknown => process.env' },
  { claim: 'console', rule: globalRule, code: "export const say = (): void => console.log('x')" },
  { claim: 'Promise', rule: globalRule, code: 'export const soon = (): unknown => Promise.resolve(1)' },
  { claim: 'the type Promise', rule: syntaxRule, code: 'export type Soon = Promise<number>' },
  { claim: 'an async function', rule: syntaxRule, code: 'export async function soon() {\n  return 1\n}' },
  { claim: 'an async arrow', rule: syntaxRule, code: 'export const soon = async () => 1' },
  { claim: 'an async method', rule: syntaxRule, code: 'export class Room {\n  async open() {\n    return 1\n  }\n}' },
  { claim: 'an async generator', rule: syntaxRule, code: 'export async function* soon() {\n  yield 1\n}' },
  { claim: 'await', rule: syntaxRule, code: 'export const one: unknown = await (1 as unknown)' },
  {
    claim: 'for await',
    rule: syntaxRule,
    code: 'export function all(list: number[]): void {\n  for (const x of list) void x\n}\nfor await (const x of [1]) void x'
  },
  {
    claim: 'await using',
    rule: syntaxRule,
    code: 'export function f(open: () => AsyncDisposable): void {\n  await using x = open()\n}'
  },
  { claim: 'import()', rule: syntaxRule, code: "export const load = (): unknown => import('./other.ts')" },
  { claim: 'import.meta', rule: syntaxRule, code: 'export const here = import.meta.url' },
  {
    claim: 'the type AbortSignal',
    rule: syntaxRule,
    code: 'export const stop = (signal: AbortSignal): boolean => signal.aborted'
  },
  { claim: 'globals by another name', rule: globalRule, code: 'export const all: unknown = globalThis' },
  { claim: 'Intl', rule: globalRule, code: 'export const order = (): unknown => new Intl.Collator()' },
  {
    claim: 'localeCompare',
    rule: propertyRule,
    code: 'export const order = (a: string, b: string): number => a.localeCompare(b)'
  },
  { claim: 'WeakRef', rule: globalRule, code: 'export const weak = (x: object): unknown => new WeakRef(x)' },
  { claim: 'node:fs', rule: importRule, code: "import fs from 'node:fs'\nexport const disk = fs" },
  {
    claim: 'a module of Node without its prefix',
    rule: importRule,
    code: "import fs from 'fs'\nexport const disk = fs"
  },
  {
    claim: 'a type of a module of Node',
    rule: importRule,
    code: "import type { Socket } from 'node:net'\nexport type Line = Socket"
  },
  { claim: 'an npm package', rule: importRule, code: "import { pino } from 'pino'\nexport const log = pino" },
  {
    claim: 'valibot outside of the control schemas',
    rule: importRule,
    file: 'src/wire/plant.ts',
    code: "import { string } from 'valibot'\nexport const text = string"
  },
  {
    claim: 'another package in the control schemas',
    rule: importRule,
    file: 'src/wire/control/plant.ts',
    code: "import { pino } from 'pino'\nexport const log = pino"
  },
  {
    claim: 'an array of any length as arguments',
    rule: syntaxRule,
    code: 'export const most = (all: readonly number[]): number => Math.max(0, ...all)'
  },
  { claim: 'an import that ends in .js', rule: syntaxRule, code: "import { x } from './other.js'\nexport const y = x" }
]

const everywhere: Row[] = [
  {
    claim: 'a floating promise',
    rule: '@typescript-eslint/no-floating-promises',
    file: 'src/daemon/plant.ts',
    code: 'export function start(open: () => Promise<void>): void {\n  open()\n}'
  },
  {
    claim: 'a promise whose rejection is hidden by `void`',
    rule: '@typescript-eslint/no-floating-promises',
    file: 'src/daemon/plant.ts',
    code: 'export function start(open: () => Promise<void>): void {\n  void open()\n}'
  },
  {
    claim: 'a promise hidden by `void` in an arrow',
    rule: 'no-void',
    file: 'src/io/plant.ts',
    code: 'export const start = (open: () => Promise<void>): (() => void) => () => void open()'
  },
  {
    claim: 'a `then` without a handler of the rejection',
    rule: '@typescript-eslint/no-floating-promises',
    file: 'src/cli/plant.ts',
    code: 'export function start(open: () => Promise<void>, done: () => void): void {\n  open().then(done)\n}'
  },
  {
    claim: 'an async function where nobody takes its promise',
    rule: '@typescript-eslint/no-misused-promises',
    file: 'src/daemon/plant.ts',
    code: 'export function start(open: () => Promise<void>): void {\n  setTimeout(async () => {\n    await open()\n  }, 1)\n}'
  },
  {
    claim: 'a promise where a condition is wanted',
    rule: '@typescript-eslint/no-misused-promises',
    file: 'src/io/plant.ts',
    code: 'export function start(open: () => Promise<boolean>): number {\n  return open() ? 1 : 2\n}'
  },
  {
    claim: 'a switch that forgets a case',
    rule: '@typescript-eslint/switch-exhaustiveness-check',
    code: "export function f(s: 'a' | 'b'): number {\n  switch (s) {\n    case 'a':\n      return 1\n  }\n  return 2\n}"
  },
  {
    claim: 'a switch whose default hides a forgotten case',
    rule: '@typescript-eslint/switch-exhaustiveness-check',
    code: "export function f(s: 'a' | 'b'): number {\n  switch (s) {\n    case 'a':\n      return 1\n    default:\n      return 2\n  }\n}"
  },
  {
    claim: 'a type imported as a value',
    rule: '@typescript-eslint/consistent-type-imports',
    code: "import { Other } from './other-type.ts'\nexport const f = (o: Other): number => o.x"
  },
  {
    claim: 'an import that is left behind when types are erased',
    rule: '@typescript-eslint/no-import-type-side-effects',
    code: "import { type Other } from './other-type.ts'\nexport const f = (o: Other): number => o.x"
  },
  { claim: 'any', rule: '@typescript-eslint/no-explicit-any', code: 'export const f = (x: any): unknown => x' },
  {
    claim: 'a `!` in the product',
    rule: '@typescript-eslint/no-non-null-assertion',
    code: 'export const f = (x?: number): number => x!'
  },
  {
    claim: 'console in the daemon',
    rule: 'no-console',
    file: 'src/daemon/plant.ts',
    code: "console.log('x')\nexport {}"
  },
  { claim: 'console in io', rule: 'no-console', file: 'src/io/plant.ts', code: "console.error('x')\nexport {}" },
  { claim: 'console in a command', rule: 'no-console', file: 'src/cli/plant.ts', code: "console.log('x')\nexport {}" },
  {
    claim: 'an import that ends in .js outside the pure floors',
    rule: syntaxRule,
    file: 'src/io/plant.ts',
    code: "import { x } from './other.js'\nexport const y = x"
  },
  {
    claim: 'an array of any length as arguments, outside the pure floors',
    rule: syntaxRule,
    file: 'src/cli/plant.ts',
    code: 'export const add = (to: string[], all: readonly string[]): unknown => to.push(...all)'
  },
  {
    claim: 'stdout of the process in a command',
    rule: propertyRule,
    file: 'src/cli/plant.ts',
    code: "process.stdout.write('x')\nexport {}"
  },
  {
    claim: 'a directive that switches nothing off',
    rule: 'unused directive',
    code: '// eslint-disable-next-line no-var\nexport const x = 1'
  },
  {
    claim: 'an unknown name in plain JavaScript',
    rule: 'no-undef',
    file: 'bin/plant.js',
    code: 'export const x = thereIsNoSuchThing'
  }
]

const clean: Array<{ file: string; code: string }> = [
  {
    file: 'src/core/membership/clean.ts',
    code: "import { hash } from 'node:crypto'\nimport type { Other } from '../other-type.ts'\nimport { x } from '../other.ts'\n\nexport function* f(o: Other): Generator<number> {\n  yield hash('sha256', `${o.x + x}`).length\n}"
  },
  {
    file: 'src/daemon/clean.ts',
    code: 'export async function start(open: () => Promise<void>): Promise<number> {\n  await open()\n  return Date.now() + Math.random() + process.pid\n}'
  },
  {
    file: 'src/wire/control/clean.ts',
    code: "import * as v from 'valibot'\nexport const name = v.string()"
  },
  { file: 'src/cli/terminal/output.ts', code: "export const print = (): void => console.log('x')" },
  { file: 'test/unit/clean.test.ts', code: 'export const f = (x?: number): number => x!' },
  { file: 'bin/clean.js', code: 'console.log(process.pid, Date.now())' }
]

const neighbours = {
  'src/core/other.ts': 'export const x = 1\n',
  'src/core/other-type.ts': 'export interface Other {\n  x: number\n}\n',
  'src/io/other.ts': 'export const x = 1\n'
}

/** The purity rules hold on all four floors: every row in core, and one of each rule on the others. */
const onOtherFloors = ['base', 'wire', 'wire/control', 'sim'].flatMap(floor =>
  [globalRule, importRule, propertyRule, syntaxRule].map(rule => {
    const row = onPureFloors.find(candidate => candidate.rule === rule)
    if (row === undefined) throw new Error(`no row for ${rule}`)
    return { ...row, claim: `${row.claim} in ${floor}`, file: `src/${floor}/plant.ts` }
  })
)

const plants = [...onPureFloors, ...onOtherFloors, ...everywhere].map((row, index) => {
  const file = row.file ?? 'src/core/plant.ts'
  return { ...row, file: file.replace('plant', `plant-${index}`) }
})

let tree: string
let messages: Map<string, Linter.LintMessage[]>

beforeAll(async () => {
  const texts = [...plants, ...clean].map(({ file, code }) => [file, `${code}\n`])
  tree = plantTree({ ...neighbours, ...(Object.fromEntries(texts) as Record<string, string>) })
  const eslint = new ESLint({ cwd: tree, overrideConfigFile: path.join(root, 'test/tidy/eslint.config.js') })
  const results = await eslint.lintFiles(['.'])
  messages = new Map(results.map(result => [path.relative(tree, result.filePath), result.messages]))
})

afterAll(() => {
  fs.rmSync(tree, { recursive: true, force: true })
})

function rulesAgainst(file: string): string[] {
  const found = messages.get(file)
  if (found === undefined) throw new Error(`${file} was not linted`)
  return found.map(
    message =>
      message.ruleId ?? (message.message.startsWith('Unused eslint-disable') ? 'unused directive' : message.message)
  )
}

describe('the linter refuses', () => {
  it.each(plants)('$claim', ({ file, rule }) => {
    expect(rulesAgainst(file)).toContain(rule)
  })
})

describe('the linter passes', () => {
  it.each(clean)('$file', ({ file }) => {
    expect(rulesAgainst(file)).toEqual([])
  })
})
