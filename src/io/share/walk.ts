/**
 * Reads the tree on the disk in the order of the manifest: children sorted by the bytes of their names, as BEP 52 does. Symlinks,
 * sockets, pipes and devices are skipped; so is every entry that cannot be read or has a path that no content can hold (skipped.ts).
 * The path that the user gave may be a symlink itself: then its target is shared.
 */
import fs from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { compare, utf8 } from '../../base/bytes.ts'
import { FILES_MAX } from '../../wire/bittorrent/layout.ts'
import { PATH_BYTES_MAX, PATH_DEPTH_MAX, checkName, quotedPath } from '../../wire/bittorrent/paths.ts'
import { changed, diskError, EntryError, errorCodeOf, nameProblem, pathTooLong } from './errors.ts'
import { eachOf } from './pool.ts'
import type { SkipList } from './skipped.ts'

/** What tells a file from a changed one. */
export interface FileStamp {
  readonly sizeBytes: number
  /** Nanoseconds since 1970, by the file system's clock. */
  readonly mtimeNs: bigint
  readonly inode: bigint
}

export interface FoundFile {
  readonly kind: 'file'
  readonly name: string
  /** Absolute. */
  readonly diskPath: string
  readonly stamp: FileStamp
  readonly executable: boolean
}

export interface FoundFolder {
  readonly kind: 'folder'
  readonly name: string
  readonly children: WalkedEntry[]
}

export type WalkedEntry = FoundFile | FoundFolder

/** Calls to the file system at once: Node does four at a time, and the others wait for their turn there and not here. */
const CALLS_MAX = 16
/** The owner may execute it: the bit that BEP 47's `x` stands for. */
const OWNER_EXECUTES = 0o100n

export function stampOf(stat: BigIntStats): FileStamp {
  return { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino }
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode
}

export interface WalkOptions {
  /** Entries that are left out are noted here. */
  readonly skips: SkipList
  readonly signal: AbortSignal
}

export interface Walked {
  readonly top: WalkedEntry
  /** Throws ShoalError when the path is not the same file or folder any more: removed, replaced, or its disk unmounted. */
  readonly checkTop: () => Promise<void>
}

/** Throws ShoalError: 'not-found', 'bad-input', 'limit', those of `target` itself, and what `skips` throws. */
export async function walk(target: string, options: WalkOptions): Promise<Walked> {
  const absolute = path.resolve(target)
  const checked = checkName(utf8(path.basename(absolute)))
  if (!checked.ok) throw notShareable(absolute, `it has ${checked.problem}`)
  const stat = await statOf(absolute)
  const checkTop = async (): Promise<void> => {
    const now = await statOf(absolute)
    if (now.ino !== stat.ino || now.dev !== stat.dev) throw changed(absolute)
  }
  if (stat.isFile()) return { top: foundFile(checked.name, absolute, stat), checkTop }
  if (!stat.isDirectory()) throw notShareable(absolute, 'it is neither a file nor a folder')
  const children = await new Walker(options).children({ diskPath: absolute, depth: 0, pathBytes: 0 })
  return { top: { kind: 'folder', name: checked.name, children }, checkTop }
}

/** There is no file or folder in `target` that can be shared. */
export function nothingToShare(target: string): ShoalError {
  return notShareable(path.resolve(target), 'there is nothing in it to share')
}

function notShareable(target: string, why: string): ShoalError {
  return new ShoalError('bad-input', `cannot share ${quotedPath(target)}: ${why}`, {
    hint: 'Name a file, or a folder with files.'
  })
}

async function statOf(target: string): Promise<BigIntStats> {
  try {
    return await fs.stat(target, { bigint: true })
  } catch (error) {
    const code = errorCodeOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw diskError(error, target)
    throw new ShoalError('not-found', `there is no ${quotedPath(target)}`, { hint: 'Check the path.', cause: error })
  }
}

