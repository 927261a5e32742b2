/**
 * What the compiler cannot see: promises that nobody awaits, switches that forget a case, and, on the floors that must
 * be deterministic, everything that a seed does not decide. `pure-floors.js` lists that; `lint.test.ts` plants a
 * violation of each row.
 */
import path from 'node:path'
import eslint from '@eslint/js'
import { defineConfig } from 'eslint/config'
import typescript from 'typescript-eslint'
import { controlSchemas, importsEndInTs, noSpreadOfArrays, pureFloors } from './pure-floors.js'

const nodeGlobals = Object.fromEntries(Object.getOwnPropertyNames(globalThis).map(name => [name, 'readonly']))

export default defineConfig(
  { ignores: ['**/dist', '**/dist.new', 'coverage', 'test/fixtures/data'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },
  eslint.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: { globals: nodeGlobals }
  },
  {
    files: ['**/*.ts'],
    extends: [typescript.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: path.resolve(import.meta.dirname, '../..') }
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      // `import { type X }` stays behind as an import for side effects when types are erased.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      // `void promise` has no handler either: inBackground (src/io) and logFailure (src/daemon/process/background.ts) have one.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        // A default does not stand in for a member of a union that was forgotten; a number off the wire needs one.
        { considerDefaultExhaustiveForUnions: false, requireDefaultForNonUnion: true }
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',

      // A number has one text; refusing it in a template only breeds String(…).
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => list.push(x)` as a callback is no confusion.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `while (true)` says what it is.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' }
      ],
      // Spreading a string reads it by code points, and that is meant. (A literal is refused still: Array.from it.)
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // An async method without await turns a throw into a rejection, as the interface that it implements promises.
      '@typescript-eslint/require-await': 'off'
    }
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-console': 'error',
      // Also where a promise is no statement: `() => void promise`.
      'no-void': 'error',
      'no-restricted-syntax': ['error', importsEndInTs, noSpreadOfArrays]
    }
  },
  {
    files: ['src/cli/**/*.ts'],
    ignores: ['src/cli/**/standard-streams.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...['stdout', 'stderr'].map(property => ({
          ...{ object: 'process', property },
          message: 'Failed writes go unnoticed: use the streams of the context (standard-streams.ts).'
        }))
      ]
    }
  },
  {
    // The one place that prints for people and scripts.
    files: ['src/cli/terminal/output.ts', 'src/cli/output/**/*.ts'],
    rules: { 'no-console': 'off' }
  },
  pureFloors,
  controlSchemas,
  {
    files: ['test/**/*.ts'],
    rules: {
      // In a test a wrong `!` is a failed test, which is what it should be.
      '@typescript-eslint/no-non-null-assertion': 'off'
    }
  }
)
