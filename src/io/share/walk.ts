/**
 * The tree on the disk as it will stand in the manifest: children in the order of their names' bytes, as BEP 52 sorts them.
 * Symlinks, sockets, pipes, devices and names that are not UTF-8 are left out and counted. The path that the user gave may be
 * a symlink itself: it is what was asked for.
 */
import fs from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { compare, utf8 } from '../../base/bytes.ts'
import { FILES_MAX } from '../../wire/bittorrent/layout.ts'
import { PATH_DEPTH_MAX, checkName, quotedPath } from '../../wire/bittorrent/paths.ts'
import { diskError, errorCodeOf } from './errors.ts'
import { eachOf } from './pool.ts'

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

export type SkipReason = 'symlink' | 'special' | 'name'

export interface Skipped {
  readonly symlinks: number
  /** Sockets, pipes, devices. */
  readonly specials: number
  /** Not UTF-8, or over a limit. */
  readonly names: number
  /** The first few of all, escaped for a terminal. */
  readonly examples: ReadonlyArray<{ readonly path: string; readonly reason: SkipReason }>
}

/** Calls to the file system at once: Node does four at a time, and the others wait for their turn there and not here. */
const CALLS_MAX = 16
const EXAMPLES_MAX = 10
/** The owner may execute it: the bit that BEP 47's `x` stands for. */
const OWNER_EXECUTES = 0o100n

export function stampOf(stat: BigIntStats): FileStamp {
  return { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino }
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode
}

/** Throws ShoalError: 'not-found', 'permission', 'conflict' when something vanishes under the walk, 'bad-input', 'limit'. */
export async function walk(target: string, signal: AbortSignal): Promise<{ top: WalkedEntry; skipped: Skipped }> {
  const absolute = path.resolve(target)
  const checked = checkName(utf8(path.basename(absolute)))
  if (!checked.ok) throw notShareable(absolute, `it has ${checked.problem}`)
  const stat = await statOf(absolute)
  const walker = new Walker(signal)
  if (stat.isFile()) return { top: foundFile(checked.name, absolute, stat), skipped: walker.skipped() }
  if (!stat.isDirectory()) throw notShareable(absolute, 'it is no file and no folder')
  const children = await walker.folder(absolute, 1)
  if (children.length === 0) throw notShareable(absolute, 'there is nothing in it to share')
  return { top: { kind: 'folder', name: checked.name, children }, skipped: walker.skipped() }
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

class Walker {
  private readonly signal: AbortSignal
  private readonly counts = { symlink: 0, special: 0, name: 0 }
  private readonly examples: Array<{ path: string; reason: SkipReason }> = []
  private entries = 0

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  skipped(): Skipped {
    const { symlink, special, name } = this.counts
    return { symlinks: symlink, specials: special, names: name, examples: this.examples }
  }

  private skip(diskPath: string, reason: SkipReason): undefined {
    this.counts[reason]++
    if (this.examples.length < EXAMPLES_MAX) this.examples.push({ path: quotedPath(diskPath), reason })
  }

  /** One folder after another, the entries of one at once: what is open at a time is bounded. */
  async folder(diskPath: string, depth: number): Promise<WalkedEntry[]> {
    this.signal.throwIfAborted()
    if (depth > PATH_DEPTH_MAX) throw tooMuch(diskPath, `more than ${PATH_DEPTH_MAX} folders inside one another`)
    const names = await this.names(diskPath)
    const found = new Array<WalkedEntry | undefined>(names.length)
    const folders: Array<{ index: number; name: string; at: string }> = []
    await eachOf(names.entries(), { limit: CALLS_MAX, signal: this.signal }, async ([index, name]) => {
      const at = path.join(diskPath, name)
      const stat = await lstatOf(at)
      if (stat.isFile()) found[index] = foundFile(name, at, stat)
      else if (stat.isDirectory()) folders.push({ index, name, at })
      else this.skip(at, stat.isSymbolicLink() ? 'symlink' : 'special')
    })
    for (const { index, name, at } of folders) {
      found[index] = { kind: 'folder', name, children: await this.folder(at, depth + 1) }
    }
    return found.filter(one => one !== undefined)
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
      else this.skip(path.join(diskPath, bytes.toString('utf8')), 'name')
    }
    return names
  }
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
