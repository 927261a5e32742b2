/**
 * One content on disk: where each file stands, what is read from it and written to it, and what is not synced yet. Unfinished
 * files have a name of their own; which of the two names a file has is `placed`.
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

/** Pieces whose leaf hashes are kept in memory, a content. */
const HASHES_AT_HAND_MAX = 64
/** Read and hashed between two turns of the event loop. */
const SLICE_BYTES = 1 << 20
/** As many as the thread pool has threads. */
const SYNCS_AT_ONCE = 4
/** An unfinished file is looked at before a write when the last look is longer ago: a system call for each write costs 5 %. */
const LOOK_MS = 50
/** Errors of a file that was there, and whose folder or disk may have gone. */
export const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ESTALE'])
export const NEVER: AbortSignal = new AbortController().signal

export interface ContentParts {
  readonly holding: Holding
  readonly held: Held
  readonly naming: Naming
  readonly files: OpenFiles
  /** Of the keys in `files`: no other content, and no earlier opening of this one, has it. */
  readonly keyPrefix: string
  /** Undefined for the user's own files: io/share keeps their leaf hashes. */
  readonly leaves: LeafFile | undefined
  /** Leaf hashes that io/share keeps of a piece: right, or undefined. */
  readonly shared: (piece: PieceIndex) => Promise<Uint8Array | undefined>
  readonly seen: FileStats
  readonly records: PartRecords
}

/** An unfinished file as this process knows it. */
interface Part {
  readonly ino: bigint
  /** The end of what was found at the start or written since. A file that is shorter was cut by somebody else. */
  sizeBytes: number
  lookedAtMs: number
}

export class Content {
  readonly holding: Holding
  readonly held: Held
  readonly manifest: Manifest
  readonly safeDir: SafeDir
  readonly seen: FileStats
  /** Files that stand under their final name and are right. */
  readonly placed: Bitfield
  readonly leaves: LeafFile | undefined
  readonly records: PartRecords
  private readonly naming: Naming
  private readonly files: OpenFiles
  private readonly keyPrefix: string
  private readonly shared: ContentParts['shared']
  private readonly hashesAtHand = new LruMap<PieceIndex, Uint8Array>(HASHES_AT_HAND_MAX)
  /** Leaf hashes on their way to the disk. */
  private readonly keeping = new Map<PieceIndex, Promise<void>>()
  private readonly parts = new Map<number, Part>()
  /** Leaves that are on disk and right; known from `prepare` to the end of the download. */
  arrivals: Arrivals | undefined
  private dirtyFiles = new Set<number>()
  /** Folders that hold a new name, by their path below the root. */
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

  /** The unfinished file as it was found at the start: another one in its place is not taken for it later. */
  foundPart(file: number, { ino, size }: BigIntStats): void {
    this.parts.set(file, { ino, sizeBytes: Number(size), lookedAtMs: performance.now() })
  }

