/** All files of a scan: those in the cache are reused, the others are hashed, a few at a time. Files that fail are left out. */
import { expectDefined } from '../../base/assert.ts'
import { EMPTY_BYTES, equal } from '../../base/bytes.ts'
import { LEAF_BYTES } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { rootKey } from '../../wire/bittorrent/metainfo.ts'
import { FileTree, type FinishedTree } from '../../wire/bittorrent/tree.ts'
import { ReadBuffers } from './buffers.ts'
import { settled, systemClock, type CachedFile, type ShareCache, type WallClock } from './cache.ts'
import { hashFile, type HashedFile } from './hash-file.ts'
import { EntryError } from './errors.ts'
import type { LeafHashes } from './leaves.ts'
import { eachOf } from './pool.ts'
import type { SkipList } from './skipped.ts'
import type { FileStamp, FoundFile } from './walk.ts'

/** Files of one read: as many at once as keep Node's four threads busy. */
const SMALL_FILES_AT_ONCE = 16
const SMALL_BYTES_MAX = 128 << 10
/** Larger files: two reads each. */
const LARGE_FILES_AT_ONCE = 2
const LARGE_READ_BYTES = 1 << 20
/** Files that are handed to the cache together. */
const CACHE_BATCH = 256

export interface ScanProgress {
  readonly files: number
  readonly filesTotal: number
  /** Hashed or known already. */
  readonly bytes: number
  readonly bytesTotal: number
}

export interface ScanOptions {
  readonly signal: AbortSignal
  readonly leaves: LeafHashes
  readonly cache?: ShareCache
  /** By size unless given: a power of two of at least 16 KiB. */
  readonly pieceLengthBytes?: number
  /** Called often: after every file, and every MiB of a large one. */
  readonly onProgress?: (progress: ScanProgress) => void
  readonly clock?: WallClock
  /** Fails with the first file or folder that cannot be shared, instead of leaving it out. */
  readonly strict?: boolean
}

/** What the attempts of one scan have in common. */
export interface HashingState {
  readonly found: readonly FoundFile[]
  /** Files that failed, by their index in `found`. */
  readonly leftOut: Set<number>
  /** Files that were read and hashed, likewise; empty files are not. */
  readonly hashed: Set<number>
  readonly skips: SkipList
}

interface Task {
  readonly index: number
  readonly file: FoundFile
}

export class Hashing {
  readonly pieceLayers = new Map<string, Uint8Array>()
  bytesHashed = 0
  private readonly state: HashingState
  private readonly options: ScanOptions
  private readonly leavesPerPiece: number
  private readonly clock: WallClock
  private readonly bytesTotal: number
  /** Of all files in one place: as many small buffers would take several times the room. */
  private readonly roots: Uint8Array
  /** Only of files that changed since they were found. */
  private readonly stamps = new Map<number, FileStamp>()
  private filesDone = 0
  private fresh: CachedFile[] = []
  private bytesDone = 0

  constructor(state: HashingState, pieceLengthBytes: number, options: ScanOptions) {
    const { found, leftOut } = state
    this.state = state
    this.options = options
    this.roots = new Uint8Array(found.length * HASH_BYTES)
    this.clock = options.clock ?? systemClock
    this.bytesTotal = found.reduce((sum, { stamp }, at) => (leftOut.has(at) ? sum : sum + stamp.sizeBytes), 0)
    this.leavesPerPiece = pieceLengthBytes / LEAF_BYTES
  }

  stampOf(index: number): FileStamp {
    return this.stamps.get(index) ?? expectDefined(this.state.found[index], 'a file that was found').stamp
  }

  /** A view; undefined for an empty file. */
  rootOf(index: number): Uint8Array | undefined {
    if (this.stampOf(index).sizeBytes === 0) return undefined
    return this.roots.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
  }

