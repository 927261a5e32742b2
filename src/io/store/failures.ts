/** Maps errors of the disk to the failure reasons of the exchange's contract, and to the errors that `status` shows. */
import { ShoalError } from '../../base/errors.ts'
import { errno } from './files/safe-dir.ts'

export type StoreFailure = 'disk-full' | 'disk' | 'conflict' | 'changed' | 'lost'

export interface Failed {
  readonly ok: false
  readonly reason: StoreFailure
}

export type ReadResult = { readonly ok: true } | Failed

/** Thrown inside the store when a file does not match its record any more. */
export class ChangedError extends Error {
  override readonly name = 'ChangedError'
}

/**
 * Thrown inside the store when another program deleted or truncated an unfinished file. `prepare` then finds the leaves
 * that are left, and the others are fetched again.
 */
export class LostError extends Error {
  override readonly name = 'LostError'
}

export function reasonOf(error: unknown): StoreFailure {
  if (error instanceof ChangedError) return 'changed'
  if (error instanceof LostError) return 'lost'
  if (error instanceof ShoalError) {
    if (error.code === 'disk-full') return 'disk-full'
    return error.code === 'conflict' ? 'conflict' : 'disk'
  }
  const code = errno(error)
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'disk-full' : 'disk'
}

/** The error to show for a failure. `where` is the content's path. An unknown error becomes 'internal'. */
export function problemOf(error: unknown, where: string): ShoalError {
  if (error instanceof ShoalError) return error
  if (error instanceof ChangedError) {
    return new ShoalError('conflict', `${where} changed since it was hashed`, { hint: 'share it again', cause: error })
  }
  if (error instanceof LostError) {
    return new ShoalError('conflict', error.message, {
      hint: 'get it again: the remaining parts are reused',
      cause: error
    })
  }
  const code = errno(error) ?? ''
  const cause = { cause: error }
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ShoalError('disk-full', `the disk of ${where} is full`, {
        hint: 'make room: it then continues by itself',
        ...cause
      })
    case 'EACCES':
    case 'EPERM':
      return new ShoalError('permission', `no permission to write in ${where}`, {
        hint: 'change its permissions, or choose another folder with -o',
        ...cause
      })
    case 'EROFS':
      return new ShoalError('permission', `${where} is on a read-only disk`, {
        hint: 'choose another folder with -o',
        ...cause
      })
    case 'EEXIST':
    case 'ENOTDIR':
      return new ShoalError('conflict', `${where} cannot be a folder: a file is in the way`, {
        hint: 'move it away, or choose another folder with -o',
        ...cause
      })
    case 'ENOENT':
    case 'ELOOP':
      return new ShoalError('not-found', `the folder of ${where} does not exist and cannot be created`, {
        hint: 'choose another folder with -o',
        ...cause
      })
    case 'EINVAL':
    case 'EILSEQ':
    case 'ENAMETOOLONG':
      return new ShoalError('conflict', `the file system of ${where} cannot hold a name of this content`, {
        hint: 'get it to another disk, or with --rename',
        ...cause
      })
    default:
      return new ShoalError('internal', `the disk of ${where} fails: ${(error as Error).message}`, {
        hint: 'check the disk, then get it again',
        ...cause
      })
  }
}
