/** Files to share, and what a folder holds. */
import { createCipheriv, createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const sizes = {
  /** Part of `npm test`. */
  reduced: { bigBytes: 64 << 20, files: 500, kills: 3 },
  full: { bigBytes: 1 << 30, files: 5_000, kills: 20 }
}
const CHUNK_BYTES = 1 << 20

export const size = sizes[process.env['SHOAL_TEST_SIZE'] === 'full' ? 'full' : 'reduced']

/** As random as a cipher's key stream, and the same for the same seed. */
export function* randomChunks(seed: string, bytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', createHash('md5').update(seed).digest(), Buffer.alloc(16))
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) yield cipher.update(Buffer.alloc(Math.min(left, CHUNK_BYTES)))
}

/** Returns the file. */
export function makeFile(file: string, bytes: number, seed = 'file'): string {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const handle = fs.openSync(file, 'w')
  for (const chunk of randomChunks(seed, bytes)) fs.writeSync(handle, chunk)
  fs.closeSync(handle)
  return file
}

/** So many small files, 0 to 8 KiB each, in folders of 100. Returns the folder. */
export function makeFolder(folder: string, files: number): string {
  for (let i = 0; i < files; i++)
    makeFile(path.join(folder, `d${Math.floor(i / 100)}`, `f${i}`), (i * 997) % 8192, `f${i}`)
  return folder
}

/** What is lost by programs that are careless with names and modes. */
export function makeOddities(folder: string): void {
  const put = (name: string, bytes: number, mode = 0o644): void => {
    fs.chmodSync(makeFile(path.join(folder, name), bytes, name), mode)
  }
  put('empty', 0)
  put('文件夹/中文 文件.txt', 3_000)
  put(`${'n'.repeat(251)}.bin`, 40_000)
  put('長'.repeat(85), 20_000)
  put(`${'d'.repeat(255)}/${'é'.repeat(127)}x`, 100)
  put('bin/tool', 5_000, 0o755)
  put(' spaces and\nnewline ', 10)
  put('.hidden', 10)
  put('ends in.part', 10)
  fs.mkdirSync(path.join(folder, 'empty folder/空'), { recursive: true })
}

/** By path inside the folder (or file): `SHA-256`, with ` x` when executable; `folder` for an empty folder. */
export function contents(top: string): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (where: string, name: string): void => {
    const stat = fs.lstatSync(where)
    if (!stat.isDirectory()) {
      if (!stat.isFile()) throw new Error(`${where} is no file`)
      found[name] = sha256(where) + ((stat.mode & 0o111) === 0 ? '' : ' x')
      return
    }
    const children = fs.readdirSync(where)
    if (children.length === 0) found[name] = 'folder'
    for (const child of children.toSorted()) visit(path.join(where, child), `${name}/${child}`)
  }
  visit(top, '')
  return found
}

export function sha256(file: string): string {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(CHUNK_BYTES)
  const handle = fs.openSync(file, 'r')
  for (let read = fs.readSync(handle, buffer); read > 0; read = fs.readSync(handle, buffer))
    hash.update(buffer.subarray(0, read))
  fs.closeSync(handle)
  return hash.digest('hex')
}
