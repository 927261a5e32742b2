/** How a process of ours ends: the one table from error codes to exit statuses, for the command line and the daemon. */
import type { ErrorCode } from '../base/errors.ts'

/** Every status that a command may end with, in the words of the help text. */
export const EXIT_STATUSES = {
  0: 'done',
  1: 'error: bad input, no permission, a limit, a fault of Shoal',
  2: 'timed out',
  3: 'not found',
  6: 'the daemon or the network cannot be reached',
  7: 'interrupted; the same command goes on',
  9: 'the disk is full',
  10: 'not admitted to the overlay',
  11: 'conflict with what is there',
  12: 'integrity: bytes are not what they should be',
  64: 'wrong usage'
} as const
export type ExitStatus = keyof typeof EXIT_STATUSES

const STATUS_OF = {
  timeout: 2,
  'not-found': 3,
  unreachable: 6,
  interrupted: 7,
  'disk-full': 9,
  'not-admitted': 10,
  conflict: 11,
  integrity: 12,
  usage: 64,
  'bad-input': 1,
  permission: 1,
  busy: 1,
  limit: 1,
  internal: 1
} as const satisfies Record<ErrorCode, ExitStatus>

export function exitStatus(code: ErrorCode): ExitStatus {
  return STATUS_OF[code]
}

/** False for a code of a newer daemon: it counts as `internal`. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(STATUS_OF, text)
}

/** A text with status and meaning a line, for help and docs. */
export function exitStatusTable(): string {
  const rows = Object.entries(EXIT_STATUSES).map(([status, meaning]) => `  ${status.padStart(2)}  ${meaning}`)
  return rows.join('\n')
}
