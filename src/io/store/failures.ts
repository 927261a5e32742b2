/** What the disk says, in the words of the exchange's contract; and the error that `status` shows beside it. */
import { ShoalError } from '../../base/errors.ts'
import { errno } from './files/safe-dir.ts'

export type StoreFailure = 'disk-full' | 'disk' | 'conflict' | 'changed' | 'lost'

export interface Failed {
  readonly ok: false
  readonly reason: StoreFailure
}

export type ReadResult = { readonly ok: true } | Failed

/** Thrown inside the store when a file is no longer what was recorded. */
export class ChangedError extends Error {
  override readonly name = 'ChangedError'
}

/**
 * Thrown inside the store when what was written to an unfinished file is not there any more: somebody deleted or cut it. What
 * is left is found out by `prepare`, and the rest is fetched again.
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

/** `where` is the folder that the content stands in. An error that is not the disk's comes back as 'internal'. */
export function problemOf(error: unknown, where: string): ShoalError {
  if (error instanceof ShoalError) return error
  if (error instanceof ChangedError) {
    return new ShoalError('conflict', `${where} changed since it was hashed`, { hint: 'share it again', cause: error })
  }
  if (error instanceof LostError) {
    return new ShoalError('conflict', error.message, {
      hint: 'get it again: what is left of it is kept',
      cause: error
    })
  }
  const code = errno(error) ?? ''
  const cause = { cause: error }
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ShoalError('disk-full', `the disk of ${where} is full`, {
        hint: 'make room: it goes on by itself',
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
      return new ShoalError('not-found', `the folder of ${where} is not there, and cannot be made`, {
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
        hint: 'look at the disk, then get it again',
        ...cause
      })
  }
}
