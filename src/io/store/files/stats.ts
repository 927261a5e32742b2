/**
 * Size, mtime and inode of every file of a content, recorded when its bytes were known to be right. A file that still
 * matches is trusted without reading it; otherwise each leaf is verified before it is served. Stored beside the
 * manifest, 24 bytes per file.
 */
import type { BigIntStats } from 'node:fs'
import { readWhole, writeWhole } from './atomic.ts'

const MAGIC = Buffer.from('shoalst1')
const ENTRY_BYTES = 24
const MTIME_BITS = 64
/** The inode of an empty entry. */
const NONE = 0n

export interface Seen {
  readonly size: bigint
  /**
   * Nanoseconds since 1970, modulo 2^64: the file has 64 bits, which cover 1677 to 2262. Other dates wrap around; two
   * dates are equal then only when they are a multiple of 584 years apart.
   */
  readonly mtimeNs: bigint
  readonly ino: bigint
}

export function seenOf(stats: BigIntStats): Seen {
  return { size: stats.size, mtimeNs: wrapped(stats.mtimeNs), ino: stats.ino }
}

function wrapped(mtimeNs: bigint): bigint {
  return BigInt.asIntN(MTIME_BITS, mtimeNs)
}

export function sameSeen(a: Seen | undefined, b: Seen | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return a.size === b.size && wrapped(a.mtimeNs) === wrapped(b.mtimeNs) && a.ino === b.ino
}

export class FileStats {
  readonly files: number
  private readonly bytes: Buffer

  constructor(files: number, bytes: Buffer = Buffer.alloc(files * ENTRY_BYTES)) {
    this.files = files
    this.bytes = bytes
  }

  get(file: number): Seen | undefined {
    const at = file * ENTRY_BYTES
    const ino = this.bytes.readBigUInt64BE(at + 16)
    if (ino === NONE) return undefined
    return { size: this.bytes.readBigUInt64BE(at), mtimeNs: this.bytes.readBigInt64BE(at + 8), ino }
  }

  set(file: number, seen: Seen | undefined): void {
    const at = file * ENTRY_BYTES
    this.bytes.writeBigUInt64BE(seen?.size ?? 0n, at)
    this.bytes.writeBigInt64BE(wrapped(seen?.mtimeNs ?? 0n), at + 8)
    this.bytes.writeBigUInt64BE(seen?.ino ?? NONE, at + 16)
  }

  /** Undefined when there is no such file, or it is for another number of files. */
  static async load(path: string, files: number): Promise<FileStats | undefined> {
    const file = await readWhole(path)
    if (file?.length !== MAGIC.length + files * ENTRY_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC))
      return undefined
    return new FileStats(files, file.subarray(MAGIC.length))
  }

  /** Durable when it resolves. */
  async save(path: string): Promise<void> {
    await writeWhole(path, [MAGIC, this.bytes])
  }
}
