import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { EXIT_STATUSES, exitStatus, exitStatusTable, isErrorCode } from '../../../../src/wire/control/exit.ts'
import type { ErrorCode } from '../../../../src/base/errors.ts'

const codes: ErrorCode[] = [
  ...(['usage', 'timeout', 'not-found', 'unreachable', 'interrupted', 'disk-full', 'not-admitted'] as const),
  ...(['conflict', 'integrity', 'bad-input', 'permission', 'busy', 'limit', 'internal'] as const)
]

it('gives every status a code, and every code a status', () => {
  const reached = new Set<number>([0, ...codes.map(exitStatus)])
  expect(reached).toEqual(new Set(Object.keys(EXIT_STATUSES).map(Number)))
})

it('prints one line a status', () => {
  expect(exitStatusTable().split('\n')).toHaveLength(Object.keys(EXIT_STATUSES).length)
  expect(exitStatusTable()).toContain('\n  11  conflict with what is there\n')
})

it('knows its codes', () => {
  expect([...codes, 'toString', 'eaten'].filter(isErrorCode)).toEqual(codes)
})

it('is what the README of the command line says', () => {
  const readme = fs.readFileSync(path.resolve(import.meta.dirname, '../../../../src/cli/README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| (\d+) \| (.+?) \| (.*)\|$/gm)]
  expect(Object.fromEntries(rows.map(([, status, meaning]) => [status, meaning]))).toEqual(EXIT_STATUSES)
  const documented = rows.flatMap(([, status, , names = '']) =>
    [...names.matchAll(/`([\w-]+)`/g)].map(([, code = '']) => [code, Number(status)])
  )
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(codes.map(code => [code, exitStatus(code)])))
})
