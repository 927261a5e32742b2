/**
 * Leaf hashes in a folder: a file a root, under its first two digits. A file appears under its name by a rename, whole, and
 * is never changed. After a power cut its bytes may be gone all the same (nothing here waits for the disk: the hashes can be
 * made again from the shared file), so a piece's hashes are checked against the piece's root before they are given out.
 */
import fs, { type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { assert } from '../../base/assert.ts'
import { LruMap } from '../../base/bounded.ts'
import { equal, hex } from '../../base/bytes.ts'
import { HASH_BYTES, pieceRoot, powerOfTwo } from '../../wire/bittorrent/merkle.ts'
import { errorCodeOf, storeError } from './errors.ts'
import type { LeafHashes, LeafWriter } from './leaves.ts'

/** Written and read at once: the hashes of 32 MiB. */
const CHUNK_BYTES = 64 << 10
/** Chunks at hand for pieces that are asked for one by one: the hashes of 1 GiB. */
export const CHUNKS_AT_HAND_MAX = 32
const TEMPORARY = 'tmp'

export class FolderLeafStore implements LeafHashes {
  private readonly folder: string
  private temporaries = 0
  private readonly atHand = new LruMap<string, Promise<Uint8Array | undefined>>(CHUNKS_AT_HAND_MAX)

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Makes the folder where it is missing, and clears what a crash left behind. One process at a time may use it. */
  static async open(folder: string): Promise<FolderLeafStore> {
    await fs.rm(path.join(folder, TEMPORARY), { recursive: true, force: true })
    await fs.mkdir(path.join(folder, TEMPORARY), { recursive: true })
    return new FolderLeafStore(folder)
  }

  private pathOf(root: Uint8Array): string {
    const digits = hex(root)
    return path.join(this.folder, digits.slice(0, 2), digits.slice(2))
  }

  async has(root: Uint8Array, leafCount: number): Promise<boolean> {
    if (leafCount === 1) return true
    try {
      return (await fs.stat(this.pathOf(root))).size === leafCount * HASH_BYTES
    } catch (error) {
      return missing(error)
    }
  }

  async create(leafCount: number): Promise<LeafWriter> {
    const temporary = path.join(this.folder, TEMPORARY, String(++this.temporaries))
    return new FolderLeafWriter({ temporary, leafCount, pathOf: root => this.pathOf(root) })
  }

  async *read(root: Uint8Array, leafCount: number): AsyncGenerator<Uint8Array, void, void> {
    if (leafCount === 1) {
      yield root
      return
    }
    await using file = await fs.open(this.pathOf(root))
    const bytes = leafCount * HASH_BYTES
    for (let at = 0; at < bytes;) {
      const chunk = await readAt(file, at, Math.min(CHUNK_BYTES, bytes - at))
      if (chunk === undefined) throw new Error(`leaf hashes of ${hex(root)} cut short`)
      yield chunk
      at += chunk.length
    }
  }

  /**
   * The leaf hashes of the file's piece number `piece`, which are right: their root is `expected`. Undefined when they are
   * not there or no longer right; then hash that piece of the file again.
   */
  async piece(
    root: Uint8Array,
    which: { leafCount: number; leavesPerPiece: number; piece: number; expected: Uint8Array }
  ): Promise<Uint8Array | undefined> {
    const { leafCount, leavesPerPiece, piece, expected } = which
    const start = piece * leavesPerPiece
    const leaves = Math.min(leavesPerPiece, leafCount - start)
    assert(leaves > 0, 'a piece of this file')
    if (leafCount === 1) return new Uint8Array(root)
    const range = { at: start * HASH_BYTES, end: (start + leaves) * HASH_BYTES }
    const hashes = await this.range(root, range, leafCount * HASH_BYTES)
    const width = leafCount > leavesPerPiece ? leavesPerPiece : powerOfTwo(leafCount)
    if (hashes !== undefined && equal(pieceRoot(hashes, width), expected)) return hashes
    // Whoever makes them again is not to be told of the old ones.
    this.atHand.delete(chunkKey(root, range.at))
    return undefined
  }

  /** Pieces are a power of two of leaves: one begins and ends in the same chunk, or is larger than it. */
  private async range(
    root: Uint8Array,
    { at, end }: { at: number; end: number },
    bytes: number
  ): Promise<Uint8Array | undefined> {
    if (end - at > CHUNK_BYTES) return this.readRange(root, at, end)
    const key = chunkKey(root, at)
    const start = at - (at % CHUNK_BYTES)
    let chunk = this.atHand.touch(key)
    if (chunk === undefined) {
      chunk = this.readRange(root, start, Math.min(bytes, start + CHUNK_BYTES))
      this.atHand.set(key, chunk)
      // A failure is told to those who wait for it, and tried again by those who come later.
      chunk.catch(() => this.atHand.delete(key))
    }
    return (await chunk)?.subarray(at - start, end - start)
  }

  private async readRange(root: Uint8Array, at: number, end: number): Promise<Uint8Array | undefined> {
    try {
      await using file = await fs.open(this.pathOf(root))
      return await readAt(file, at, end - at)
    } catch (error) {
      missing(error)
      return undefined
    }
  }

  /** Does nothing when they are not there. */
  async delete(root: Uint8Array): Promise<void> {
    await fs.rm(this.pathOf(root), { force: true })
  }
}

/** Of the chunk that holds the byte. */
function chunkKey(root: Uint8Array, at: number): string {
  return `${hex(root)} ${Math.floor(at / CHUNK_BYTES)}`
}

/** False when the error says that there is no such file; throws any other. */
function missing(error: unknown): false {
  if (errorCodeOf(error) === 'ENOENT') return false
  throw error
}

/** Exactly `length` bytes, or undefined when the file ends before. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array | undefined> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) return undefined
    filled += bytesRead
  }
  return buffer
}

/** Keeps a chunk in memory: of most files nothing is written before the root is known. */
class FolderLeafWriter implements LeafWriter {
  private readonly temporary: string
  private readonly pathOf: (root: Uint8Array) => string
  private readonly bytes: number
  private readonly chunk: Buffer
  private filled = 0
  private written = 0
  private file: FileHandle | undefined

  constructor(options: { temporary: string; leafCount: number; pathOf: (root: Uint8Array) => string }) {
    this.temporary = options.temporary
    this.pathOf = options.pathOf
    this.bytes = options.leafCount * HASH_BYTES
    this.chunk = Buffer.allocUnsafeSlow(Math.min(this.bytes, CHUNK_BYTES))
  }

  async append(hashes: Uint8Array): Promise<void> {
    for (let rest = hashes; rest.length > 0;) {
      const part = rest.subarray(0, this.chunk.length - this.filled)
      this.chunk.set(part, this.filled)
      this.filled += part.length
      rest = rest.subarray(part.length)
      if (this.filled === this.chunk.length) await this.storing(() => this.flush())
    }
  }

  private async storing(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw storeError(error, path.dirname(this.temporary))
    }
  }

  private async flush(): Promise<void> {
    this.file ??= await fs.open(this.temporary, 'w', 0o600)
    let from = 0
    while (from < this.filled) from += (await this.file.write(this.chunk, from, this.filled - from)).bytesWritten
    this.written += this.filled
    this.filled = 0
  }

  async commit(root: Uint8Array): Promise<void> {
    await this.storing(async () => {
      await this.flush()
      assert(this.written === this.bytes, 'as many leaf hashes as were promised')
      await this.close()
      await this.moveTo(this.pathOf(root))
    })
  }

  private async moveTo(final: string): Promise<void> {
    try {
      await fs.rename(this.temporary, final)
    } catch (error) {
      missing(error)
      await fs.mkdir(path.dirname(final), { recursive: true })
      await fs.rename(this.temporary, final)
    }
  }

  private async close(): Promise<void> {
    const file = this.file
    this.file = undefined
    await file?.close()
  }

  async discard(): Promise<void> {
    await this.close()
    await fs.rm(this.temporary, { force: true })
  }
}
