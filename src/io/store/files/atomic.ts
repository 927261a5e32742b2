/** Small files of the home that are written as a whole: either the old bytes or the new ones survive a crash. */
import { promises as fs } from 'node:fs'
import { dirname } from 'node:path'
import { errno } from './safe-dir.ts'

/** Undefined when there is no such file. */
export async function readWhole(path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path)
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Writes under way, by path: two of one path would share the temporary file. */
const writing = new Map<string, Promise<void>>()

/**
 * Durable when it returns. A file of that name is replaced; of two calls for one path, the later one wins. Throws the system's
 * error; nothing is left behind then.
 */
export async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const write = (writing.get(path) ?? Promise.resolve()).then(() => replace(path, parts))
  const ended = write.catch(() => undefined)
  writing.set(path, ended)
  try {
    await write
  } finally {
    if (writing.get(path) === ended) writing.delete(path)
  }
}

async function replace(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.new`
  try {
    const file = await fs.open(temporary, 'w', 0o600)
    try {
      for (const part of parts) await file.writeFile(part)
      await file.sync()
    } finally {
      await file.close()
    }
    await fs.rename(temporary, path)
  } catch (error) {
    await fs.unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(path))
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
