/** Exit statuses of the command line and the daemon, and the one table from error codes to them. */
import type { ErrorCode } from '../../base/errors.ts'

/** Every exit status of a command, in the words of the help text. */
export const EXIT_STATUSES = {
  0: 'done',
  1: 'error: bad input, no permission, a limit, a fault of Shoal',
  2: 'timed out',
  3: 'not found',
  6: 'the daemon or a member cannot be reached',
  7: 'interrupted; the same command goes on',
  9: 'the disk is full',
  10: 'not admitted to the overlay',
  11: 'conflict: a name, port or path is already in use',
  12: 'integrity: bytes do not match the content ID',
  64: 'wrong usage'
} as const
export type ExitStatus = keyof typeof EXIT_STATUSES

/** Every error code: the status with which a command fails, and when that happens, in the words of the docs. */
export const ERROR_CODES = {
  timeout: { status: 2, when: 'something did not happen within its time limit' },
  'not-found': { status: 3, when: 'there is no such content, member, setting, home or file' },
  unreachable: { status: 6, when: 'no daemon runs on the home, or a member does not answer' },
  interrupted: { status: 7, when: 'a signal or a pause ended the command; the same command goes on' },
  'disk-full': { status: 9, when: 'the disk is full; a download goes on by itself when there is room' },
  'not-admitted': { status: 10, when: 'a member refuses this node: the overlay has another key' },
  conflict: { status: 11, when: 'a name, port or path is already in use, or a file with other bytes is there' },
  integrity: { status: 12, when: 'bytes do not match the content ID, and no other holder has correct ones' },
  usage: { status: 64, when: 'the arguments of a command, or the parameters of a call, are wrong' },
  'bad-input': { status: 1, when: 'a file, ticket, link or setting is damaged or of the wrong kind' },
  permission: { status: 1, when: 'the operating system denies access' },
  busy: { status: 1, when: 'the daemon cannot take another call at the moment' },
  limit: { status: 1, when: 'something is larger than Shoal allows' },
  internal: { status: 1, when: 'a fault of Shoal; SHOAL_DEBUG=1 prints where' }
} as const satisfies Record<ErrorCode, { status: ExitStatus; when: string }>

export function exitStatus(code: ErrorCode): ExitStatus {
  return ERROR_CODES[code].status
}

/** False for a code of a newer daemon: it counts as `internal`. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text)
}

/** A text with status and meaning a line, for help and docs. */
export function exitStatusTable(): string {
  const rows = Object.entries(EXIT_STATUSES).map(([status, meaning]) => `  ${status.padStart(2)}  ${meaning}`)
  return rows.join('\n')
}
