/** Small files that must be whole or not there: secrets, settings. Large ones and file bytes are the business of io. */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { ShoalError, type ErrorCode } from '../../base/errors.ts'

/** Nothing that we keep in a small file comes near it. */
export const SMALL_FILE_BYTES_MAX = 64 * 1024

/** Owner only: what lies in a home is secret or leads to secrets. */
export const PRIVATE_FILE_MODE = 0o600
export const PRIVATE_FOLDER_MODE = 0o700

/** After a crash the old or the new text is there, never half of one. Throws ShoalError. */
export function writeFileAtomic(file: string, text: string): void {
  const fresh = `${file}.${randomBytes(4).toString('hex')}.tmp`
  guarded('write', file, () => {
    try {
      const handle = fs.openSync(fresh, 'wx', PRIVATE_FILE_MODE)
      try {
        fs.writeFileSync(handle, text)
        fs.fsyncSync(handle)
      } finally {
        fs.closeSync(handle)
      }
      fs.renameSync(fresh, file)
    } catch (error) {
      fs.rmSync(fresh, { force: true })
      throw error
    }
    syncFolder(path.dirname(file))
  })
}

/** Gone for good when it returns. Fine when there is no such file. */
export function removeFile(file: string): void {
  guarded('remove', file, () => {
    fs.rmSync(file, { force: true })
    syncFolder(path.dirname(file))
  })
}

/** Undefined when there is no such file. Throws ShoalError, also for a file over SMALL_FILE_BYTES_MAX. */
export function readSmallFile(file: string): string | undefined {
  return guarded('read', file, () => {
    const stat = fs.statSync(file, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (stat.size > SMALL_FILE_BYTES_MAX) {
      throw new ShoalError('bad-input', `${file} has ${stat.size} bytes: no file of ours is that large`)
    }
    return fs.readFileSync(file, 'utf8')
  })
}

/** Throws ShoalError when `text` is not a JSON object. */
export function parseJsonObject(text: string, file: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ShoalError('bad-input', `${file} is not JSON`, { hint: 'mend it or remove it', cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new ShoalError('bad-input', `${file} holds no JSON object`, { hint: 'mend it or remove it' })
}

/** Runs `work`; errors of the system become ShoalErrors that name the file. */
export function guarded<T>(verb: string, file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw fileError(error, verb, file)
  }
}

const ANOTHER_HOME = 'use another home: shoal --home DIR'
const NOT_YOURS = `is the home yours? If not, ${ANOTHER_HOME}`

const CODES: Readonly<Record<string, { code: ErrorCode; why: string; hint?: string }>> = {
  EACCES: { code: 'permission', why: 'permission denied', hint: NOT_YOURS },
  EPERM: { code: 'permission', why: 'not permitted', hint: NOT_YOURS },
  EROFS: { code: 'permission', why: 'the file system is read-only', hint: ANOTHER_HOME },
  EEXIST: { code: 'bad-input', why: 'it is no folder', hint: ANOTHER_HOME },
  ENOSPC: { code: 'disk-full', why: 'the disk is full', hint: 'make room, then try again' },
  EDQUOT: { code: 'disk-full', why: 'the disk quota is used up', hint: 'make room, then try again' },
  ENOENT: { code: 'not-found', why: 'no such file or folder' },
  ENOTDIR: { code: 'bad-input', why: 'a part of the path is no folder', hint: ANOTHER_HOME },
  EISDIR: { code: 'bad-input', why: 'it is a folder' },
  ENAMETOOLONG: { code: 'bad-input', why: 'the path is too long' },
  ELOOP: { code: 'bad-input', why: 'symbolic links lead in a circle' }
}

/** The ShoalError for an error of `node:fs`; other errors come back as they are. */
export function fileError(error: unknown, verb: string, file: string): unknown {
  if (error instanceof ShoalError || !(error instanceof Error) || !('code' in error)) return error
  const known = typeof error.code === 'string' ? CODES[error.code] : undefined
  const why = known?.why ?? String(error.code)
  return new ShoalError(known?.code ?? 'internal', `cannot ${verb} ${file}: ${why}`, {
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
    cause: error
  })
}

/** A rename or a removal is durable once its folder is. */
function syncFolder(folder: string): void {
  const handle = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
}
