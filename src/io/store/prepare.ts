/**
 * Finds which leaves of a content exist in its target already.
 *
 * A file under its final name with the right bytes is used in place. A file with other bytes may be replaced with
 * `--overwrite`, or when Shoal created it for a version that this content replaces (previous.ts) and it was not changed
 * since; its right pieces are then copied into the unfinished file. Anything else under a name of the content is a
 * conflict, and nothing is replaced.
 *
 * In an unfinished file of ours, synced leaves are trusted (part-records.ts has the conditions), and the others are
 * checked against the leaf hashes that were written before them. An unfinished file that is not known to be ours is
 * checked piece by piece. The leaves found are marked as not synced, because their writer may not have synced them.
 */
import { constants, ftruncate, promises as fs, type BigIntStats } from 'node:fs'
import { promisify } from 'node:util'
import { Bitfield } from '../../base/bitfield.ts'
import { compare } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Prepared } from '../../core/exchange/contract.ts'
import { LEAF_BYTES, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { pathOf } from '../../wire/bittorrent/metainfo.ts'
import { eachOf } from '../share/pool.ts'
import { fstatBig } from './files/safe-dir.ts'
import { hashLeaves, type Content } from './content.ts'
import { closeFd, readAt } from './files/open-files.ts'
import { compileGlobs } from './files/glob.ts'
import { sameSeen, seenOf, type Seen } from './files/stats.ts'

const truncateFd = promisify(ftruncate)
const FILES_AT_ONCE = 8
const LARGE_FILES_AT_ONCE = 2
/** Fewer files above this size are prepared at once: each one buffers a slice of a piece. */
const LARGE_BYTES = 1 << 20
const SLICE_BYTES = 1 << 20
/** Paths named in the message of a conflict; the others are counted. */
const CONFLICTS_SHOWN = 3

export interface PrepareOptions {
  /** Leaves that were synced before a restart; undefined at the first start. */
  readonly synced: Bitfield | undefined
  /** Whether unfinished files in the target are ours. */
  readonly begun: boolean
  /** Files that Shoal created for older versions, by path below the root. Called once, when other bytes are found. */
  readonly previous: () => Promise<ReadonlyMap<string, Seen>>
  readonly signal: AbortSignal
}

interface PartTrust {
  /** Whether this download created the file. */
  readonly isOurs: boolean
  /** Whether it is the file of the last sync and not shorter: its synced leaves are trusted. */
  readonly isWhole: boolean
}

interface OwnPart {
  readonly fd: number
  readonly sizeBytes: number
  readonly isSynced: boolean
  /** Whether leaves that were not synced are checked; otherwise they are fetched again. */
  readonly isChecked: boolean
}

/** The files that match the user's globs. */
export function wantedFiles(content: Content): Bitfield {
  const test = compileGlobs(content.holding.include)
  const wanted = new Bitfield(content.manifest.files.length)
  content.manifest.files.forEach((file, index) => {
    if (test(pathOf(file))) wanted.add(index)
  })
  return wanted
}

/** Throws ShoalError 'conflict' or 'bad-input', the system's error, or the signal's reason. */
export async function prepare(content: Content, options: PrepareOptions): Promise<Prepared> {
  return new Preparation(content, options).run()
}

class Preparation {
  private readonly content: Content
  private readonly options: PrepareOptions
  private readonly have: Bitfield
  private readonly conflicts: string[] = []
  private previous: Promise<ReadonlyMap<string, Seen>> | undefined

  constructor(content: Content, options: PrepareOptions) {
    this.content = content
    this.options = options
    this.have = new Bitfield(content.manifest.layout.leaves)
  }

  async run(): Promise<Prepared> {
    const { layout } = this.content.manifest
    const files = wantedFiles(this.content)
    if (files.empty) {
      throw new ShoalError('conflict', 'no file of this content matches an --include pattern', {
        hint: 'list its files with `shoal ls ID`'
      })
    }
    const { signal } = this.options
    const isLarge = (file: number): boolean => (layout.fileLengths[file] ?? 0) > LARGE_BYTES
    await eachOf(
      [...files].filter(file => !isLarge(file)),
      { limit: FILES_AT_ONCE, signal },
      file => this.file(file)
    )
    await eachOf([...files].filter(isLarge), { limit: LARGE_FILES_AT_ONCE, signal }, file => this.file(file))
    this.refuseConflicts()
    await this.content.records.flush()
    return { layout, wanted: this.wantedPieces(files), have: this.have }
  }

  private wantedPieces(files: Bitfield): Bitfield {
    const { layout } = this.content.manifest
    const wanted = new Bitfield(layout.pieces)
    for (const file of files) {
      const { first, end } = layout.piecesOf(file)
      for (let piece: number = first; piece < end; piece++) wanted.add(piece)
    }
    return wanted
  }

  private refuseConflicts(): void {
    if (this.conflicts.length === 0) return
    const shown = this.conflicts.sort().slice(0, CONFLICTS_SHOWN).join(', ')
    const others =
      this.conflicts.length > CONFLICTS_SHOWN ? ` and ${this.conflicts.length - CONFLICTS_SHOWN} others` : ''
    throw new ShoalError('conflict', `other files are in the way: ${shown}${others}`, {
      // With `overwrite` only links, folders and foreign unfinished files conflict.
      hint: this.content.holding.overwrite
        ? 'they are links, folders or unfinished files: move them away, or choose another folder with -o'
        : 'move them away, choose another folder with -o, or replace them with --overwrite'
    })
  }

  private conflict(names: readonly string[]): void {
    this.conflicts.push(this.content.safeDir.pathOf(names))
  }

  private async file(file: number): Promise<void> {
    const { content } = this
    const names = content.finalNames(file)
    const stat = await content.safeDir.lstat(names)
    // Files of a share are never read here: a file that does not match its record is not held any more.
    if (
      content.holding.kind === 'share' &&
      !sameSeen(content.seen.get(file), stat === undefined ? undefined : seenOf(stat))
    )
      return
    if (stat !== undefined && sameSeen(content.seen.get(file), seenOf(stat))) {
      this.place(file, stat)
      return
    }
    if (stat !== undefined && !stat.isFile()) {
      this.conflict(names)
      return
    }
    await this.unfinished(file)
    if (stat !== undefined) await this.present(file, stat)
  }

  private place(file: number, stat: BigIntStats): void {
    const { content, have } = this
    content.placed.add(file)
    content.seen.set(file, seenOf(stat))
    this.eachPiece(file, piece => {
      const first = content.manifest.layout.firstLeafOf(piece)
      for (let leaf = 0; leaf < content.manifest.layout.leavesOf(piece); leaf++) have.add(first + leaf)
    })
  }

  private eachPiece(file: number, act: (piece: PieceIndex) => void): void {
    const { first, end } = this.content.manifest.layout.piecesOf(file)
    for (let piece: number = first; piece < end; piece++) act(piece as PieceIndex)
  }

  /** Handles a file under the final name that does not match a record. */
  private async present(file: number, stat: BigIntStats): Promise<void> {
    const { content } = this
    const { layout } = content.manifest
    const names = content.finalNames(file)
    const { fd } = await content.safeDir.openFile(names, constants.O_RDONLY)
    try {
      const right: PieceIndex[] = []
      await this.eachPieceAsync(file, async piece => {
        if (await this.pieceIsRight(fd, piece)) right.push(piece)
      })
      const { first, end } = layout.piecesOf(file)
      if (right.length === end - first && stat.size === BigInt(layout.fileLengths[file] ?? 0)) {
        this.place(file, await fstatBig(fd))
        content.touchFile(file)
        content.touchFolders(names)
        if (this.options.begun) await this.dropPart(file)
      } else if (await this.mayReplace(names, stat)) {
        for (const piece of right) await this.copyPiece(fd, piece)
      } else {
        this.conflict(names)
      }
    } finally {
      await closeFd(fd)
    }
  }

  private async eachPieceAsync(file: number, act: (piece: PieceIndex) => Promise<void>): Promise<void> {
    const { first, end } = this.content.manifest.layout.piecesOf(file)
    for (let piece: number = first; piece < end; piece++) {
      this.options.signal.throwIfAborted()
      await act(piece as PieceIndex)
    }
  }

  /** Deletes the unfinished file of a file that the user, or a finish before a crash, has put in place. */
  private async dropPart(file: number): Promise<void> {
    const names = this.content.partNames(file)
    if ((await this.content.safeDir.lstat(names))?.isFile() === true) await this.content.safeDir.unlink(names)
  }

  private async mayReplace(names: readonly string[], stat: BigIntStats): Promise<boolean> {
    if (this.content.holding.overwrite) return true
    this.previous ??= this.options.previous()
    return sameSeen((await this.previous).get(names.join('/')), seenOf(stat))
  }

  /**
   * Reads a piece in slices, and calls `act` with each slice and its offset in the piece. False when the file is too
   * short.
   */
  private async slices(
    fd: number,
    piece: PieceIndex,
    act: (slice: Buffer, at: number) => Promise<void>
  ): Promise<boolean> {
    const { layout } = this.content.manifest
    const bytes = layout.pieceBytes(piece)
    const buffer = Buffer.allocUnsafeSlow(Math.min(SLICE_BYTES, bytes))
    for (let at = 0; at < bytes; at += SLICE_BYTES) {
      const slice = buffer.subarray(0, Math.min(SLICE_BYTES, bytes - at))
      if ((await readAt(fd, slice, layout.offsetInFile(piece) + at)) < slice.length) return false
      await act(slice, at)
    }
    return true
  }

  /** Whether the piece on disk is right. Stores the leaf hashes of a right piece. */
  private async pieceIsRight(fd: number, piece: PieceIndex): Promise<boolean> {
    const { content } = this
    const hashes = Buffer.allocUnsafe(content.manifest.layout.leavesOf(piece) * HASH_BYTES)
    const whole = await this.slices(fd, piece, async (slice, at) => {
      hashLeaves(slice).copy(hashes, (at / LEAF_BYTES) * HASH_BYTES)
    })
    if (!whole || !content.held.proves(piece, hashes)) return false
    await content.keepLeafHashes(piece, hashes)
    return true
  }

  private async copyPiece(fd: number, piece: PieceIndex): Promise<void> {
    const { content, have } = this
    const first = content.manifest.layout.firstLeafOf(piece)
    const hashes = await content.leafHashes(piece)
    if (hashes === undefined) return
    await this.slices(fd, piece, async (slice, at) => {
      const leaf = at / LEAF_BYTES
      const count = Math.ceil(slice.length / LEAF_BYTES)
      // Verified again: another program may have written to the file since.
      if (compare(hashLeaves(slice), hashes.subarray(leaf * HASH_BYTES, (leaf + count) * HASH_BYTES)) !== 0) return
      await content.write(piece, leaf, slice)
      for (let i = 0; i < count; i++) have.add(first + leaf + i)
    })
  }

  private async unfinished(file: number): Promise<void> {
    const { content } = this
    const names = content.partNames(file)
    const stat = await content.safeDir.lstat(names)
    if (stat !== undefined && !stat.isFile()) {
      this.conflict(names)
      return
    }
    const record = content.records.get(file)
    const isOurs = this.options.begun && (record.ino === 0n || record.ino === stat?.ino)
    // A file that is shorter than at its last sync was truncated since: none of its leaves is trusted.
    const isWhole = isOurs && stat !== undefined && record.ino !== 0n && stat.size >= record.sizeBytes
    if (stat !== undefined) await this.reusePart(file, stat, { isOurs, isWhole })
    this.updateRecord(file, isWhole)
  }

  private async reusePart(file: number, stat: BigIntStats, { isOurs, isWhole }: PartTrust): Promise<void> {
    const { content } = this
    content.foundPart(file, stat)
    const { fd } = await content.openPart(file)
    try {
      const before = this.have.count
      const isChecked = content.records.get(file).state !== 'failed'
      if (isOurs) {
        const part = { fd, sizeBytes: Number(stat.size), isSynced: isWhole, isChecked }
        await this.eachPieceAsync(file, piece => this.ours(part, piece))
      } else await this.eachPieceAsync(file, piece => this.foreign(fd, piece))
      if (this.have.count > before) content.touchFile(file)
      const known = isOurs || this.have.count > before || stat.size === 0n || content.holding.overwrite
      if (!known) this.conflict(content.partNames(file))
      else if (stat.size > BigInt(content.manifest.layout.fileLengths[file] ?? 0)) {
        await truncateFd(fd, content.manifest.layout.fileLengths[file])
        content.foundPart(file, await fstatBig(fd))
      }
    } finally {
      await closeFd(fd)
    }
  }

  /**
   * Marks the file as suspect when leaves that were recorded as synced are missing, before anything is written there.
   */
  private updateRecord(file: number, isWhole: boolean): void {
    const { records } = this.content
    if (isWhole) return
    if (this.hasAllSynced(file)) records.clear(file)
    else records.suspect(file)
  }

  private hasAllSynced(file: number): boolean {
    const { synced } = this.options
    if (synced === undefined) return true
    const { layout } = this.content.manifest
    const { first, end } = layout.piecesOf(file)
    for (let piece: number = first; piece < end; piece++) {
      const leaf = layout.firstLeafOf(piece as PieceIndex)
      for (let i = 0; i < layout.leavesOf(piece as PieceIndex); i++)
        if (synced.has(leaf + i) && !this.have.has(leaf + i)) return false
    }
    return true
  }

  private async foreign(fd: number, piece: PieceIndex): Promise<void> {
    if (!(await this.pieceIsRight(fd, piece))) return
    const first = this.content.manifest.layout.firstLeafOf(piece)
    for (let leaf = 0; leaf < this.content.manifest.layout.leavesOf(piece); leaf++) this.have.add(first + leaf)
  }

  private async ours(part: OwnPart, piece: PieceIndex): Promise<void> {
    const { content, have } = this
    const { layout } = content.manifest
    const first = layout.firstLeafOf(piece)
    const leaves = layout.leavesOf(piece)
    const offset = layout.offsetInFile(piece)
    const isThere = (leaf: number): boolean =>
      offset + leaf * LEAF_BYTES + layout.leafBytes(piece, leaf) <= part.sizeBytes
    let unchecked = 0
    for (let leaf = 0; leaf < leaves; leaf++) {
      if (!isThere(leaf)) continue
      if (part.isSynced && this.options.synced?.has(first + leaf) === true) have.add(first + leaf)
      else if (part.isChecked) unchecked++
    }
    const hashes = unchecked === 0 ? undefined : await content.leafHashes(piece)
    if (hashes === undefined) return
    const leaf = Buffer.allocUnsafeSlow(LEAF_BYTES)
    for (let i = 0; i < leaves; i++) {
      if (have.has(first + i) || !isThere(i)) continue
      const bytes = leaf.subarray(0, layout.leafBytes(piece, i))
      await readAt(part.fd, bytes, offset + i * LEAF_BYTES)
      if (compare(hashLeaves(bytes), hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)) === 0) have.add(first + i)
    }
  }
}

/**
 * Whether the file system of `folder` is case-insensitive; false when the folder's name has no letters to test it with.
 */
export async function foldsCase(folder: string): Promise<boolean> {
  const swapped = folder.replace(/[^/]*$/, name => {
    const upper = name.toUpperCase()
    return upper === name ? name.toLowerCase() : upper
  })
  if (swapped === folder) return false
  const [one, other] = await Promise.all([fs.stat(folder), fs.stat(swapped).catch(() => undefined)])
  return other !== undefined && one.ino === other.ino && one.dev === other.dev
}