function foundFile(name: string, diskPath: string, stat: BigIntStats): FoundFile {
  return { kind: 'file', name, diskPath, stamp: stampOf(stat), executable: (stat.mode & OWNER_EXECUTES) !== 0n }
}

/** A folder on the way down, with the depth and length of its path inside the content. */
interface Place {
  readonly diskPath: string
  readonly depth: number
  readonly pathBytes: number
}

class Walker {
  private readonly skips: SkipList
  private readonly signal: AbortSignal
  private entries = 0

  constructor({ skips, signal }: WalkOptions) {
    this.skips = skips
    this.signal = signal
  }

  /**
   * Reads one folder after another, the entries of one concurrently: the number of open folders is bounded. Throws the error of the
   * folder itself; entries that fail are left out.
   */
  async children(place: Place): Promise<WalkedEntry[]> {
    this.signal.throwIfAborted()
    const names = await this.names(place.diskPath)
    const found = new Array<WalkedEntry | undefined>(names.length)
    const folders: Array<{ index: number; name: string; inner: Place }> = []
    await eachOf(names.entries(), { limit: CALLS_MAX, signal: this.signal }, ([index, name]) =>
      this.attempt(async () => {
        const inner = placeIn(place, name)
        const stat = await lstatOf(inner.diskPath)
        if (stat.isFile()) found[index] = foundFile(name, inner.diskPath, stat)
        else if (stat.isDirectory()) folders.push({ index, name, inner })
        else this.skips.skip(inner.diskPath, stat.isSymbolicLink() ? 'symlink' : 'special')
      })
    )
    for (const { index, name, inner } of folders) {
      await this.attempt(async () => {
        found[index] = { kind: 'folder', name, children: await this.children(inner) }
      })
    }
    return found.filter(one => one !== undefined)
  }

  /** Leaves out the entry whose error `read` throws. */
  private async attempt(read: () => Promise<void>): Promise<void> {
    try {
      await read()
    } catch (error) {
      if (!(error instanceof EntryError)) throw error
      this.skips.leaveOut(error)
    }
  }

  /** In the order of their bytes. */
  private async names(diskPath: string): Promise<string[]> {
    const raw = await readFolder(diskPath)
    this.entries += raw.length
    if (this.entries > FILES_MAX) throw tooMuch(diskPath, `more than ${FILES_MAX} files and folders`)
    const names: string[] = []
    for (const bytes of raw.sort(compare)) {
      const checked = checkName(bytes)
      if (checked.ok) names.push(checked.name)
      else this.skips.leaveOut(nameProblem(path.join(diskPath, bytes.toString('utf8')), checked.problem))
    }
    return names
  }
}

/** Throws EntryError when no manifest can hold a path of this depth or length. */
function placeIn({ diskPath, depth, pathBytes }: Place, name: string): Place {
  const inner: Place = {
    diskPath: path.join(diskPath, name),
    depth: depth + 1,
    pathBytes: pathBytes + (depth === 0 ? 0 : 1) + Buffer.byteLength(name)
  }
  if (inner.depth > PATH_DEPTH_MAX) throw pathTooLong(inner.diskPath, `more than ${PATH_DEPTH_MAX} names`)
  if (inner.pathBytes > PATH_BYTES_MAX) throw pathTooLong(inner.diskPath, `more than ${PATH_BYTES_MAX} bytes`)
  return inner
}

async function readFolder(diskPath: string): Promise<Buffer[]> {
  try {
    return await fs.readdir(diskPath, { encoding: 'buffer' })
  } catch (error) {
    throw diskError(error, diskPath)
  }
}

async function lstatOf(diskPath: string): Promise<BigIntStats> {
  try {
    return await fs.lstat(diskPath, { bigint: true })
  } catch (error) {
    throw diskError(error, diskPath)
  }
}

function tooMuch(diskPath: string, what: string): ShoalError {
  return new ShoalError('limit', `cannot share ${quotedPath(diskPath)}: ${what}`, {
    hint: 'Share its parts one by one.'
  })
}
