/**
 * A cache of open descriptors of files and folders, shared by reference count.
 *
 * One cache serves all contents. `use` opens a descriptor under a key, or shares the open one. A descriptor is closed
 * when it is unused for one to two times `IDLE_MS`, when the cache is full and it is the least recently used, or when
 * its owner drops it. A descriptor in use is never closed before its last user is done.
 *
 * A file system can therefore be unmounted, and a deleted file frees its space, a few seconds after the last access.
 */
import { read, write } from 'node:fs'
import { close, open } from 'node:fs'
import { promisify } from 'node:util'
import { LruMap } from '../../../base/bounded.ts'

/** Descriptors in the cache. An evicted descriptor that is in use stays open until its last user is done. */
export const OPEN_DESCRIPTORS_MAX = 128
/** Interval of the sweep for unused descriptors. Reopening a file costs only a few system calls, so it is short. */
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
  /** Whether it was used since the last sweep. */
  recent: boolean
  /** Whether it was removed from the cache: the last user closes it. */
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

  /** Runs `act` with the descriptor for `key`; `open` opens it when needed. Throws the errors of both. */
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

  /** Closes the descriptors whose key begins with `prefix`, each when its last user is done. */
  drop(prefix: string): void {
    for (const [key, entry] of [...this.entries.entries()]) {
      if (key.startsWith(prefix)) this.remove(key, entry)
    }
  }

  /** Increments the user count synchronously, so that the descriptor cannot be closed before its use. */
  private async acquire(key: string, open: () => Promise<number>): Promise<OpenDescriptor> {
    for (;;) {
      const known = this.entries.touch(key)
      if (known !== undefined) {
        known.users++
        return known
      }
      const underway = this.opening.get(key)
      if (underway !== undefined) {
        // A failure goes to the other caller. This caller tries its own `open`, which may create missing folders.
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

  /** Opens the descriptor with the caller as its first user. */
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

  /** Errors of `close` are ignored: on Linux the descriptor is closed anyway. */
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

/** Reads until `into` is full or the file ends; returns the number of bytes read. */
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
