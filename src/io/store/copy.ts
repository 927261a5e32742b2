/**
 * Copies a complete content to another folder of this machine: by a clone (reflink) when the file system supports it,
 * else by copying the bytes. Every leaf of the copy is verified before the files get their final names. The copy
 * belongs to the user: Shoal does not record, serve or remove it.
 *
 * As for a download, an existing file with the right bytes is kept, and anything else is a conflict that only
 * `overwrite` replaces. When the copy fails or is interrupted, its unfinished files are deleted.
 */
import { constants } from 'node:fs'
import { ShoalError } from '../../base/errors.ts'
import { LEAF_BYTES, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { pathOf } from '../../wire/bittorrent/metainfo.ts'
import { hashLeaves, type Content } from './content.ts'
import { compileGlobs } from './files/glob.ts'
import type { Naming } from './files/names.ts'
import { closeFd, readAt } from './files/open-files.ts'
import { errno, fsyncFd, type SafeDir } from './files/safe-dir.ts'

/** Bytes read and hashed between two turns of the event loop. */
const SLICE_BYTES = 1 << 20
/** Paths named in the message of a conflict; the others are counted. */
const CONFLICTS_SHOWN = 3

export interface CopyOptions {
  readonly include: readonly string[]
  readonly overwrite: boolean
  readonly signal: AbortSignal
  /** Called after each file with the number of bytes in the target so far. */
  readonly onProgress?: (haveBytes: number) => void
}

export interface Copied {
  /** Total bytes of the wanted files. */
  readonly bytes: number
  readonly files: number
}

export interface CopyParts {
  readonly source: Content
  readonly target: SafeDir
  /** Names in the target, below the name of the content. */
  readonly naming: Naming
}

/**
 * Throws ShoalError 'conflict' when the target has other files or a source file is not on disk, 'integrity' when the
 * bytes of a source file are wrong; the system's error; the signal's reason.
 */
export async function copyContent(parts: CopyParts, options: CopyOptions): Promise<Copied> {
  const copy = new Copy(parts, options)
  try {
    return await copy.run()
  } catch (error) {
    await copy.cleanUp()
    throw error
  }
}

class Copy {
  private readonly parts: CopyParts
  private readonly options: CopyOptions
  /** Unfinished files that this copy has created. */
  private readonly made: number[] = []

  constructor(parts: CopyParts, options: CopyOptions) {
    this.parts = parts
    this.options = options
  }

  async run(): Promise<Copied> {
    const { manifest } = this.parts.source
    const wanted = this.wanted()
    const missing = await this.missing(wanted)
    let bytes = wanted.reduce((sum, file) => sum + this.lengthOf(file), 0)
    const all = bytes
    bytes -= missing.reduce((sum, file) => sum + this.lengthOf(file), 0)
    for (const file of missing) {
      this.options.signal.throwIfAborted()
      await this.copyFile(file)
      this.options.onProgress?.((bytes += this.lengthOf(file)))
    }
    for (const file of missing) await this.giveName(file)
    if (this.options.include.length === 0)
      for (let i = 0; i < manifest.emptyFolders.length; i++)
        await this.parts.target.makeFolder([manifest.name, ...this.parts.naming.emptyFolder(i)])
    await this.syncFolders(missing)
    return { bytes: all, files: wanted.length }
  }

  async cleanUp(): Promise<void> {
    for (const file of this.made) await this.parts.target.unlink(this.partNames(file)).catch(() => undefined)
  }

  private wanted(): number[] {
    const { source } = this.parts
    const isWanted = compileGlobs(this.options.include)
    const wanted = [...source.manifest.files.keys()].filter(file => {
      const entry = source.manifest.files[file]
      return entry !== undefined && isWanted(pathOf(entry))
    })
    if (wanted.length === 0) {
      throw new ShoalError('conflict', 'no file of this content matches an --include pattern', {
        hint: 'list its files with `shoal ls ID`'
      })
    }
    const absent = wanted.filter(file => !source.placed.has(file) && this.lengthOf(file) > 0)
    if (absent.length === 0) return wanted
    throw new ShoalError('conflict', `${absent.length} of the files are not on this machine`, {
      hint: `get them first: shoal get ${source.manifest.contentId} -o ${source.holding.root}`
    })
  }

  /**
   * The files whose right bytes are not in the target yet. Throws ShoalError 'conflict' for files that must not be
   * replaced.
   */
  private async missing(wanted: readonly number[]): Promise<number[]> {
    const { target } = this.parts
    const missing: number[] = []
    const conflicts: string[] = []
    for (const file of wanted) {
      this.options.signal.throwIfAborted()
      const names = this.finalNames(file)
      const stat = await target.lstat(names)
      if (stat?.isFile() === true && (await this.isRight(file, names))) continue
      const isReplaceable = stat === undefined || (this.options.overwrite && stat.isFile())
      if (isReplaceable) missing.push(file)
      else conflicts.push(target.pathOf(names))
    }
    if (conflicts.length === 0) return missing
    const shown = conflicts.slice(0, CONFLICTS_SHOWN).join(', ')
    const others = conflicts.length > CONFLICTS_SHOWN ? ` and ${conflicts.length - CONFLICTS_SHOWN} others` : ''
    throw new ShoalError('conflict', `other files are in the way: ${shown}${others}`, {
      hint: 'move them away, choose another folder with -o, or replace them with --overwrite'
    })
  }

  /** Copies into the unfinished file, verifies it and syncs it. */
  private async copyFile(file: number): Promise<void> {
    const { source, target } = this.parts
    const [names, part] = [source.finalNames(file), this.partNames(file)]
    await target.makeFolder(part.slice(0, -1))
    if (this.options.overwrite && (await target.lstat(part))?.isFile() === true) await target.unlink(part)
    try {
      if (this.lengthOf(file) === 0)
        await closeFd((await target.openFile(part, constants.O_CREAT | constants.O_EXCL)).fd)
      else await target.copyNew(source.safeDir, names, part)
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error
      throw new ShoalError('conflict', `${target.pathOf(part)} is in the way`, {
        hint: 'move it away, choose another folder with -o, or replace it with --overwrite',
        cause: error
      })
    }
    this.made.push(file)
    if (!(await this.isRight(file, part))) {
      throw new ShoalError('integrity', `${source.safeDir.pathOf(names)} has other bytes than the content`, {
        hint: 'it changed since it was shared or fetched: share it again, or get it again'
      })
    }
    await this.sync(file, part)
  }

  private async sync(file: number, part: readonly string[]): Promise<void> {
    const { source, target } = this.parts
    const { fd, stats } = await target.openFile(part, constants.O_RDONLY)
    try {
      if (source.manifest.files[file]?.executable === true) await target.makeExecutable(fd, stats.mode)
      await fsyncFd(fd)
    } finally {
      await closeFd(fd)
    }
  }

  private async giveName(file: number): Promise<void> {
    const { target } = this.parts
    const final = this.finalNames(file)
    const name = final.at(-1) ?? ''
    try {
      if (this.options.overwrite) await target.rename(this.partNames(file), name)
      else await target.renameNew(this.partNames(file), name)
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error
      throw new ShoalError('conflict', `another file has appeared at ${target.pathOf(final)}`, {
        hint: 'move it away, then `shoal get` it again; or replace it with --overwrite',
        cause: error
      })
    }
  }

  private async syncFolders(files: readonly number[]): Promise<void> {
    const folders = new Map<string, string[]>([['', []]])
    for (const file of files) {
      const names = this.finalNames(file)
      for (let depth = 1; depth < names.length; depth++)
        folders.set(names.slice(0, depth).join('/'), names.slice(0, depth))
    }
    for (const names of folders.values()) await this.parts.target.syncFolder(names)
  }

  /** Whether the file of this name in the target has exactly the bytes of the content. */
  private async isRight(file: number, names: readonly string[]): Promise<boolean> {
    const { held, manifest } = this.parts.source
    const { layout } = manifest
    const { fd, stats } = await this.parts.target.openFile(names, constants.O_RDONLY)
    try {
      if (stats.size !== BigInt(this.lengthOf(file))) return false
      const { first, end } = layout.piecesOf(file)
      for (let piece: number = first; piece < end; piece++) {
        this.options.signal.throwIfAborted()
        const hashes = await this.leafHashesOf(fd, piece as PieceIndex)
        if (hashes === undefined || !held.proves(piece as PieceIndex, hashes)) return false
      }
      return true
    } finally {
      await closeFd(fd)
    }
  }

  private async leafHashesOf(fd: number, piece: PieceIndex): Promise<Uint8Array | undefined> {
    const { layout } = this.parts.source.manifest
    const bytes = layout.pieceBytes(piece)
    const hashes = Buffer.allocUnsafe(layout.leavesOf(piece) * HASH_BYTES)
    const buffer = Buffer.allocUnsafeSlow(Math.min(SLICE_BYTES, bytes))
    for (let at = 0; at < bytes; at += SLICE_BYTES) {
      const slice = buffer.subarray(0, Math.min(SLICE_BYTES, bytes - at))
      if ((await readAt(fd, slice, layout.offsetInFile(piece) + at)) < slice.length) return undefined
      hashLeaves(slice).copy(hashes, (at / LEAF_BYTES) * HASH_BYTES)
    }
    return hashes
  }

  private lengthOf(file: number): number {
    return this.parts.source.manifest.layout.fileLengths[file] ?? 0
  }

  private finalNames(file: number): string[] {
    const { source, naming } = this.parts
    return [source.manifest.name, ...naming.final(file)]
  }

  private partNames(file: number): string[] {
    const { naming } = this.parts
    const final = this.finalNames(file)
    return [...final.slice(0, -1), naming.part(naming.final(file), final.at(-1) ?? '')]
  }
}
