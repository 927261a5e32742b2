/**
 * The floors as rules for dependency-cruiser: imports point down only. `imports.test.ts` plants a violation of each
 * rule. Imports of types count like any other, except where a rule says so.
 */

/** Each floor, and the floors that it may import beside itself. */
const floors = {
  base: [],
  wire: ['base'],
  core: ['base', 'wire'],
  io: ['base', 'wire', 'core'],
  sim: ['base', 'wire', 'core'],
  daemon: ['base', 'wire', 'core', 'io'],
  cli: ['base', 'wire']
}
const pure = '^src/(base|wire|core|sim)/'
const controlSchemas = '^src/wire/control/'
const libp2p = 'node_modules/(libp2p|@libp2p|@chainsafe/libp2p-[^/]+|@multiformats)/'

const pointDown = Object.entries(floors).map(([floor, below]) => ({
  name: `${floor}-points-down`,
  comment: `src/${floor} may import ${below.length === 0 ? 'nothing of ours' : below.join(', ')}.`,
  severity: 'error',
  from: { path: `^src/${floor}/` },
  to: { path: '^src/', pathNot: `^src/(${[floor, ...below].join('|')})/` }
}))

/** An npm package that is one floor's business. */
const only = (name, packages, owners) => ({
  name,
  comment: `Only src/{${owners.join(',')}} may import this.`,
  severity: 'error',
  from: { path: '^(src|bin)/', pathNot: `^src/(${owners.join('|')})/` },
  to: { path: packages }
})

export default {
  forbidden: [
    ...pointDown,
    {
      name: 'core-rooms-apart',
      comment: 'A room of core never imports a sibling: only core/node does, and moves events between them.',
      severity: 'error',
      from: { path: '^src/core/([^/]+)/', pathNot: '^src/core/node/' },
      to: { path: '^src/core/[^/]+/', pathNot: '^src/core/$1/' }
    },
    {
      name: 'core-contract-above-rooms',
      comment: 'What all rooms may import (core/machine.ts and its neighbours) knows no room.',
      severity: 'error',
      from: { path: '^src/core/[^/]+$' },
      to: { path: '^src/core/[^/]+/' }
    },
    {
      name: 'io-takes-types-of-core',
      comment: 'io serves the commands of core, it does not run it: `import type` only.',
      severity: 'error',
      from: { path: '^src/io/' },
      to: { path: '^src/core/', dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'cli-takes-control-of-wire',
      comment: 'Of wire the CLI knows the schema of the control API only.',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/wire/', pathNot: '^src/wire/control' }
    },
    {
      name: 'src-stands-alone',
      comment: 'The product imports no test, no script and not its own build.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bin|dist)/' }
    },
    {
      name: 'bin-runs-the-build',
      comment: 'bin imports dist/cli or dist/daemon, its neighbours and modules of Node.',
      severity: 'error',
      from: { path: '^bin/' },
      to: { dependencyTypesNot: ['core'], pathNot: '^bin/|(^|/)dist/(cli|daemon)/' }
    },
    {
      name: 'pure-floors-take-no-package',
      comment: 'base, wire, core and sim stand on nothing but the language and crypto.hash.',
      severity: 'error',
      from: { path: pure, pathNot: controlSchemas },
      to: { path: 'node_modules/' }
    },
    {
      name: 'control-schemas-take-valibot',
      comment: 'src/wire/control may import one package: valibot, of which its schemas are made.',
      severity: 'error',
      from: { path: controlSchemas },
      to: { path: 'node_modules/', pathNot: 'node_modules/valibot/' }
    },
    {
      name: 'pure-floors-take-no-node',
      comment: 'base, wire, core and sim stand on nothing but the language and crypto.hash.',
      severity: 'error',
      from: { path: pure },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' }
    },
    only('libp2p-in-io-net', libp2p, ['io/net']),
    only('it-pipe-in-io', 'node_modules/it-pipe/', ['io']),
    only('valibot-in-control-schemas', 'node_modules/valibot/', ['wire/control']),
    only('commander-in-cli', 'node_modules/commander/', ['cli']),
    only('pino-where-logs-are', 'node_modules/pino/', ['daemon', 'io', 'cli']),
    {
      name: 'declared-packages-only',
      comment: 'What src imports stands in dependencies: not in devDependencies, not by way of another package.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'npm-bundled'] }
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one idea, or miss a third file. Cycles of types count.',
      severity: 'error',
      from: { path: '^(src|bin)/' },
      to: { circular: true }
    },
    {
      name: 'resolvable',
      comment: 'The file or package does not exist.',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true }
    }
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] }
  }
}
