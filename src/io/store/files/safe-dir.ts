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
import { close, fchmod, fstat, fsync, open } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expectDefined } from '../../../base/assert.ts'
import { ShoalError } from '../../../base/errors.ts'
import { LruMap } from '../../../base/bounded.ts'

export const openFd = promisify(open)
export const closeFd = promisify(close)
export const fsyncFd = promisify(fsync)
const chmodFd = promisify(fchmod)
const statFd = promisify(fstat) as unknown as (fd: number, options: { bigint: true }) => Promise<BigIntStats>

export function fstatBig(fd: number): Promise<BigIntStats> {
  return statFd(fd, { bigint: true })
}

/** Folders kept open at once, over all contents of one `SafeDir`. */
export const OPEN_FOLDERS_MAX = 64
const HAS_PROC = process.platform === 'linux' && existsSync('/proc/self/fd')
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
/** O_NONBLOCK: a pipe in the place of a file must not hold a thread of the pool for ever. */
const FILE_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK

export interface OpenedFile {
  readonly fd: number
  readonly stats: BigIntStats
}

interface Folder {
  readonly key: string
  readonly fd: number
  readonly path: string
  users: number
  dropped: boolean
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
  private readonly folders = new LruMap<string, Folder>(OPEN_FOLDERS_MAX)
  private readonly opening = new Map<string, Promise<Folder>>()
  private ended = false

  constructor(root: string) {
    this.root = root
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

  /** Makes the folder and those above it; one that is there is fine. */
  async makeFolder(names: readonly string[]): Promise<void> {
    await this.inFolder(names, true, () => Promise.resolve())
  }

  /** Nothing happens to a folder that is not empty, not there, or no folder. */
  async removeEmptyFolder(names: readonly string[]): Promise<void> {
    this.forget(names.join('/'))
    try {
      await this.at(names, false, path => fs.rmdir(path))
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(errno(error) ?? '')) throw error
    }
  }

  async syncFolder(names: readonly string[]): Promise<void> {
    await this.inFolder(names, false, folder => fsyncFd(folder.fd))
  }

  /** Closes the folders that are open. What is under way, and what comes later, closes its own behind it. */
  close(): void {
    this.ended = true
    for (const folder of this.folders.values()) this.drop(folder)
    this.folders.clear()
  }

  private child(folder: Folder, name: string): string {
    return HAS_PROC ? `/proc/self/fd/${folder.fd}/${name}` : join(folder.path, name)
  }

  private async at<T>(names: readonly string[], make: boolean, act: (path: string) => Promise<T>): Promise<T> {
    return this.inFolder(names.slice(0, -1), make, folder => act(this.child(folder, last(names))))
  }

  private async inFolder<T>(names: readonly string[], make: boolean, act: (folder: Folder) => Promise<T>): Promise<T> {
    const folder = await this.acquire(names, make)
    try {
      return await act(folder)
    } finally {
      this.release(folder)
    }
  }

  private async acquire(names: readonly string[], make: boolean): Promise<Folder> {
    const key = names.join('/')
    for (;;) {
      const known = this.folders.touch(key)
      if (known !== undefined) {
        known.users++
        return known
      }
      let opening = this.opening.get(key)
      if (opening === undefined) {
        opening = this.step(names, make).finally(() => this.opening.delete(key))
        this.opening.set(key, opening)
      } else if (make) {
        // Somebody who would not make it may be the one who is looking: then look again.
        await opening.catch(() => undefined)
        continue
      }
      const folder = await opening
      if (folder.dropped) continue
      folder.users++
      return folder
    }
  }

  private async step(names: readonly string[], make: boolean): Promise<Folder> {
    const [key, path] = [names.join('/'), this.pathOf(names)]
    if (names.length === 0)
      return this.keep({
        key,
        fd: await openFd(path, constants.O_RDONLY | constants.O_DIRECTORY),
        path,
        users: 0,
        dropped: false
      })
    return this.inFolder(names.slice(0, -1), make, async parent => {
      const at = this.child(parent, last(names))
      if (make) await makeOne(at)
      try {
        return this.keep({ key, fd: await openFd(at, FOLDER_FLAGS), path, users: 0, dropped: false })
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

  private keep(folder: Folder): Folder {
    const forgotten = this.folders.set(folder.key, folder)
    if (forgotten !== undefined) this.drop(forgotten.value)
    return folder
  }

  private forget(key: string): void {
    const folder = this.folders.get(key)
    if (folder === undefined) return
    this.folders.delete(key)
    this.drop(folder)
  }

  private drop(folder: Folder): void {
    folder.dropped = true
    if (folder.users === 0) void closeFd(folder.fd).catch(() => undefined)
  }

  private release(folder: Folder): void {
    folder.users--
    if (folder.users > 0) return
    if (folder.dropped) void closeFd(folder.fd).catch(() => undefined)
    else if (this.ended) this.forget(folder.key)
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
