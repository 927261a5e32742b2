/** What is moved: files of random bytes, and whether they are the same on the other side, by SHA-256. */
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const CHUNK_BYTES = 1 << 20

export function makeFile(file: string, bytes: number): void {
  const handle = fs.openSync(file, 'w')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    randomFillSync(chunk)
    fs.writeSync(handle, chunk, 0, Math.min(CHUNK_BYTES, bytes - at))
  }
  fs.closeSync(handle)
}

/** In folders of 100, as in a tree of sources. */
export function makeFolder(folder: string, { files, bytes }: { files: number; bytes: number }): void {
  for (let i = 0; i < files; i++) {
    const inside = path.join(folder, `folder-${Math.floor(i / 100)}`)
    if (i % 100 === 0) fs.mkdirSync(inside, { recursive: true })
    makeFile(path.join(inside, `file-${i}`), bytes)
  }
}

/** One hash of all files below `top` and their paths; of a file, of its bytes. */
export function digest(top: string): string {
  const all = createHash('sha256')
  const visit = (where: string, name: string): void => {
    const stats = fs.lstatSync(where)
    if (stats.isDirectory())
      for (const child of fs.readdirSync(where).sort()) visit(path.join(where, child), `${name}/${child}`)
    else all.update(`${name}\0${hashFile(where)}\0`)
  }
  visit(top, '')
  return all.digest('hex')
}

function hashFile(file: string): string {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const handle = fs.openSync(file, 'r')
  for (let read = fs.readSync(handle, chunk); read > 0; read = fs.readSync(handle, chunk))
    hash.update(chunk.subarray(0, read))
  fs.closeSync(handle)
  return hash.digest('hex')
}

export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
