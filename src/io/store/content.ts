/**
 * One content on disk: where each file stands, what is read from it and written to it, and what is not synced yet. Unfinished
 * files have a name of their own; which of the two names a file has is `placed`.
 */
import { constants } from 'node:fs'
import { Bitfield } from '../../base/bitfield.ts'
import { LruMap } from '../../base/bounded.ts'
import { expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import { hash } from 'node:crypto'
import { LEAF_BYTES, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import type { Manifest } from '../../wire/bittorrent/metainfo.ts'
import { eachOf } from '../share/pool.ts'
import type { Arrivals } from './arrivals.ts'
import { SafeDir, closeFd, errno, fstatBig, type OpenedFile } from './files/safe-dir.ts'
import type { Holding } from './catalogue.ts'
import { ChangedError } from './failures.ts'
import { readAt, writeAt, type OpenFiles } from './files/open-files.ts'
import { syncFdData, type LeafFile } from './files/leaf-file.ts'
import type { Held } from './manifests.ts'
import type { Naming } from './files/names.ts'
import { sameSeen, seenOf, type FileStats } from './files/stats.ts'

/** Pieces whose leaf hashes are kept in memory, a content. */
const HASHES_AT_HAND_MAX = 64
/** Read and hashed between two turns of the event loop. */
const SLICE_BYTES = 1 << 20
/** As many as the thread pool has threads. */
const SYNCS_AT_ONCE = 4
export const NEVER: AbortSignal = new AbortController().signal

export interface ContentParts {
  readonly holding: Holding
  readonly held: Held
  readonly naming: Naming
  readonly files: OpenFiles
  /** Undefined for the user's own files: io/share keeps their leaf hashes. */
  readonly leaves: LeafFile | undefined
  readonly seen: FileStats
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
  private readonly naming: Naming
  private readonly files: OpenFiles
  private readonly hashesAtHand = new LruMap<PieceIndex, Uint8Array>(HASHES_AT_HAND_MAX)
  /** Leaf hashes on their way to the disk. */
  private readonly keeping = new Map<PieceIndex, Promise<void>>()
  /** Inodes of unfinished files. */
  private readonly parts = new Map<number, bigint>()
  /** Leaves that are on disk and right; known from `prepare` to the end of the download. */
  arrivals: Arrivals | undefined
  private dirtyFiles = new Set<number>()
  /** Folders that hold a new name, by their path below the root. */
  private dirtyFolders = new Map<string, readonly string[]>()

  constructor(parts: ContentParts) {
    this.holding = parts.holding
    this.held = parts.held
    this.manifest = parts.held.manifest
    this.safeDir = new SafeDir(parts.holding.root)
    this.seen = parts.seen
    this.placed = new Bitfield(this.manifest.files.length)
    this.leaves = parts.leaves
    this.naming = parts.naming
    this.files = parts.files
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
    return `${this.manifest.contentId}/${file}`
  }

  private mode(file: number): number {
    return this.manifest.files[file]?.executable === true ? 0o777 : 0o666
  }

  /** The unfinished file as it was found at the start: another one in its place is not taken for it later. */
  foundPart(file: number, ino: bigint): void {
    this.parts.set(file, ino)
  }

  /** A descriptor of the unfinished file; makes it the first time. Throws ShoalError 'conflict' when it was exchanged since. */
  async openPart(file: number): Promise<OpenedFile> {
    const names = this.partNames(file)
    const known = this.parts.get(file)
    const flags = constants.O_RDWR | (known === undefined ? constants.O_CREAT : 0)
    const opened = await this.safeDir.openFile(names, flags, {
      mode: this.mode(file),
      makeFolders: known === undefined
    })
    const { ino } = opened.stats
    if (known !== undefined && known !== ino) {
      await closeFd(opened.fd)
      throw new ShoalError('conflict', `${this.safeDir.pathOf(names)} was exchanged while it was fetched`, {
        hint: 'get it again: what is right of it is kept'
      })
    }
    this.parts.set(file, ino)
    if (known === undefined) this.touchFolders(names)
    return opened
  }

  private usePart<T>(file: number, act: (fd: number) => Promise<T>): Promise<T> {
    return this.files.use(this.keyOf(file), async () => (await this.openPart(file)).fd, act)
  }

  /** Every folder above the name may be new. */
  touchFolders(names: readonly string[]): void {
    for (let depth = 0; depth < names.length; depth++) {
      const folder = names.slice(0, depth)
      this.dirtyFolders.set(folder.join('/'), folder)
    }
  }

  /** Bytes of a piece from a leaf on, verified by the caller. Throws the system's error. */
  async write(piece: PieceIndex, leafStart: number, bytes: Uint8Array): Promise<void> {
    const { layout } = this.manifest
    const file = layout.fileOf(piece)
    await this.keeping.get(piece)
    await this.usePart(file, fd => writeAt(fd, bytes, layout.offsetInFile(piece) + leafStart * LEAF_BYTES))
    // After the write: a sync that began before it must not take it for done.
    this.dirtyFiles.add(file)
    this.arrivals?.add(layout.firstLeafOf(piece) + leafStart, Math.ceil(bytes.length / LEAF_BYTES))
  }

  /** Fills `into` from that leaf on. Throws ChangedError when the file is no longer what was recorded. */
  async read(piece: PieceIndex, leafStart: number, into: Uint8Array): Promise<void> {
    const { layout } = this.manifest
    const file = layout.fileOf(piece)
    const position = layout.offsetInFile(piece) + leafStart * LEAF_BYTES
    const placed = this.placed.has(file)
    try {
      await this.files.use(
        this.keyOf(file),
        () => this.openToRead(file),
        async fd => {
          const filled = await readAt(fd, into, position)
          // Looked at after the read: a change that came before it shows.
          if (filled < into.length || (placed && !(await this.asSeen(file, fd))))
            throw new ChangedError(`file ${file} changed`)
        }
      )
    } catch (error) {
      if (errno(error) === 'ENOENT') throw new ChangedError(`file ${file} is gone`)
      if (error instanceof ChangedError) this.files.drop(this.keyOf(file))
      throw error
    }
  }

  private async openToRead(file: number): Promise<number> {
    if (this.placed.has(file)) return (await this.safeDir.openFile(this.finalNames(file), constants.O_RDONLY)).fd
    if (!this.parts.has(file)) throw new ChangedError(`file ${file} is not there`)
    return (await this.openPart(file)).fd
  }

  private async asSeen(file: number, fd: number): Promise<boolean> {
    return sameSeen(this.seen.get(file), seenOf(await fstatBig(fd)))
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
      await this.read(piece, at / LEAF_BYTES, part)
      hashLeaves(part).copy(hashes, (at / LEAF_BYTES) * HASH_BYTES)
    }
    if (!this.held.proves(piece, hashes)) return undefined
    this.hashesAtHand.set(piece, hashes)
    return hashes
  }

  /** All that was written before the call is safe when it returns. Throws the system's error: then nothing is forgotten. */
  async sync(): Promise<void> {
    const [files, folders] = [this.dirtyFiles, this.dirtyFolders]
    this.dirtyFiles = new Set()
    this.dirtyFolders = new Map()
    try {
      await this.leaves?.sync()
      await eachOf(files, { limit: SYNCS_AT_ONCE, signal: NEVER }, file => this.usePart(file, fd => syncFdData(fd)))
      for (const names of folders.values()) await this.safeDir.syncFolder(names)
    } catch (error) {
      for (const file of files) this.dirtyFiles.add(file)
      for (const [key, names] of folders) this.dirtyFolders.set(key, names)
      throw error
    }
  }

  close(): void {
    this.arrivals?.end()
    this.files.drop(`${this.manifest.contentId}/`)
    this.safeDir.close()
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
