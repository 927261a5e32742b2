/**
 * The class of every error that leaves its module: a stable code, a message that says what happened and to what, and a
 * hint that says what to do next. The CLI maps codes to exit statuses in one table.
 */
export type ErrorCode =
  | 'usage'
  | 'timeout'
  | 'not-found'
  | 'unreachable'
  | 'interrupted'
  | 'disk-full'
  | 'not-admitted'
  | 'conflict'
  | 'integrity'
  | 'bad-input'
  | 'permission'
  | 'busy'
  | 'limit'
  | 'internal'

export class ShoalError extends Error {
  override readonly name = 'ShoalError'
  readonly code: ErrorCode
  /** What the user can do next, in one line. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}
