/**
 * One project per kind of test. Tests run the sources, except where real processes run: those start bin, and bin runs
 * dist. `SHOAL_TEST_SIZE` (reduced or full) says how big integration is.
 */
import path from 'node:path'
import { defineConfig } from 'vitest/config'

const root = path.resolve(import.meta.dirname, '../..')

/**
 * Real processes, ports and disks: patient. At full size one file after another, for a gigabyte wants all of the machine; else more at
 * once than there are cores, for a third of their time they wait.
 */
const real = {
  pool: 'forks',
  maxWorkers: process.env['SHOAL_TEST_SIZE'] === 'full' ? 1 : 3,
  testTimeout: 10 * 60_000,
  hookTimeout: 2 * 60_000
} as const

export default defineConfig({
  root,
  test: {
    // Fails on a forgotten `.only`, and on a project that finds no test.
    allowOnly: false,
    passWithNoTests: false,
    // Two cores; and work trees may share one node_modules, so nothing is kept there.
    maxWorkers: 2,
    cache: false,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], pool: 'threads', testTimeout: 60_000 }
      },
      // The linter warms up for some seconds.
      {
        extends: true,
        test: {
          name: 'tidy',
          include: ['test/tidy/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 60_000,
          hookTimeout: 120_000
        }
      },
      {
        extends: true,
        test: { name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], pool: 'threads', testTimeout: 120_000 }
      },
      {
        extends: true,
        test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], pool: 'threads', testTimeout: 120_000 }
      },
      { extends: true, test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...real } },
      { extends: true, test: { name: 'interop', include: ['test/interop/**/*.test.ts'], ...real } }
    ]
  }
})
