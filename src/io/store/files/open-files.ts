/**
 * Open descriptors of files and folders, shared by reference count between all who use them.
 *
 * There is one cache for all contents. `use` opens a descriptor under a key, or shares the one that is open. A descriptor
 * is closed when nobody has used it for `IDLE_MS` to twice that, when the cache is full and others were used later, or
 * when its owner drops it. A descriptor in use is never closed: it is closed by its last user.
 *
 * So a file system can be unmounted, and a deleted file frees its space, a few seconds after the last read or write.
 */
import { read, write } from 'node:fs'
import { close, open } from 'node:fs'
import { promisify } from 'node:util'
import { LruMap } from '../../../base/bounded.ts'

/** Descriptors open at once. Those in use count beyond it until they are released. */
export const OPEN_DESCRIPTORS_MAX = 128
/** How often unused descriptors are looked for. Reopening a file costs a few system calls, so the time is short. */
export const IDLE_MS = 1_500

export const openFd = promisify(open)
export const closeFd = promisify(close)

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

interface OpenDescriptor {
  readonly fd: number
  users: number
  /** Used since the last look for unused ones. */
  recent: boolean
  /** No longer in the cache: the last user closes it. */
  dropped: boolean
}

export interface OpenFilesOptions {
  readonly limit?: number
  readonly idleMs?: number
}

export class OpenFiles {
  private readonly entries: LruMap<string, OpenDescriptor>
  private readonly opening = new Map<string, Promise<OpenDescriptor>>()
  private readonly idleMs: number
  private sweeper: NodeJS.Timeout | undefined

  constructor({ limit = OPEN_DESCRIPTORS_MAX, idleMs = IDLE_MS }: OpenFilesOptions = {}) {
    this.entries = new LruMap(limit)
    this.idleMs = idleMs
  }

  get size(): number {
    return this.entries.size
  }

  /** Runs `act` on the descriptor called `key`. `open` opens it when it is not open yet. Throws what either of them throws. */
  async use<T>(key: string, open: () => Promise<number>, act: (fd: number) => Promise<T>): Promise<T> {
    const entry = await this.acquire(key, open)
    try {
      return await act(entry.fd)
    } finally {
      entry.users--
      entry.recent = true
      if (entry.dropped) this.closeUnused(entry)
    }
  }

  /** Closes those whose key begins with `prefix`, each as soon as nobody uses it. */
  drop(prefix: string): void {
    for (const [key, entry] of [...this.entries.entries()]) {
      if (key.startsWith(prefix)) this.remove(key, entry)
    }
  }

  /** Counts the caller among the users before anybody else may run: what is in use is never closed. */
  private async acquire(key: string, open: () => Promise<number>): Promise<OpenDescriptor> {
    for (;;) {
      const known = this.entries.touch(key)
      if (known !== undefined) {
        known.users++
        return known
      }
      const underway = this.opening.get(key)
      if (underway !== undefined) {
        // The other caller gets its failure. This one tries for itself: it may be allowed to make what is missing.
        await underway.catch(() => undefined)
        continue
      }
      const opening = this.begin(key, open)
      this.opening.set(key, opening)
      try {
        return await opening
      } finally {
        this.opening.delete(key)
      }
    }
  }

  /** The one who opens is its first user. */
  private async begin(key: string, open: () => Promise<number>): Promise<OpenDescriptor> {
    const entry = { fd: await open(), users: 1, recent: true, dropped: false }
    const evicted = this.entries.set(key, entry)
    if (evicted !== undefined) this.retire(evicted.value)
    this.sweepLater()
    return entry
  }

  private remove(key: string, entry: OpenDescriptor): void {
    this.entries.delete(key)
    this.retire(entry)
  }

  private retire(entry: OpenDescriptor): void {
    entry.dropped = true
    this.closeUnused(entry)
  }

  /** A close that fails has closed all the same (Linux), and there is nobody to report it to. */
  private closeUnused(entry: OpenDescriptor): void {
    if (entry.users === 0) closeFd(entry.fd).catch(() => undefined)
  }

  private sweepLater(): void {
    if (this.sweeper !== undefined) return
    this.sweeper = setTimeout(() => {
      this.sweeper = undefined
      this.sweep()
    }, this.idleMs)
    this.sweeper.unref()
  }

  private sweep(): void {
    for (const [key, entry] of [...this.entries.entries()]) {
      if (entry.users > 0 || entry.recent) entry.recent = false
      else this.remove(key, entry)
    }
    if (this.entries.size > 0) this.sweepLater()
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
