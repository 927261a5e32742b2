/** Atomic writes of small files in the home: after a crash the file has either the old bytes or the new ones. */
import { promises as fs } from 'node:fs'
import { dirname } from 'node:path'
import { errno } from './safe-dir.ts'

/** The bytes of a file; undefined when it does not exist. */
export async function readWhole(path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path)
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Pending writes by path: two concurrent writes of one path would share the temporary file. */
const writing = new Map<string, Promise<void>>()

/**
 * Creates or replaces a file; of two calls for one path, the later one wins. Durable when it resolves. Throws the
 * system's error, and then deletes its temporary file.
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
