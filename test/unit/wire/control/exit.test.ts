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
  expect(exitStatusTable()).toContain('\n  11  conflict: a name, port or path is already in use\n')
})

it('knows its codes', () => {
  expect([...codes, 'toString', 'eaten'].filter(isErrorCode)).toEqual(codes)
})
