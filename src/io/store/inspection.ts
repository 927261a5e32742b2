/**
 * Complete contents compared with what was recorded of them, for whoever watches that they can still be served.
 *
 * `look` only stats: a file is as recorded, touched (same size, other mtime or inode), changed (other size) or missing.
 * `verify` reads a touched file and checks its pieces; `refresh` records how a verified file looks now. Every call
 * resolves names anew from the root, so that a folder that was exchanged or remounted is seen as it is now.
 *
 * Non-goals: deciding what to withdraw, when to look, what to do about it (daemon/sharing/monitor.ts).
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

/** A file beside what was recorded of it. */
export type FileLook =
  | { readonly kind: 'same'; readonly seen: Seen }
  /** It has its size, and another mtime or inode: its bytes may be the same. */
  | { readonly kind: 'touched'; readonly seen: Seen }
  | { readonly kind: 'changed' }
  /** It is not there, is no regular file, or cannot be looked at. */
  | { readonly kind: 'missing' }

export type Verification =
  /** Pieces up to `next` were read; those of them in `wrong` have other bytes, or could not be read. */
  | { readonly kind: 'read'; readonly next: PieceIndex; readonly wrong: readonly PieceIndex[] }
  /** The file looks otherwise than it did when the verification began: look again. */
  | { readonly kind: 'moved' }

export interface InspectionParts {
  readonly catalogue: Catalogue
  readonly cache: ContentCache
  readonly removals: ContentLocks
}

export class Inspection {
  private readonly parts: InspectionParts
  /** Folders of one look: nothing is kept open between two looks, so that a file system can be unmounted. */
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
   * Whether the file or folder of a content is not there at all. An empty folder counts as not there: so looks the
   * mount point of a drive that was unplugged.
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

  /** How these files look now, by number. Files of which nothing was recorded are left out: they are not held. */
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
   * Reads pieces of a file that looks like `seen`, from `from` on, until at least `bytesMax` were read or the file
   * ends. A piece longer than that is read whole.
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
      // It cannot be opened, so nothing of it can be served.
      const { first, end } = opened.manifest.layout.piecesOf(file)
      return { kind: 'read', next: end, wrong: piecesFrom(first, end) }
    } finally {
      close()
    }
  }

  /** Records how verified files look now. Durable when it returns. Throws the system's error. */
  async refresh(content: ContentId, files: ReadonlyMap<number, Seen>): Promise<void> {
    await this.parts.removals.work(content, async () => {
      const opened = await this.parts.cache.glance(content)
      if (opened === undefined) return
      for (const [file, seen] of files) opened.seen.set(file, seen)
      await opened.seen.save(this.parts.cache.seenPath(content))
    })
  }

  /**
   * Closes what is open of a complete content: it may be another file by now, and a drive that is to be unmounted is
   * not kept busy.
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