  /** Hashes go to the cache even when the scan is stopped. Throws what `skips` throws. */
  async run(): Promise<void> {
    const { signal } = this.options
    const { found, leftOut } = this.state
    const tasks = found.map((file, index): Task => ({ index, file })).filter(({ index }) => !leftOut.has(index))
    const small = tasks.filter(({ file }) => file.stamp.sizeBytes <= SMALL_BYTES_MAX)
    const large = tasks.filter(({ file }) => file.stamp.sizeBytes > SMALL_BYTES_MAX)
    const smallReads = new ReadBuffers(SMALL_BYTES_MAX)
    const largeReads = new ReadBuffers(LARGE_READ_BYTES)
    try {
      await eachOf(small, { limit: SMALL_FILES_AT_ONCE, signal }, (task, stop) => this.attempt(task, smallReads, stop))
      await eachOf(large, { limit: LARGE_FILES_AT_ONCE, signal }, (task, stop) => this.attempt(task, largeReads, stop))
    } finally {
      this.flush()
    }
  }

  private async attempt(task: Task, buffers: ReadBuffers, signal: AbortSignal): Promise<void> {
    try {
      await this.file(task, buffers, signal)
    } catch (error) {
      if (!(error instanceof EntryError)) throw error
      this.state.skips.leaveOut(error)
      this.state.leftOut.add(task.index)
      this.state.hashed.delete(task.index)
      this.filesDone++
      this.report()
    }
  }

  private async file(task: Task, buffers: ReadBuffers, signal: AbortSignal): Promise<void> {
    const { file } = task
    const reused = await this.fromCache(file, signal)
    if (reused !== undefined) {
      this.bytesDone += file.stamp.sizeBytes
      this.keep(task, { ...reused, stamp: file.stamp })
      return
    }
    const trust = { settled: false }
    const hashed = await hashFile(file.diskPath, file.stamp, {
      leavesPerPiece: this.leavesPerPiece,
      leaves: this.options.leaves,
      buffers,
      signal,
      beforeReading: async stamp => {
        trust.settled = this.options.cache !== undefined && (await settled(stamp, this.clock, signal))
      },
      onRead: bytes => {
        this.bytesHashed += bytes
        this.bytesDone += bytes
        this.report()
      }
    })
    const { root, stamp } = hashed
    if (root !== undefined) {
      this.state.hashed.add(task.index)
      if (trust.settled) this.remember({ diskPath: file.diskPath, stamp, root })
    }
    this.keep(task, hashed)
  }

  private keep({ index, file }: Task, known: HashedFile): void {
    const { root, stamp, pieceLayer } = known
    if (stamp !== file.stamp) this.stamps.set(index, stamp)
    if (root !== undefined) this.roots.set(root, index * HASH_BYTES)
    if (root !== undefined && pieceLayer.length > 0) this.pieceLayers.set(rootKey(root), pieceLayer)
    this.filesDone++
    this.report()
  }

  private remember(file: CachedFile): void {
    this.fresh.push(file)
    if (this.fresh.length >= CACHE_BATCH) this.flush()
  }

  private flush(): void {
    const batch = this.fresh
    this.fresh = []
    if (batch.length > 0) this.options.cache?.put(batch)
  }

  private report(): void {
    this.options.onProgress?.({
      files: this.filesDone,
      filesTotal: this.state.found.length,
      bytes: this.bytesDone,
      bytesTotal: this.bytesTotal
    })
  }

  /** Undefined when the file must be hashed: it is not in the cache, or its leaf hashes are not all there. */
  private async fromCache(file: FoundFile, signal: AbortSignal): Promise<FinishedTree | undefined> {
    const root = this.options.cache?.get(file.diskPath, file.stamp)?.root
    if (root === undefined) return undefined
    const leafCount = Math.ceil(file.stamp.sizeBytes / LEAF_BYTES)
    if (!(await this.options.leaves.has(root, leafCount))) return undefined
    if (leafCount <= this.leavesPerPiece) return { root, pieceLayer: EMPTY_BYTES }
    return this.fromLeaves(root, leafCount, signal)
  }

  private async fromLeaves(
    root: Uint8Array,
    leafCount: number,
    signal: AbortSignal
  ): Promise<FinishedTree | undefined> {
    const tree = new FileTree({ leafCount, leavesPerPiece: this.leavesPerPiece })
    for await (const chunk of this.options.leaves.read(root, leafCount)) {
      signal.throwIfAborted()
      for (let at = 0; at < chunk.length; at += HASH_BYTES) tree.push(chunk.subarray(at, at + HASH_BYTES))
    }
    const finished = tree.finish()
    return equal(finished.root, root) ? finished : undefined
  }
}
