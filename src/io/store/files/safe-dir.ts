/**
 * File operations below one root folder. Names are resolved one by one and never through a symbolic link, so that no
 * write leaves the folder.
 *
 * Node has no openat(2). On Linux `/proc/self/fd/N/name` is equivalent: the kernel starts at the open folder, even when
 * its path has changed, and O_NOFOLLOW applies to the one name that follows. Each step from the root opens one
 * component, so there is no moment at which a checked folder can be replaced by a link. On other systems each folder is
 * opened with O_NOFOLLOW before its path is used; a program that can write in the target may win the race and replace
 * the folder in between. The path to the root is chosen by the user and may contain links.
 */
import { constants, existsSync, promises as fs, type BigIntStats } from 'node:fs'
import { fchmod, fstat, fsync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expectDefined } from '../../../base/assert.ts'
import { ShoalError } from '../../../base/errors.ts'
import { closeFd, openFd, type OpenFiles } from './open-files.ts'

export const fsyncFd = promisify(fsync)
const chmodFd = promisify(fchmod)
const statFd = promisify(fstat) as unknown as (fd: number, options: { bigint: true }) => Promise<BigIntStats>

export function fstatBig(fd: number): Promise<BigIntStats> {
  return statFd(fd, { bigint: true })
}

const HAS_PROC = process.platform === 'linux' && existsSync('/proc/self/fd')
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
/** O_NONBLOCK: opening a pipe in place of a file must not block a thread of the pool. */
const FILE_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK

export interface OpenedFile {
  readonly fd: number
  readonly stats: BigIntStats
}

interface Folder {
  readonly fd: number
  readonly path: string
}

export function errno(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return typeof code === 'string' ? code : undefined
}

function inTheWay(path: string, what: string): ShoalError {
  return new ShoalError('conflict', `${path} is ${what}`, { hint: 'move it away, or choose another folder with -o' })
}

export class SafeDir {
  readonly root: string
  private readonly files: OpenFiles
  private readonly keyPrefix: string

  /** Folders are opened through `files`, under keys that begin with `keyPrefix`. */
  constructor(root: string, files: OpenFiles, keyPrefix: string) {
    this.root = root
    this.files = files
    this.keyPrefix = keyPrefix
  }

  pathOf(names: readonly string[]): string {
    return join(this.root, ...names)
  }

  /** Opens a regular file. Throws ShoalError 'conflict' for a link, a folder or a device; else the system's error. */
  async openFile(
    names: readonly string[],
    flags: number,
    options: { mode?: number; makeFolders?: boolean } = {}
  ): Promise<OpenedFile> {
    return this.at(names, options.makeFolders === true, async path => {
      let fd: number
      try {
        fd = await openFd(path, flags | FILE_FLAGS, options.mode ?? 0o666)
      } catch (error) {
        if (errno(error) === 'ELOOP')
          throw inTheWay(this.pathOf(names), 'a symbolic link: nothing is written or read through it')
        if (errno(error) === 'EISDIR') throw inTheWay(this.pathOf(names), 'a folder where a file belongs')
        if (errno(error) === 'ENXIO') throw inTheWay(this.pathOf(names), 'no regular file')
        throw error
      }
      const stats = await fstatBig(fd)
      if (stats.isFile()) return { fd, stats }
      await closeFd(fd)
      throw inTheWay(this.pathOf(names), stats.isDirectory() ? 'a folder where a file belongs' : 'no regular file')
    })
  }

