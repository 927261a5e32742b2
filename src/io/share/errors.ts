/** Errors of a scan: those of one file or folder, which can be left out of a share, and those of the whole. */
import { ShoalError, type ErrorCode } from '../../base/errors.ts'
import { quotedPath } from '../../wire/bittorrent/paths.ts'

/**
 * `special`: a socket, pipe or device. `name`: not UTF-8. `path`: too long or too deep. `unreadable`: no permission. `failing`: the
 * disk gives an error. `changed`: it was written while it was read, at each attempt. `vanished`: it was removed meanwhile.
 */
export type SkipReason = 'symlink' | 'special' | 'name' | 'path' | 'unreadable' | 'failing' | 'changed' | 'vanished'

/** One file or folder cannot be shared. The rest of its folder can. */
export class EntryError extends ShoalError {
  readonly diskPath: string
  readonly reason: SkipReason

  constructor(
    code: ErrorCode,
    message: string,
    entry: { diskPath: string; reason: SkipReason; hint: string; cause?: unknown }
  ) {
    super(code, message, { hint: entry.hint, cause: entry.cause })
    this.diskPath = entry.diskPath
    this.reason = entry.reason
  }
}

export function errorCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * The error of a file system call on `path`, which is to be shared: an EntryError where only this entry is concerned, a
 * ShoalError 'limit' when the process has too many open files. An error without a system code is returned as it is.
 */
export function diskError(error: unknown, path: string): unknown {
  const code = errorCodeOf(error)
  switch (code) {
    case undefined:
      return error
    case 'EACCES':
    case 'EPERM':
      return new EntryError('permission', `cannot read ${quotedPath(path)}: permission denied`, {
        ...{ diskPath: path, reason: 'unreadable', cause: error },
        hint: 'Give the user that runs the daemon the right to read it, or share something else.'
      })
    case 'ENOENT':
      return new EntryError('conflict', `${quotedPath(path)} was removed while it was read`, {
        ...{ diskPath: path, reason: 'vanished', cause: error },
        hint: 'Share it again when nothing writes to it.'
      })
    case 'ENOTDIR':
    case 'ELOOP':
    case 'EISDIR':
    case 'ESPIPE':
    case 'ENXIO':
      return changed(path, error)
    case 'ENAMETOOLONG':
      return pathTooLong(path, 'more bytes than the system can open', error)
    case 'EMFILE':
    case 'ENFILE':
      return new ShoalError('limit', `cannot open ${quotedPath(path)}: too many open files`, {
        hint: 'Raise the limit of open files (ulimit -n).',
        cause: error
      })
    default:
      return new EntryError('internal', `cannot read ${quotedPath(path)}: ${code}`, {
        ...{ diskPath: path, reason: 'failing', cause: error },
        hint: 'Look at the disk and the log of the system.'
      })
  }
}

/** The file or folder is not what it was a moment before: what was hashed would not be what is served. */
export function changed(path: string, cause?: unknown): EntryError {
  return new EntryError('conflict', `${quotedPath(path)} changed while it was read`, {
    ...{ diskPath: path, reason: 'changed', cause },
    hint: 'Share it again when nothing writes to it.'
  })
}

/** `what`: the part that is too long, with its limit. */
export function pathTooLong(path: string, what: string, cause?: unknown): EntryError {
  return new EntryError('limit', `cannot share ${quotedPath(path)}: its path has ${what}`, {
    ...{ diskPath: path, reason: 'path', cause },
    hint: 'Share a folder further down, or use shorter names.'
  })
}

/** A name that no content can hold. `problem`: as checkName words it. */
export function nameProblem(path: string, problem: string): EntryError {
  return new EntryError('bad-input', `cannot share ${quotedPath(path)}: it has ${problem}`, {
    ...{ diskPath: path, reason: 'name' },
    hint: 'Rename it.'
  })
}

/** The error of a file system call on the files that Shoal keeps itself. */
export function storeError(error: unknown, folder: string): unknown {
  const code = errorCodeOf(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new ShoalError('disk-full', `no room for what is kept of shared files in ${quotedPath(folder)}`, {
    hint: 'Make room on that disk, then share again.',
    cause: error
  })
}
