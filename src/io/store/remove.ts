/** Deleting what a content left on disk, and nothing else. */
import type { Content } from './content.ts'
import { sameSeen, seenOf, type Seen } from './files/stats.ts'

/**
 * Files that still look as they were recorded, unfinished ones of ours, and the folders that are empty then. `others` is what
 * other versions of the folder have there, by path below the root: it stays. Returns how many files went.
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
    // A download that is complete has no unfinished files: one of that name is somebody else's.
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