  /** Undefined when the file or one of its folders does not exist. */
  async lstat(names: readonly string[]): Promise<BigIntStats | undefined> {
    try {
      return await this.at(names, false, path => fs.lstat(path, { bigint: true }))
    } catch (error) {
      if (errno(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async unlink(names: readonly string[]): Promise<void> {
    await this.at(names, false, path => fs.unlink(path))
  }

  /** Sets the execute bits where the read bits are set. Uses the descriptor: chmod by path would follow a link. */
  async makeExecutable(fd: number, mode: bigint): Promise<void> {
    const permissions = Number(mode & 0o777n)
    await chmodFd(fd, permissions | ((permissions & 0o444) >> 2))
  }

  /** Renames within a folder and replaces an existing file. `to` is a name in the folder of `from`. */
  async rename(from: readonly string[], to: string): Promise<void> {
    await this.inFolder(from.slice(0, -1), false, folder =>
      fs.rename(this.child(folder, last(from)), this.child(folder, to))
    )
  }

  /** As rename, but fails with 'EEXIST' when `to` exists. Without hard links it checks with lstat before the rename. */
  async renameNew(from: readonly string[], to: string): Promise<void> {
    await this.inFolder(from.slice(0, -1), false, async folder => {
      const [source, target] = [this.child(folder, last(from)), this.child(folder, to)]
      try {
        await fs.link(source, target)
        await fs.unlink(source)
      } catch (error) {
        if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'].includes(errno(error) ?? '')) throw error
        const taken = await fs.lstat(target).catch(() => undefined)
        if (taken !== undefined) throw Object.assign(new Error(`${target} exists`), { code: 'EEXIST', cause: error })
        await fs.rename(source, target)
      }
    })
  }

  /**
   * Copies a regular file from below another root, as a clone when the file system supports it. Throws 'EEXIST' when
   * the name exists.
   */
  async copyNew(from: SafeDir, source: readonly string[], names: readonly string[]): Promise<void> {
    const { fd } = await from.openFile(source, constants.O_RDONLY)
    try {
      const opened = HAS_PROC ? `/proc/self/fd/${fd}` : from.pathOf(source)
      const mode = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE
      await this.at(names, false, path => fs.copyFile(opened, path, mode))
    } finally {
      await closeFd(fd)
    }
  }

  /** Creates the folder and those above it, unless they exist. */
  async makeFolder(names: readonly string[]): Promise<void> {
    await this.inFolder(names, true, () => Promise.resolve())
  }

  /** Removes an empty folder. Does nothing when it is not empty, does not exist, or is no folder. */
  async removeEmptyFolder(names: readonly string[]): Promise<void> {
    this.files.drop(this.keyOf(names))
    try {
      await this.at(names, false, path => fs.rmdir(path))
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(errno(error) ?? '')) throw error
    }
  }

  async syncFolder(names: readonly string[]): Promise<void> {
    await this.inFolder(names, false, folder => fsyncFd(folder.fd))
  }

  /** Closes the open folders, each when its last user is done. */
  close(): void {
    this.files.drop(this.keyPrefix)
  }

  private keyOf(names: readonly string[]): string {
    return this.keyPrefix + names.join('/')
  }

  private child(folder: Folder, name: string): string {
    return HAS_PROC ? `/proc/self/fd/${folder.fd}/${name}` : join(folder.path, name)
  }

  private async at<T>(names: readonly string[], make: boolean, act: (path: string) => Promise<T>): Promise<T> {
    return this.inFolder(names.slice(0, -1), make, folder => act(this.child(folder, last(names))))
  }

  private inFolder<T>(names: readonly string[], make: boolean, act: (folder: Folder) => Promise<T>): Promise<T> {
    const path = this.pathOf(names)
    return this.files.use(
      this.keyOf(names),
      () => this.openFolder(names, make),
      fd => act({ fd, path })
    )
  }

  private async openFolder(names: readonly string[], make: boolean): Promise<number> {
    const path = this.pathOf(names)
    if (names.length === 0) return openFd(path, constants.O_RDONLY | constants.O_DIRECTORY)
    return this.inFolder(names.slice(0, -1), make, async parent => {
      const at = this.child(parent, last(names))
      if (make) await makeOne(at)
      try {
        return await openFd(at, FOLDER_FLAGS)
      } catch (error) {
        if (errno(error) !== 'ENOTDIR' && errno(error) !== 'ELOOP') throw error
        const stats = await fs.lstat(at)
        throw inTheWay(
          path,
          stats.isSymbolicLink()
            ? 'a symbolic link: nothing is written or read through it'
            : 'a file where a folder belongs'
        )
      }
    })
  }
}

function last(names: readonly string[]): string {
  return expectDefined(names.at(-1), 'a path has a name')
}

async function makeOne(path: string): Promise<void> {
  try {
    await fs.mkdir(path)
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
}

/**
 * Creates a folder and those above it. Replaces mkdir's option `recursive`, which never returns on a file system that
 * refuses new folders (/proc). Throws the system's error.
 */
export async function makeFolders(folder: string): Promise<void> {
  try {
    await fs.mkdir(folder)
  } catch (error) {
    if (errno(error) === 'EEXIST' && (await fs.stat(folder)).isDirectory()) return
    if (errno(error) !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolders(dirname(folder))
    await fs.mkdir(folder)
  }
}
