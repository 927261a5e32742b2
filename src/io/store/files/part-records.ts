/**
 * Size and inode of each unfinished file at its last sync, on disk beside the manifest (24 bytes per file).
 *
 * The exchange records which leaves were synced. A file may have been deleted, truncated or replaced since, so these
 * leaves are trusted without a check only while the file has the same inode and is not shorter than at its last sync. A
 * record is durable before the exchange records the leaves that it covers. The states of a file:
 *
 *   none     never synced: every leaf is checked against its hash
 *   synced   synced leaves are trusted, others are checked
 *   failed   a sync failed: the page cache may show bytes that are not on disk. Synced leaves are trusted, others are
 *            fetched again
 *   suspect  leaves that were recorded as synced are lost. No leaf is trusted until all of them are right again
 *
 * A sync does not end `suspect`: the exchange's record still names the lost leaves until the exchange writes the next
 * one.
 */
import { constants, fdatasync, ftruncate, type BigIntStats } from 'node:fs'
import { promisify } from 'node:util'
import { readWhole } from './atomic.ts'
import { closeFd, openFd, writeAt } from './open-files.ts'

const syncData = promisify(fdatasync)
const truncateFd = promisify(ftruncate)

const ENTRY_BYTES = 24
const STATES = ['none', 'synced', 'failed', 'suspect'] as const
type State = (typeof STATES)[number]

export interface PartRecord {
  readonly state: State
  /** Size at the last successful sync. */
  readonly sizeBytes: bigint
  readonly ino: bigint
}

const NONE: PartRecord = { state: 'none', sizeBytes: 0n, ino: 0n }

export class PartRecords {
  private readonly path: string
  private readonly bytes: Buffer
  /** The range of entries that are not on disk yet; `end` is exclusive. */
  private dirty: { from: number; end: number } | undefined

  private constructor(path: string, bytes: Buffer) {
    this.path = path
    this.bytes = bytes
  }

  /** A file that is missing or has another length counts as no records. Throws the system's error. */
  static async load(path: string, files: number): Promise<PartRecords> {
    const bytes = await readWhole(path)
    return new PartRecords(path, bytes?.length === files * ENTRY_BYTES ? bytes : Buffer.alloc(files * ENTRY_BYTES))
  }

  get(file: number): PartRecord {
    const at = file * ENTRY_BYTES
    const state = STATES[Number(this.bytes.readBigUInt64BE(at))] ?? 'none'
    if (state === 'none') return NONE
    return { state, sizeBytes: this.bytes.readBigUInt64BE(at + 8), ino: this.bytes.readBigUInt64BE(at + 16) }
  }

  private set(file: number, { state, sizeBytes, ino }: PartRecord): void {
    const at = file * ENTRY_BYTES
    this.bytes.writeBigUInt64BE(BigInt(STATES.indexOf(state)), at)
    this.bytes.writeBigUInt64BE(sizeBytes, at + 8)
    this.bytes.writeBigUInt64BE(ino, at + 16)
    this.mark(file, file + 1)
  }

  private mark(from: number, end: number): void {
    const known = this.dirty ?? { from, end }
    this.dirty = { from: Math.min(known.from, from), end: Math.max(known.end, end) }
  }

  /** `stats` must be taken before the sync: the sync covers only earlier writes. */
  synced(file: number, { size, ino }: BigIntStats): void {
    if (this.get(file).state !== 'suspect') this.set(file, { state: 'synced', sizeBytes: size, ino })
  }

  failed(file: number): void {
    const known = this.get(file)
    if (known.state !== 'suspect') this.set(file, { ...known, state: 'failed' })
  }

  suspect(file: number): void {
    if (this.get(file).state !== 'suspect') this.set(file, { ...NONE, state: 'suspect' })
  }

  clear(file: number): void {
    if (this.get(file).state !== 'none') this.set(file, NONE)
  }

  /** Writes changed entries. Durable when it resolves. Throws the system's error; the next flush then tries again. */
  async flush(): Promise<void> {
    const { dirty } = this
    if (dirty === undefined) return
    this.dirty = undefined
    const [from, end] = [dirty.from * ENTRY_BYTES, dirty.end * ENTRY_BYTES]
    try {
      const fd = await openFd(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
      try {
        await writeAt(fd, Buffer.from(this.bytes.subarray(from, end)), from)
        // `load` ignores a file of another length.
        await truncateFd(fd, this.bytes.length)
        await syncData(fd)
      } finally {
        await closeFd(fd)
      }
    } catch (error) {
      this.mark(dirty.from, dirty.end)
      throw error
    }
  }
}
