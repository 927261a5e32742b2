/** What a scan says when the disk says no. */
import { ShoalError } from '../../base/errors.ts'
import { quotedPath } from '../../wire/bittorrent/paths.ts'

export function errorCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * The error of a file system call on something that is to be shared, in our words. Anything else comes back as it is. What
 * the walk saw and is now gone, or a link, a folder or a pipe, has changed.
 */
export function diskError(error: unknown, path: string): unknown {
  const code = errorCodeOf(error)
  switch (code) {
    case undefined:
      return error
    case 'EACCES':
    case 'EPERM':
      return new ShoalError('permission', `cannot read ${quotedPath(path)}: permission denied`, {
        hint: 'Give the user that runs the daemon the right to read it, or share something else.',
        cause: error
      })
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'EISDIR':
    case 'ESPIPE':
    case 'ENXIO':
      return changed(path, error)
    case 'EMFILE':
    case 'ENFILE':
      return new ShoalError('limit', `cannot open ${quotedPath(path)}: too many open files`, {
        hint: 'Raise the limit of open files (ulimit -n).',
        cause: error
      })
    default:
      return new ShoalError('internal', `cannot read ${quotedPath(path)}: ${code}`, {
        hint: 'Look at the disk and the log of the system.',
        cause: error
      })
  }
}

/** Somebody writes there while it is read: what was hashed would not be what is served. */
export function changed(path: string, cause?: unknown): ShoalError {
  return new ShoalError('conflict', `${quotedPath(path)} changed while it was read`, {
    hint: 'Share it again when nothing writes to it.',
    cause
  })
}

/** The error of a file system call on what we keep ourselves. */
export function storeError(error: unknown, folder: string): unknown {
  const code = errorCodeOf(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new ShoalError('disk-full', `no room for the hashes of shared files in ${quotedPath(folder)}`, {
    hint: 'Make room on that disk, then share again.',
    cause: error
  })
}
