/**
 * Compares complete contents with their records, so that the daemon can withdraw what cannot be served any more.
 *
 * `look` only stats: a file is unchanged, touched (same size, other mtime or inode), changed (other size) or missing.
 * `verify` reads a touched file and checks its pieces; `refresh` records the current stats of a verified file. Every
 * call resolves all names from the root again, so that it sees a folder that was replaced or remounted.
 *
 * Non-goals: deciding what to withdraw, when to look, and what to do (daemon/sharing/monitor.ts).
 */
import { constants, promises as fs } from 'node:fs'
import { join } from 'node:path'
import type { ContentId } from '../../base/ids.ts'
import { LEAF_BYTES, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { eachOf } from '../share/pool.ts'
import { closeFd, OpenFiles } from './files/open-files.ts'
import { SafeDir, fstatBig } from './files/safe-dir.ts'
import type { Catalogue } from './catalogue.ts'
import { hashLeaves, type Content } from './content.ts'
import { readAt } from './files/open-files.ts'
import type { ContentLocks } from './content-locks.ts'
import type { ContentCache } from './content-cache.ts'
import { sameSeen, seenOf, type Seen } from './files/stats.ts'

const STATS_AT_ONCE = 8
const SLICE_BYTES = 1 << 20

/** A file compared with its record. */
export type FileLook =
  | { readonly kind: 'same'; readonly seen: Seen }
  /** Same size, but another mtime or inode: the bytes may be the same. */
  | { readonly kind: 'touched'; readonly seen: Seen }
  | { readonly kind: 'changed' }
  /** It does not exist, is no regular file, or cannot be inspected. */
  | { readonly kind: 'missing' }

export type Verification =
  /** Pieces before `next` were read. Those in `wrong` have other bytes or could not be read. */
  | { readonly kind: 'read'; readonly next: PieceIndex; readonly wrong: readonly PieceIndex[] }
  /** The file changed since it was looked at: look again. */
  | { readonly kind: 'moved' }

export interface InspectionParts {
  readonly catalogue: Catalogue
  readonly cache: ContentCache
  readonly removals: ContentLocks
}

export class Inspection {
  private readonly parts: InspectionParts
  /** Folders that are open during a call. None stays open between calls, so that the file system can be unmounted. */
  private readonly files = new OpenFiles()
  private looks = 0

  constructor(parts: InspectionParts) {
    this.parts = parts
  }

  private openDir({ safeDir: { root } }: Content): { safeDir: SafeDir; close: () => void } {
    const keyPrefix = `${++this.looks}/`
    return { safeDir: new SafeDir(root, this.files, keyPrefix), close: () => this.files.drop(keyPrefix) }
  }

  /**
   * Whether the file or folder of a content is missing. An empty folder counts as missing: the mount point of an
   * unplugged drive is one.
   */
  async isAway(content: ContentId): Promise<boolean> {
    const holding = this.parts.catalogue.get(content)
    if (holding === undefined) return true
    const top = join(holding.root, ...holding.top)
    try {
      if (!(await fs.stat(top)).isDirectory()) return false
      const folder = await fs.opendir(top)
      try {
        return (await folder.read()) === null
      } finally {
        await folder.close()
      }
    } catch {
      return true
    }
  }

  /** Compares these files with their records. Files without a record are left out: they are not held. */
  async look(content: ContentId, files: Iterable<number>, signal: AbortSignal): Promise<Map<number, FileLook>> {
    const looks = new Map<number, FileLook>()
    const opened = await this.parts.cache.glance(content)
    if (opened === undefined) return looks
    const { safeDir, close } = this.openDir(opened)
    try {
      await eachOf(files, { limit: STATS_AT_ONCE, signal }, async file => {
        const recorded = opened.seen.get(file)
        if (recorded !== undefined) looks.set(file, await lookAt(safeDir, opened.finalNames(file), recorded))
      })
    } finally {
      close()
    }
    return looks
  }

  /**
   * Reads and checks pieces of a file whose stats are `seen`, starting with piece `from`, until at least `bytesMax`
   * bytes were read or the file ends. Pieces are always read whole.
   */
  async verify(
    content: ContentId,
    { file, seen, from }: { file: number; seen: Seen; from: PieceIndex },
    { bytesMax, signal }: { bytesMax: number; signal: AbortSignal }
  ): Promise<Verification> {
    const opened = await this.parts.cache.glance(content)
    if (opened === undefined) return { kind: 'moved' }
    const { safeDir, close } = this.openDir(opened)
    try {
      const { fd, stats } = await safeDir.openFile(opened.finalNames(file), constants.O_RDONLY)
      try {
        if (!sameSeen(seen, seenOf(stats))) return { kind: 'moved' }
        const read = await readPieces(opened, fd, { file, from, bytesMax, signal })
        return sameSeen(seen, seenOf(await fstatBig(fd))) ? read : { kind: 'moved' }
      } finally {
        await closeFd(fd)
      }
    } catch {
      signal.throwIfAborted()
      // The file cannot be opened, so none of its pieces can be served.
      const { first, end } = opened.manifest.layout.piecesOf(file)
      return { kind: 'read', next: end, wrong: piecesFrom(first, end) }
    } finally {
      close()
    }
  }

  /** Records the stats of verified files. Durable when it resolves. Throws the system's error. */
  async refresh(content: ContentId, files: ReadonlyMap<number, Seen>): Promise<void> {
    await this.parts.removals.work(content, async () => {
      const opened = await this.parts.cache.glance(content)
      if (opened === undefined) return
      for (const [file, seen] of files) opened.seen.set(file, seen)
      await opened.seen.save(this.parts.cache.seenPath(content))
    })
  }

  /**
   * Closes the files of a complete content: they may have been replaced, and an open file would keep a drive from being
   * unmounted.
   */
  release(content: ContentId): void {
    if (this.parts.catalogue.get(content)?.complete === true) this.parts.cache.forget(content)
  }
}

async function lookAt(safeDir: SafeDir, names: readonly string[], recorded: Seen): Promise<FileLook> {
  try {
    const stats = await safeDir.lstat(names)
    if (stats?.isFile() !== true) return { kind: 'missing' }
    const seen = seenOf(stats)
    if (sameSeen(recorded, seen)) return { kind: 'same', seen }
    return recorded.size === seen.size ? { kind: 'touched', seen } : { kind: 'changed' }
  } catch {
    return { kind: 'missing' }
  }
}

async function readPieces(
  opened: Content,
  fd: number,
  { file, from, bytesMax, signal }: { file: number; from: PieceIndex; bytesMax: number; signal: AbortSignal }
): Promise<Verification> {
  const { layout } = opened.manifest
  const wrong: PieceIndex[] = []
  let piece: number = from
  let bytes = 0
  for (const { end } = layout.piecesOf(file); piece < end && bytes < bytesMax; piece++) {
    signal.throwIfAborted()
    bytes += layout.pieceBytes(piece as PieceIndex)
    if (!(await isRight(opened, fd, piece as PieceIndex))) wrong.push(piece as PieceIndex)
  }
  return { kind: 'read', next: piece as PieceIndex, wrong }
}

async function isRight({ manifest, held }: Content, fd: number, piece: PieceIndex): Promise<boolean> {
  const { layout } = manifest
  const bytes = layout.pieceBytes(piece)
  const hashes = Buffer.allocUnsafe(layout.leavesOf(piece) * HASH_BYTES)
  const buffer = Buffer.allocUnsafeSlow(Math.min(SLICE_BYTES, bytes))
  try {
    for (let at = 0; at < bytes; at += SLICE_BYTES) {
      const slice = buffer.subarray(0, Math.min(SLICE_BYTES, bytes - at))
      if ((await readAt(fd, slice, layout.offsetInFile(piece) + at)) < slice.length) return false
      hashLeaves(slice).copy(hashes, (at / LEAF_BYTES) * HASH_BYTES)
    }
  } catch {
    return false
  }
  return held.proves(piece, hashes)
}

function piecesFrom(first: number, end: number): PieceIndex[] {
  return Array.from({ length: end - first }, (_, i) => (first + i) as PieceIndex)
}
