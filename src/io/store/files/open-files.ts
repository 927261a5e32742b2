/** Open files, shared by whoever reads and writes them, with a limit. The one used longest ago is closed for the next. */
import { read, write } from 'node:fs'
import { promisify } from 'node:util'
import { LruMap } from '../../../base/bounded.ts'
import { closeFd } from './safe-dir.ts'

/** Files open at once. Those in use count beyond it until they are let go. */
export const OPEN_FILES_MAX = 64

const readFd = promisify(read) as unknown as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number
) => Promise<{ bytesRead: number }>
const writeFd = promisify(write) as unknown as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number
) => Promise<{ bytesWritten: number }>

interface OpenFile {
  readonly fd: number
  users: number
  dropped: boolean
}

export class OpenFiles {
  private readonly files: LruMap<string, OpenFile>
  private readonly opening = new Map<string, Promise<OpenFile>>()

  constructor(limit = OPEN_FILES_MAX) {
    this.files = new LruMap(limit)
  }

  get size(): number {
    return this.files.size
  }

  /** Runs `act` on the descriptor called `key`, which `open` opens when it is not open yet. */
  async use<T>(key: string, open: () => Promise<number>, act: (fd: number) => Promise<T>): Promise<T> {
    const file = await this.acquire(key, open)
    try {
      return await act(file.fd)
    } finally {
      file.users--
      if (file.dropped && file.users === 0) void closeFd(file.fd).catch(() => undefined)
    }
  }

  /** Closes those whose key begins with `prefix`, as soon as nobody uses them. */
  drop(prefix: string): void {
    for (const [key, file] of [...this.files.entries()]) {
      if (!key.startsWith(prefix)) continue
      this.files.delete(key)
      this.end(file)
    }
  }

  /** Counts the caller among the users before anybody else may run: what is in use is never closed. */
  private async acquire(key: string, open: () => Promise<number>): Promise<OpenFile> {
    for (;;) {
      const known = this.files.touch(key)
      if (known !== undefined) {
        known.users++
        return known
      }
      let opening = this.opening.get(key)
      if (opening === undefined) {
        opening = open()
          .then(fd => this.keep(key, fd))
          .finally(() => this.opening.delete(key))
        this.opening.set(key, opening)
      }
      const file = await opening
      if (file.dropped) continue
      file.users++
      return file
    }
  }

  private keep(key: string, fd: number): OpenFile {
    const file = { fd, users: 0, dropped: false }
    const forgotten = this.files.set(key, file)
    if (forgotten !== undefined) this.end(forgotten.value)
    return file
  }

  private end(file: OpenFile): void {
    file.dropped = true
    if (file.users === 0) void closeFd(file.fd).catch(() => undefined)
  }
}

/** How many of the bytes were there before the end of the file. */
export async function readAt(fd: number, into: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < into.length) {
    const { bytesRead } = await readFd(fd, into, filled, into.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

export async function writeAt(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    written += (await writeFd(fd, bytes, written, bytes.length - written, position + written)).bytesWritten
  }
}
