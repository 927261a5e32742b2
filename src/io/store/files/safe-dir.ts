/**
 * Names below one folder, resolved one by one and never through a symbolic link: no write leaves the folder.
 *
 * Node has no openat(2). On Linux `/proc/self/fd/N/name` is the same thing: the kernel starts at the open folder itself,
 * whatever its path has become, and O_NOFOLLOW covers the one name that follows. So every step from the root is an open of
 * one component, and there is no moment in which a folder that was looked at can be exchanged for a link.
 * Elsewhere each component is looked at with lstat before its path is used; somebody who can write in the target may win
 * the race between the two. The path down to the root is the user's own choice and is followed as it is.
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
/** O_NONBLOCK: a pipe in the place of a file must not hold a thread of the pool for ever. */
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

  /** A regular file, and what it looks like. Throws ShoalError 'conflict' for a link, a folder or a device; else the system's error. */
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

  /** Undefined when there is nothing by that name, or no folder that could hold it. */
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

  /** Whoever may read the file may execute it. By descriptor: chmod by path would follow a link. */
  async makeExecutable(fd: number, mode: bigint): Promise<void> {
    const permissions = Number(mode & 0o777n)
    await chmodFd(fd, permissions | ((permissions & 0o444) >> 2))
  }

  /** Replaces what is at `to`. Both names stand in the same folder. */
  async rename(from: readonly string[], to: string): Promise<void> {
    await this.inFolder(from.slice(0, -1), false, folder =>
      fs.rename(this.child(folder, last(from)), this.child(folder, to))
    )
  }

  /** As rename, but 'EEXIST' when `to` is there. Where the file system has no hard links, a look goes before the rename. */
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
   * A copy of a regular file below another root, as a clone where the file system makes one. Throws 'EEXIST' when there is something
   * by that name.
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

  /** Makes the folder and those above it; one that is there is fine. */
  async makeFolder(names: readonly string[]): Promise<void> {
    await this.inFolder(names, true, () => Promise.resolve())
  }

  /** Nothing happens to a folder that is not empty, not there, or no folder. */
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

  /** Closes the folders that are open, each as soon as nobody uses it. */
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

/** As mkdir's own `recursive`, which never ends on a file system that lets nobody make a folder (/proc). Throws the system's error. */
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
