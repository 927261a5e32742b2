/** How a process of ours ends: the one table from error codes to exit statuses, for the command line and the daemon. */
import type { ErrorCode } from '../../base/errors.ts'

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

/** Every error code: how a command that fails with it ends, and when that is, in the words of the docs. */
export const ERROR_CODES = {
  timeout: { status: 2, when: 'something did not happen in its time' },
  'not-found': { status: 3, when: 'there is no such content, member, setting, home or file' },
  unreachable: { status: 6, when: 'no daemon runs on the home, or a member gives no answer' },
  interrupted: { status: 7, when: 'a signal or a pause ended the command; the same command goes on' },
  'disk-full': { status: 9, when: 'no room is left; a download goes on by itself when there is' },
  'not-admitted': { status: 10, when: 'a member refuses this node: the overlay has another key by now' },
  conflict: { status: 11, when: 'what is wanted is taken, or there already as something else' },
  integrity: { status: 12, when: 'bytes are not those of the content, and nobody has better ones' },
  usage: { status: 64, when: 'the words of a command, or the parameters of a call, are wrong' },
  'bad-input': { status: 1, when: 'a file, ticket, link or setting is damaged or of another kind' },
  permission: { status: 1, when: 'the system does not allow it' },
  busy: { status: 1, when: 'the daemon has as many calls to answer as it takes' },
  limit: { status: 1, when: 'something is larger than any of its kind may be' },
  internal: { status: 1, when: 'a fault of Shoal; SHOAL_DEBUG=1 shows where' }
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
