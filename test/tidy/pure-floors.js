/**
 * The floors that a seed decides: base, wire, core and the simulator. They have no clock, no chance of their own, no
 * timers, no promises, no process and no surroundings; of Node's modules they have one function, `hash` of crypto.
 * No comment may switch these rules off (tree.test.ts).
 */
const why = {
  clock: 'Time comes in as an argument (Now) on this floor.',
  chance: 'Chance comes from the Random that was forked for you on this floor.',
  timers: 'A machine says when it wakes next (nextWake); no timers on this floor.',
  promises: 'This floor is synchronous: emit an effect, and hear of it in done().',
  outside: 'This floor does not touch the process or the machine that it runs on.',
  locale: "This depends on the machine's locale; compare and print by code units.",
  collector: 'When garbage is collected is not decided by the seed.',
  evasion: 'Code from text, or globals by another name, evades the rules of this floor.'
}

const globals = {
  clock: ['Date', 'performance', 'Temporal'],
  chance: ['crypto', 'Crypto'],
  timers: [
    ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame', 'scheduler'],
    ...['clearTimeout', 'clearInterval', 'clearImmediate']
  ],
  promises: ['Promise', 'PromiseLike', 'AbortController', 'AbortSignal', 'Event', 'EventTarget'],
  outside: [
    ...['process', 'console', 'navigator', 'fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'],
    ...['Worker', 'MessageChannel', 'BroadcastChannel', 'Atomics', 'localStorage', 'sessionStorage', 'require'],
    ...['__dirname', '__filename']
  ],
  locale: ['Intl'],
  collector: ['WeakRef', 'FinalizationRegistry', 'gc'],
  evasion: ['globalThis', 'global', 'self', 'window', 'eval', 'Function', 'Reflect']
}

/** The rule above sees values; their types are promises and clocks as well. */
const types = Object.entries(globals).map(([reason, names]) => ({
  selector: `TSTypeReference[typeName.name=/^(${names.join('|')})$/]`,
  message: why[reason]
}))

const syntax = [
  ...types,
  { selector: ':function[async=true]', message: why.promises },
  { selector: 'AwaitExpression', message: why.promises },
  { selector: 'ForOfStatement[await=true]', message: why.promises },
  { selector: "VariableDeclaration[kind='await using']", message: why.promises },
  { selector: 'ImportExpression', message: why.promises },
  { selector: "MetaProperty[meta.name='import']", message: why.outside }
]

const properties = [
  { object: 'Math', property: 'random', message: why.chance },
  // Memory that was used before is as good as chance.
  { object: 'Buffer', property: 'allocUnsafe', message: why.chance },
  { object: 'Buffer', property: 'allocUnsafeSlow', message: why.chance },
  { property: 'localeCompare', message: why.locale },
  { property: 'toLocaleString', message: why.locale },
  { property: 'toLocaleLowerCase', message: why.locale },
  { property: 'toLocaleUpperCase', message: why.locale }
]

export const importsEndInTs = {
  selector: ':matches(ImportDeclaration, ExportAllDeclaration, ExportNamedDeclaration)[source.value=/^[.].*[.]js$/]',
  message: 'Sources are run as they are: the import ends in .ts.'
}

/** Each element becomes an argument on the stack: some 125,000 of them are a RangeError. */
export const noSpreadOfArrays = {
  selector:
    'CallExpression:matches([callee.property.name=/^(max|min|push|unshift|splice|concat|of|fromCharCode|fromCodePoint)$/], ' +
    '[callee.name=/^(concat)$/]) > SpreadElement',
  message: 'An array of any length as arguments overflows the stack: use a loop, or greatest() and joined() of base.'
}

export const pureFloors = {
  files: ['src/base/**/*.ts', 'src/wire/**/*.ts', 'src/core/**/*.ts', 'src/sim/**/*.ts'],
  rules: {
    'no-restricted-globals': [
      'error',
      ...Object.entries(globals).flatMap(([reason, names]) => names.map(name => ({ name, message: why[reason] })))
    ],
    'no-restricted-properties': ['error', ...properties],
    'no-restricted-syntax': ['error', ...syntax, importsEndInTs, noSpreadOfArrays],
    'no-restricted-imports': importsBut('')
  }
}

/** The one exception: the schemas of the control API are made with valibot. */
export const controlSchemas = {
  files: ['src/wire/control/**/*.ts'],
  rules: { 'no-restricted-imports': importsBut('|valibot$') }
}

/** Relative imports and `hash` of node:crypto; `more` continues the alternatives of the pattern. */
function importsBut(more) {
  return [
    'error',
    {
      paths: [{ name: 'node:crypto', allowImportNames: ['hash'], message: why.chance }],
      patterns: [{ regex: `^(?![.]{1,2}/|node:crypto$${more})`, message: why.outside }]
    }
  ]
}
