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

/** Durable when it returns. A file of that name is replaced. Throws the system's error; nothing is left behind then. */
export async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
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
