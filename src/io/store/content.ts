/**
 * One content on disk: the paths of its files, reads, writes, and the files that are not synced yet. An unfinished file
 * has a separate name; `placed` holds the files that have their final name.
 */
import { constants, type BigIntStats } from 'node:fs'
import { Bitfield } from '../../base/bitfield.ts'
import { LruMap } from '../../base/bounded.ts'
import { compare } from '../../base/bytes.ts'
import { expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import { hash } from 'node:crypto'
import { LEAF_BYTES, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import type { Manifest } from '../../wire/bittorrent/metainfo.ts'
import { eachOf } from '../share/pool.ts'
import type { Arrivals } from './arrivals.ts'
import { SafeDir, errno, fstatBig, type OpenedFile } from './files/safe-dir.ts'
import type { Holding } from './catalogue.ts'
import { ChangedError, LostError } from './failures.ts'
import { closeFd, readAt, writeAt, type OpenFiles } from './files/open-files.ts'
import { syncFdData, type LeafFile } from './files/leaf-file.ts'
import type { Held } from './manifests.ts'
import type { Naming } from './files/names.ts'
import type { PartRecords } from './files/part-records.ts'
import { sameSeen, seenOf, type FileStats } from './files/stats.ts'

/** Pieces per content whose leaf hashes are cached in memory. */
const HASHES_AT_HAND_MAX = 64
/** Bytes read and hashed between two turns of the event loop. */
const SLICE_BYTES = 1 << 20
/** Concurrent syncs: the number of threads in the pool. */
const SYNCS_AT_ONCE = 4
/** Minimum time between two stats of an unfinished file before a write: a stat for each write would cost 5 %. */
const RECHECK_MS = 50
/** Error codes of a file that existed before: it, its folder or its disk may be missing now. */
export const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ESTALE'])
export const NEVER: AbortSignal = new AbortController().signal

export interface ContentParts {
  readonly holding: Holding
  readonly held: Held
  readonly naming: Naming
  readonly files: OpenFiles
  /** Prefix of this content's keys in `files`. Unique to this instance. */
  readonly keyPrefix: string
  /** Undefined for a share: io/share stores its leaf hashes. */
  readonly leaves: LeafFile | undefined
  /** The verified leaf hashes of a piece from io/share, or undefined. */
  readonly shared: (piece: PieceIndex) => Promise<Uint8Array | undefined>
  readonly seen: FileStats
  readonly records: PartRecords
}

/** An unfinished file, as this process last found or wrote it. */
interface Part {
  readonly ino: bigint
  /** The size at the start, or the end of the last write behind it. A shorter file was truncated by another program. */
  sizeBytes: number
  checkedAtMs: number
}

export class Content {
  readonly holding: Holding
  readonly held: Held
  readonly manifest: Manifest
  readonly safeDir: SafeDir
  readonly seen: FileStats
  /** Files that have their final name and the right bytes. */
  readonly placed: Bitfield
  readonly leaves: LeafFile | undefined
  readonly records: PartRecords
  private readonly naming: Naming
  private readonly files: OpenFiles
  private readonly keyPrefix: string
  private readonly shared: ContentParts['shared']
  private readonly hashesAtHand = new LruMap<PieceIndex, Uint8Array>(HASHES_AT_HAND_MAX)
  /** Pieces whose leaf hashes are being written. */
  private readonly keeping = new Map<PieceIndex, Promise<void>>()
  private readonly parts = new Map<number, Part>()
  /** Verified leaves on disk; defined from `prepare` to the end of the download. */
  arrivals: Arrivals | undefined
  private dirtyFiles = new Set<number>()
  /** Folders with a new entry, by their path below the root. */
  private dirtyFolders = new Map<string, readonly string[]>()

  constructor(parts: ContentParts) {
    this.holding = parts.holding
    this.held = parts.held
    this.manifest = parts.held.manifest
    this.safeDir = new SafeDir(parts.holding.root, parts.files, `${parts.keyPrefix}folder/`)
    this.seen = parts.seen
    this.records = parts.records
    this.keyPrefix = parts.keyPrefix
    this.placed = new Bitfield(this.manifest.files.length)
    this.leaves = parts.leaves
    this.naming = parts.naming
    this.files = parts.files
    this.shared = parts.shared
  }

  finalNames(file: number): string[] {
    return [...this.holding.top, ...this.naming.final(file)]
  }

  partNames(file: number): string[] {
    const inside = this.naming.final(file)
    const final = this.finalNames(file)
    return [...final.slice(0, -1), this.naming.part(inside, expectDefined(final.at(-1), 'a file has a name'))]
  }

  emptyFolderNames(index: number): string[] {
    return [...this.holding.top, ...this.naming.emptyFolder(index)]
  }

  private keyOf(file: number): string {
    return `${this.keyPrefix}file/${file}`
  }

  private mode(file: number): number {
    return this.manifest.files[file]?.executable === true ? 0o777 : 0o666
  }

  /** Records the identity of an unfinished file, so that a replacement is detected later. */
  foundPart(file: number, { ino, size }: BigIntStats): void {
    this.parts.set(file, { ino, sizeBytes: Number(size), checkedAtMs: performance.now() })
  }

  /**
   * Opens the unfinished file; creates it the first time. Throws ShoalError 'conflict' when another file has replaced
   * it, LostError when it was deleted or truncated.
   */
  async openPart(file: number): Promise<OpenedFile> {
    const names = this.partNames(file)
    const known = this.parts.get(file)
    const flags = constants.O_RDWR | (known === undefined ? constants.O_CREAT : 0)
    const opened = await this.orLost(() =>
      this.safeDir.openFile(names, flags, { mode: this.mode(file), makeFolders: known === undefined })
    )
    if (known !== undefined) {
      try {
        this.checkPart(file, known, opened.stats)
      } catch (error) {
        await closeFd(opened.fd)
        throw error
      }
    } else {
      this.foundPart(file, opened.stats)
      this.touchFolders(names)
    }
    return opened
  }

  /** Runs `act`. Throws LostError when a file or folder that this process wrote does not exist any more. */
  private async orLost<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (errno(error) === 'ENOENT' || errno(error) === 'ESTALE')
        throw new LostError(`an unfinished file of ${this.top} was deleted during the download`, { cause: error })
      throw error
    }
  }

  /** The path of the content's file or folder. */
  private get top(): string {
    return this.safeDir.pathOf(this.holding.top)
  }

  private checkPart(file: number, known: Part, { ino, size, nlink }: BigIntStats): void {
    const path = this.safeDir.pathOf(this.partNames(file))
    if (known.ino !== ino) {
      throw new ShoalError('conflict', `another file replaced ${path} during the download`, {
        hint: 'move it away, then `shoal get` again; or choose another folder with -o'
      })
    }
    if (nlink === 0n) throw new LostError(`${path} was deleted during the download`)
    if (size < BigInt(known.sizeBytes)) throw new LostError(`${path} was truncated during the download`)
    known.checkedAtMs = performance.now()
  }

  private usePart<T>(file: number, act: (fd: number) => Promise<T>): Promise<T> {
    return this.files.use(this.keyOf(file), async () => (await this.openPart(file)).fd, act)
  }

  /** Throws as openPart. */
  private async recheckPart(file: number, fd: number): Promise<void> {
    const known = this.parts.get(file)
    if (known === undefined || performance.now() - known.checkedAtMs < RECHECK_MS) return
    this.checkPart(file, known, await fstatBig(fd))
  }

  /** Marks all folders above the name as not synced: each of them may be new. */
  touchFolders(names: readonly string[]): void {
    for (let depth = 0; depth < names.length; depth++) {
      const folder = names.slice(0, depth)
      this.dirtyFolders.set(folder.join('/'), folder)
    }
  }

  /** Writes verified bytes of a piece from leaf `leafStart` on. Throws the system's error, or as openPart. */
  async write(piece: PieceIndex, leafStart: number, bytes: Uint8Array): Promise<void> {
    const { layout } = this.manifest
    const file = layout.fileOf(piece)
    const position = layout.offsetInFile(piece) + leafStart * LEAF_BYTES
    await this.keeping.get(piece)
    await this.usePart(file, async fd => {
      await this.recheckPart(file, fd)
      await writeAt(fd, bytes, position)
    })
    const known = this.parts.get(file)
    if (known !== undefined) known.sizeBytes = Math.max(known.sizeBytes, position + bytes.length)
    // After the write: a sync that began before the write must not clear the mark.
    this.touchFile(file)
    this.arrivals?.add(layout.firstLeafOf(piece) + leafStart, Math.ceil(bytes.length / LEAF_BYTES))
  }

  /** Marks the file as not synced: its bytes may be in the page cache only. */
  touchFile(file: number): void {
    this.dirtyFiles.add(file)
  }

  /**
   * Fills `into` from leaf `leafStart` on. When the file has its recorded size but another mtime or inode, every leaf
   * is verified, and equal bytes are served. Throws ChangedError when a leaf is wrong, or when the file is missing or
   * has another size.
   */
  async read(piece: PieceIndex, leafStart: number, into: Uint8Array): Promise<void> {
    if (await this.fill(piece, leafStart, into)) return
    const hashes = await this.provenHashes(piece)
    const from = leafStart * HASH_BYTES
    const found = hashLeaves(into)
    if (hashes === undefined || compare(found, hashes.subarray(from, from + found.length)) !== 0)
      throw new ChangedError(`file ${this.manifest.layout.fileOf(piece)} changed`)
  }

  /**
   * As read, without the verification. False when the file does not match its record: the bytes must be verified.
   */
  private async fill(piece: PieceIndex, leafStart: number, into: Uint8Array): Promise<boolean> {
    const { layout } = this.manifest
    const file = layout.fileOf(piece)
    const position = layout.offsetInFile(piece) + leafStart * LEAF_BYTES
    const placed = this.placed.has(file)
    try {
      return await this.files.use(
        this.keyOf(file),
        () => this.openToRead(file),
        async fd => {
          const filled = await readAt(fd, into, position)
          if (filled < into.length) throw new ChangedError(`file ${file} is shorter than it was`)
          // The stat follows the read, so it detects every change before the read.
          return !placed || (await this.looksAsRecorded(file, fd))
        }
      )
    } catch (error) {
      // The file or its folder may have been replaced: the next read opens both again.
      this.release()
      if (MISSING.has(errno(error) ?? '') || error instanceof LostError)
        throw new ChangedError(`file ${file} is missing`, { cause: error })
      throw error
    }
  }

  private async openToRead(file: number): Promise<number> {
    if (this.placed.has(file)) return (await this.safeDir.openFile(this.finalNames(file), constants.O_RDONLY)).fd
    if (!this.parts.has(file)) throw new ChangedError(`file ${file} does not exist`)
    return (await this.openPart(file)).fd
  }

  /** Whether the file matches its record. Throws ChangedError when it has another size. */
  private async looksAsRecorded(file: number, fd: number): Promise<boolean> {
    const found = seenOf(await fstatBig(fd))
    if (found.size !== BigInt(this.manifest.layout.fileLengths[file] ?? 0))
      throw new ChangedError(`file ${file} has another size`)
    return sameSeen(this.seen.get(file), found)
  }

  /** Whether the piece has one leaf whose hash is the piece's root: no leaf hashes need to be stored for it. */
  private isOwnHash(piece: PieceIndex): boolean {
    return this.manifest.layout.leavesOf(piece) === 1 && this.held.proves(piece, this.held.pieceHash(piece))
  }

  /** The verified leaf hashes of a piece from memory or disk; undefined when they are not stored. */
  async leafHashes(piece: PieceIndex): Promise<Uint8Array | undefined> {
    if (this.isOwnHash(piece)) return this.held.pieceHash(piece)
    const known = this.hashesAtHand.touch(piece)
    if (known !== undefined) return known
    const hashes = await this.leaves?.read(piece)
    if (hashes !== undefined) this.hashesAtHand.set(piece, hashes)
    return hashes
  }

  /**
   * The verified leaf hashes of a piece from the first source that has them: this content, io/share, or computed from
   * the bytes on disk.
   */
  private async provenHashes(piece: PieceIndex): Promise<Uint8Array | undefined> {
    return (await this.leafHashes(piece)) ?? (await this.shared(piece)) ?? (await this.hashPiece(piece))
  }

  /**
   * Stores a copy of verified leaf hashes; it is readable at once. Resolves when it is written. `write` waits for that
   * before it writes a leaf of the piece.
   */
  async keepLeafHashes(piece: PieceIndex, hashes: Uint8Array): Promise<void> {
    if (this.hashesAtHand.has(piece) || this.isOwnHash(piece)) return
    const copy = hashes.slice()
    this.hashesAtHand.set(piece, copy)
    const keeping = this.leaves?.write(piece, copy)
    if (keeping === undefined) return
    this.keeping.set(piece, keeping)
    try {
      await keeping
    } catch (error) {
      this.hashesAtHand.delete(piece)
      throw error
    } finally {
      this.keeping.delete(piece)
    }
  }

  /** Computes the leaf hashes of a piece from the bytes on disk; undefined when not all bytes are right. */
  async hashPiece(piece: PieceIndex): Promise<Uint8Array | undefined> {
    const bytes = this.manifest.layout.pieceBytes(piece)
    const hashes = Buffer.allocUnsafe(Math.ceil(bytes / LEAF_BYTES) * HASH_BYTES)
    const slice = Buffer.allocUnsafeSlow(Math.min(bytes, SLICE_BYTES))
    for (let at = 0; at < bytes; at += SLICE_BYTES) {
      const part = slice.subarray(0, Math.min(SLICE_BYTES, bytes - at))
      // The bytes need no check here: the piece's root, verified below, covers every byte.
      await this.fill(piece, at / LEAF_BYTES, part)
      hashLeaves(part).copy(hashes, (at / LEAF_BYTES) * HASH_BYTES)
    }
    if (!this.held.proves(piece, hashes)) return undefined
    this.hashesAtHand.set(piece, hashes)
    return hashes
  }

  /**
   * Makes all writes before the call durable. Throws the system's error, or as openPart: then the files stay marked as
   * not synced, and leaves of a file whose sync failed are not trusted again (part-records.ts).
   */
  async sync(): Promise<void> {
    const [files, folders] = [this.dirtyFiles, this.dirtyFolders]
    this.dirtyFiles = new Set()
    this.dirtyFolders = new Map()
    try {
      await this.leaves?.sync()
      await eachOf(files, { limit: SYNCS_AT_ONCE, signal: NEVER }, file => this.syncFile(file))
      await this.orLost(async () => {
        for (const names of folders.values()) await this.safeDir.syncFolder(names)
      })
      await this.records.flush()
    } catch (error) {
      for (const file of files) this.touchFile(file)
      for (const [key, names] of folders) this.dirtyFolders.set(key, names)
      await this.records.flush().catch(() => undefined)
      throw error
    }
  }

  private async syncFile(file: number): Promise<void> {
    if (this.placed.has(file)) {
      await this.files.use(this.keyOf(file), () => this.openToRead(file), syncFdData)
      return
    }
    await this.usePart(file, async fd => {
      // The stat precedes the sync: the sync does not cover writes during it.
      const stats = await fstatBig(fd)
      const known = this.parts.get(file)
      if (known !== undefined) this.checkPart(file, known, stats)
      try {
        await syncFdData(fd)
      } catch (error) {
        this.records.failed(file)
        throw error
      }
      this.records.synced(file, stats)
    })
  }

  /** Closes the descriptors of this content, each when its last user is done. Reads and writes open them again. */
  release(): void {
    this.files.drop(this.keyPrefix)
  }

  close(): void {
    this.arrivals?.end()
    this.arrivals = undefined
    this.release()
  }
}

/** The concatenated SHA-256 hashes of all 16 KiB leaves. */
export function hashLeaves(bytes: Uint8Array): Buffer {
  const hashes = Buffer.allocUnsafe(Math.ceil(bytes.length / LEAF_BYTES) * HASH_BYTES)
  for (let leaf = 0; leaf * LEAF_BYTES < bytes.length; leaf++) {
    hash('sha256', bytes.subarray(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES), 'buffer').copy(hashes, leaf * HASH_BYTES)
  }
  return hashes
}
