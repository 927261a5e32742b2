/** What every refusal looks like to a person: a line that says what happened, a line that says what to do next, a documented status. */
import { expect } from 'vitest'
import type { ExitStatus } from '../../../src/wire/control/exit.ts'
import type { Ended } from '../cli/shoal.ts'

export interface Refusal {
  status: ExitStatus
  /** Of the line after `shoal: `. */
  says: RegExp
  /** Of the line after that. */
  next: RegExp
}

/** Notes and progress may stand before it; nothing stands after it, and nothing on stdout. */
export function expectRefusal({ status, stdout, stderr }: Ended, wanted: Refusal): void {
  const lines = stderr.split('\n').slice(0, -1)
  const refusal = lines.slice(lines.findIndex(line => line.startsWith('shoal: ')))
  expect({ status, stdout, refusal }, stderr).toEqual({
    status: wanted.status,
    stdout: '',
    refusal: [
      expect.stringMatching(new RegExp(`^shoal: .*${wanted.says.source}`)),
      expect.stringMatching(new RegExp(`^ {2}.*${wanted.next.source}`))
    ]
  })
  expectNoStack(stderr)
}

export function expectNoStack(text: string): void {
  expect(text).not.toMatch(/^ +at .*\d+\)?$/m)
  expect(text).not.toMatch(/a fault of (Shoal|the daemon)/)
}
