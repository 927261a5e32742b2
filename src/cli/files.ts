/** Files that the command line itself reads. */
import { closeSync, openSync, readSync } from 'node:fs'
import { ShoalError, type ErrorCode } from '../base/errors.ts'

const CODES: Readonly<Record<string, { code: ErrorCode; why: string }>> = {
  ENOENT: { code: 'not-found', why: 'no such file' },
  ENOTDIR: { code: 'not-found', why: 'no such file' },
  EACCES: { code: 'permission', why: 'permission denied' },
  EPERM: { code: 'permission', why: 'not permitted' },
  EISDIR: { code: 'bad-input', why: 'it is a folder' }
}

/** The ShoalError for an error of `node:fs`. */
function fileProblem(cause: unknown, file: string): ShoalError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const known = CODES[code] ?? { code: 'internal', why: code }
  return new ShoalError(known.code, `cannot read ${file}: ${known.why}`, { hint: 'check the path', cause })
}

/** Also from a pipe. Throws ShoalError: `limit` with this hint as soon as there is more than `bytesMax`. */
export function readBounded(file: string, bytesMax: number, hint: string): Buffer {
  let handle: number | undefined
  try {
    handle = openSync(file, 'r')
    const bytes = Buffer.alloc(bytesMax + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(handle, bytes, { offset: length })
    }
    if (length <= bytesMax) return bytes.subarray(0, length)
    throw new ShoalError('limit', `${file} has more than ${bytesMax} bytes, and no more can be taken`, { hint })
  } catch (error) {
    throw error instanceof ShoalError ? error : fileProblem(error, file)
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}