  /**
   * A descriptor of the unfinished file; makes it the first time. Throws ShoalError 'conflict' when another file has taken its
   * place, LostError when it was deleted or cut.
   */
  async openPart(file: number): Promise<OpenedFile> {
    const names = this.partNames(file)
    const known = this.parts.get(file)
    const flags = constants.O_RDWR | (known === undefined ? constants.O_CREAT : 0)
    const opened = await this.finding(() =>
      this.safeDir.openFile(names, flags, { mode: this.mode(file), makeFolders: known === undefined })
    )
    if (known !== undefined) {
      try {
        this.judgePart(file, known, opened.stats)
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

  /** What this process wrote to has vanished, or a folder above it. */
  private async finding<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (errno(error) === 'ENOENT' || errno(error) === 'ESTALE')
        throw new LostError(`an unfinished file of ${this.top} was deleted while it was fetched`, { cause: error })
      throw error
    }
  }

  /** Where the content stands or will stand. */
  private get top(): string {
    return this.safeDir.pathOf(this.holding.top)
  }

  private judgePart(file: number, known: Part, { ino, size, nlink }: BigIntStats): void {
    const path = this.safeDir.pathOf(this.partNames(file))
    if (known.ino !== ino) {
      throw new ShoalError('conflict', `another file was put in the place of ${path} while it was fetched`, {
        hint: 'move it away, then `shoal get` again; or choose another folder with -o'
      })
    }
    if (nlink === 0n) throw new LostError(`${path} was deleted while it was fetched`)
    if (size < BigInt(known.sizeBytes)) throw new LostError(`${path} was cut while it was fetched`)
    known.lookedAtMs = performance.now()
  }

  private usePart<T>(file: number, act: (fd: number) => Promise<T>): Promise<T> {
    return this.files.use(this.keyOf(file), async () => (await this.openPart(file)).fd, act)
  }

  /** Throws as openPart. */
  private async lookAtPart(file: number, fd: number): Promise<void> {
    const known = this.parts.get(file)
    if (known === undefined || performance.now() - known.lookedAtMs < LOOK_MS) return
    this.judgePart(file, known, await fstatBig(fd))
  }

  /** Every folder above the name may be new. */
  touchFolders(names: readonly string[]): void {
    for (let depth = 0; depth < names.length; depth++) {
      const folder = names.slice(0, depth)
      this.dirtyFolders.set(folder.join('/'), folder)
    }
  }

  /** Bytes of a piece from a leaf on, verified by the caller. Throws the system's error, or as openPart. */
  async write(piece: PieceIndex, leafStart: number, bytes: Uint8Array): Promise<void> {
    const { layout } = this.manifest
    const file = layout.fileOf(piece)
    const position = layout.offsetInFile(piece) + leafStart * LEAF_BYTES
    await this.keeping.get(piece)
    await this.usePart(file, async fd => {
      await this.lookAtPart(file, fd)
      await writeAt(fd, bytes, position)
    })
    const known = this.parts.get(file)
    if (known !== undefined) known.sizeBytes = Math.max(known.sizeBytes, position + bytes.length)
    // After the write: a sync that began before it must not count it as done.
    this.touchFile(file)
    this.arrivals?.add(layout.firstLeafOf(piece) + leafStart, Math.ceil(bytes.length / LEAF_BYTES))
  }

  /** Bytes of this file may be in the page cache only: they are here, and not safe before the next sync. */
  touchFile(file: number): void {
    this.dirtyFiles.add(file)
  }

  /**
   * Fills `into` from that leaf on. A file that looks otherwise than it was recorded, but has its size, is checked leaf
   * by leaf: equal bytes are equal bytes. Throws ChangedError when they are not, or when the file is gone or has
   * another size.
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
   * As read, without the check. False when the file looks otherwise than it was recorded: the bytes must be checked.
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
          // The stat comes after the read: it shows a change that came before the read.
          return !placed || (await this.looksAsRecorded(file, fd))
        }
      )
    } catch (error) {
      // The file or its folder may be another one by now: the next read opens both again.
      this.release()
      if (MISSING.has(errno(error) ?? '') || error instanceof LostError)
        throw new ChangedError(`file ${file} is gone`, { cause: error })
      throw error
    }
  }

  private async openToRead(file: number): Promise<number> {
    if (this.placed.has(file)) return (await this.safeDir.openFile(this.finalNames(file), constants.O_RDONLY)).fd
    if (!this.parts.has(file)) throw new ChangedError(`file ${file} is not there`)
    return (await this.openPart(file)).fd
  }

  /** Throws ChangedError when it has another size. */
  private async looksAsRecorded(file: number, fd: number): Promise<boolean> {
    const found = seenOf(await fstatBig(fd))
    if (found.size !== BigInt(this.manifest.layout.fileLengths[file] ?? 0))
      throw new ChangedError(`file ${file} has another size`)
    return sameSeen(this.seen.get(file), found)
  }

  /** A piece of one leaf whose root is that leaf's hash: nothing has to be kept of it. */
  private isOwnHash(piece: PieceIndex): boolean {
    return this.manifest.layout.leavesOf(piece) === 1 && this.held.proves(piece, this.held.pieceHash(piece))
  }

  /** The leaf hashes of a piece, right, as far as they are kept. */
  async leafHashes(piece: PieceIndex): Promise<Uint8Array | undefined> {
    if (this.isOwnHash(piece)) return this.held.pieceHash(piece)
    const known = this.hashesAtHand.touch(piece)
    if (known !== undefined) return known
    const hashes = await this.leaves?.read(piece)
    if (hashes !== undefined) this.hashesAtHand.set(piece, hashes)
    return hashes
  }

  /**
   * The leaf hashes of a piece from wherever they are had: kept here, kept by io/share, or made from the disk and
   * proved.
   */
  private async provenHashes(piece: PieceIndex): Promise<Uint8Array | undefined> {
    return (await this.leafHashes(piece)) ?? (await this.shared(piece)) ?? (await this.hashPiece(piece))
  }

  /** Keeps a copy, at hand at once; `hashes` were proved. Resolves when it is on disk; no leaf of the piece is written before. */
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

  /** As leafHashes, from the bytes on disk where nothing is kept; undefined when those are not (all) right. */
  async hashPiece(piece: PieceIndex): Promise<Uint8Array | undefined> {
    const bytes = this.manifest.layout.pieceBytes(piece)
    const hashes = Buffer.allocUnsafe(Math.ceil(bytes / LEAF_BYTES) * HASH_BYTES)
    const slice = Buffer.allocUnsafeSlow(Math.min(bytes, SLICE_BYTES))
    for (let at = 0; at < bytes; at += SLICE_BYTES) {
      const part = slice.subarray(0, Math.min(SLICE_BYTES, bytes - at))
      // Unchecked: the root that is proved below covers every byte.
      await this.fill(piece, at / LEAF_BYTES, part)
      hashLeaves(part).copy(hashes, (at / LEAF_BYTES) * HASH_BYTES)
    }
    if (!this.held.proves(piece, hashes)) return undefined
    this.hashesAtHand.set(piece, hashes)
    return hashes
  }

  /**
   * All that was written before the call is safe when it returns. Throws the system's error, or as openPart: then nothing is
   * forgotten, and what was written to a file that did not sync is not trusted again (part-records.ts).
   */
  async sync(): Promise<void> {
    const [files, folders] = [this.dirtyFiles, this.dirtyFolders]
    this.dirtyFiles = new Set()
    this.dirtyFolders = new Map()
    try {
      await this.leaves?.sync()
      await eachOf(files, { limit: SYNCS_AT_ONCE, signal: NEVER }, file => this.syncFile(file))
      await this.finding(async () => {
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
      // Before the sync: what is written meanwhile is not covered by it.
      const stats = await fstatBig(fd)
      const known = this.parts.get(file)
      if (known !== undefined) this.judgePart(file, known, stats)
      try {
        await syncFdData(fd)
      } catch (error) {
        this.records.failed(file)
        throw error
      }
      this.records.synced(file, stats)
    })
  }

  /** Closes its descriptors, each as soon as nobody uses it. They open again when somebody reads or writes. */
  release(): void {
    this.files.drop(this.keyPrefix)
  }

  close(): void {
    this.arrivals?.end()
    this.arrivals = undefined
    this.release()
  }
}

/** The SHA-256 of every 16 KiB, one after the other. */
export function hashLeaves(bytes: Uint8Array): Buffer {
  const hashes = Buffer.allocUnsafe(Math.ceil(bytes.length / LEAF_BYTES) * HASH_BYTES)
  for (let leaf = 0; leaf * LEAF_BYTES < bytes.length; leaf++) {
    hash('sha256', bytes.subarray(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES), 'buffer').copy(hashes, leaf * HASH_BYTES)
  }
  return hashes
}
