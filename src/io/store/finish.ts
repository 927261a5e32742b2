/**
 * Finishes a download: gives every wanted file its final name, creates empty files and folders, and syncs everything
 * before the download counts as complete. Can be run again after a crash at any point.
 */
import { constants, type BigIntStats } from 'node:fs'
import { ShoalError } from '../../base/errors.ts'
import type { PieceIndex } from '../../wire/bittorrent/layout.ts'
import { eachOf } from '../share/pool.ts'
import { errno } from './files/safe-dir.ts'
import { NEVER, type Content } from './content.ts'
import { LostError } from './failures.ts'
import { closeFd } from './files/open-files.ts'
import { wantedFiles } from './prepare.ts'
import { sameSeen, seenOf, type Seen } from './files/stats.ts'

const FILES_AT_ONCE = 8
const ALL_EXECUTE = 0o111n
/** Unit of `blocks` in a file's stats. */
const BLOCK_BYTES = 512n

export interface FinishOptions {
  /** As in PrepareOptions. */
  readonly previous: () => Promise<ReadonlyMap<string, Seen>>
}

/**
 * Throws ShoalError 'conflict' when another file has appeared under a final name, LostError when an unfinished file was
 * deleted or truncated, or the system's error.
 */
export async function finish(content: Content, options: FinishOptions): Promise<void> {
  const wanted = wantedFiles(content)
  await content.sync()
  await eachOf([...wanted], { limit: FILES_AT_ONCE, signal: NEVER }, async file => {
    if (!content.placed.has(file)) await placeFile(content, file, options)
    else if (content.manifest.files[file]?.executable === true) await makeExecutable(content, file)
  })
  if (content.holding.include.length === 0) {
    for (let i = 0; i < content.manifest.emptyFolders.length; i++) await makeEmptyFolder(content, i)
  }
  await content.sync()
}

/** Sets the executable bit on a file that existed before with the right bytes but without the bit. */
async function makeExecutable(content: Content, file: number): Promise<void> {
  const { fd, stats } = await content.safeDir.openFile(content.finalNames(file), constants.O_RDONLY)
  try {
    if ((stats.mode & ALL_EXECUTE) === 0n) await content.safeDir.makeExecutable(fd, stats.mode)
  } finally {
    await closeFd(fd)
  }
}

async function makeEmptyFolder(content: Content, index: number): Promise<void> {
  const names = content.emptyFolderNames(index)
  await content.safeDir.makeFolder(names)
  content.touchFolders([...names, ''])
}

async function placeFile(content: Content, file: number, options: FinishOptions): Promise<void> {
  const { safeDir, manifest } = content
  const entry = manifest.files[file]
  const { fd, stats: stat } = await content.openPart(file)
  try {
    await refuseHoles(content, file, stat)
    if (entry?.executable === true && (stat.mode & ALL_EXECUTE) === 0n) await safeDir.makeExecutable(fd, stat.mode)
    await giveFinalName(content, file, options)
    // A rename keeps inode and mtime, so the stats are still valid.
    content.seen.set(file, seenOf(stat))
    content.placed.add(file)
    content.touchFolders(content.finalNames(file))
  } finally {
    await closeFd(fd)
  }
}

/**
 * Refuses a file with a hole: one that was truncated and then written further behind has its full length again. A file
 * with fewer blocks than its length needs has a hole or is compressed by the file system, so it is read and verified.
 */
async function refuseHoles(content: Content, file: number, stat: BigIntStats): Promise<void> {
  const { layout } = content.manifest
  const isFull = stat.size === BigInt(layout.fileLengths[file] ?? 0)
  if (isFull && stat.blocks * BLOCK_BYTES >= stat.size) return
  const { first, end } = layout.piecesOf(file)
  let isRight = isFull
  for (let piece: number = first; isRight && piece < end; piece++)
    isRight = (await content.hashPiece(piece as PieceIndex)) !== undefined
  if (isRight) return
  // Otherwise `prepare` would trust its synced leaves without a check.
  content.records.suspect(file)
  await content.records.flush()
  throw new LostError(`${content.safeDir.pathOf(content.partNames(file))} was truncated during the download`)
}

async function giveFinalName(content: Content, file: number, options: FinishOptions): Promise<void> {
  const { safeDir } = content
  const [part, final] = [content.partNames(file), content.finalNames(file)]
  const name = final.at(-1) ?? ''
  try {
    await safeDir.renameNew(part, name)
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
    const inTheWay = await safeDir.lstat(final)
    if (
      inTheWay !== undefined &&
      !(await mayReplace(content, final, inTheWay.isFile() ? seenOf(inTheWay) : undefined, options))
    ) {
      throw new ShoalError('conflict', `another file has appeared at ${safeDir.pathOf(final)}`, {
        hint: 'move it away, then `shoal get` it again; or replace it with --overwrite',
        cause: error
      })
    }
    await safeDir.rename(part, name)
  }
}

async function mayReplace(
  content: Content,
  names: readonly string[],
  seen: Seen | undefined,
  options: FinishOptions
): Promise<boolean> {
  if (seen === undefined) return false
  return content.holding.overwrite || sameSeen((await options.previous()).get(names.join('/')), seen)
}
