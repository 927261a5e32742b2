/** Deletes the files that a content left on disk, and nothing else. */
import type { Content } from './content.ts'
import { sameSeen, seenOf, type Seen } from './files/stats.ts'

/**
 * Deletes files that still match their record, our unfinished files, and folders that are empty afterwards. Keeps the
 * files of other contents at the same place: `others`, by path below the root. Returns the number of deleted files.
 */
export async function deleteFiles(opened: Content, others: ReadonlyMap<string, Seen>): Promise<number> {
  let deleted = 0
  const { safeDir, manifest, holding } = opened
  for (let file = 0; file < manifest.files.length; file++) {
    const names = opened.finalNames(file)
    const stat = await safeDir.lstat(names)
    const seen = stat?.isFile() === true ? seenOf(stat) : undefined
    if (sameSeen(opened.seen.get(file), seen) && !sameSeen(others.get(names.join('/')), seen)) {
      await safeDir.unlink(names)
      deleted++
    }
    // A complete download has no unfinished files: a file of that name belongs to another program.
    if (!holding.begun || holding.complete) continue
    const part = opened.partNames(file)
    if ((await safeDir.lstat(part))?.isFile() !== true) continue
    await safeDir.unlink(part)
    deleted++
  }
  const folders = [...foldersOf(opened)].sort((a, b) => b.length - a.length)
  for (const names of folders) await safeDir.removeEmptyFolder(names)
  opened.close()
  return deleted
}

function foldersOf(opened: Content): Iterable<readonly string[]> {
  const folders = new Map<string, readonly string[]>()
  const add = (names: readonly string[], below: number): void => {
    for (let depth = 1; depth <= names.length - below; depth++)
      folders.set(names.slice(0, depth).join('/'), names.slice(0, depth))
  }
  for (let file = 0; file < opened.manifest.files.length; file++) add(opened.finalNames(file), 1)
  for (let index = 0; index < opened.manifest.emptyFolders.length; index++) add(opened.emptyFolderNames(index), 0)
  return folders.values()
}
