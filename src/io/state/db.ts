/**
 * The state database: one table of keys and values on `node:sqlite`. An acknowledged `put` survives a power cut.
 *
 * SQLite is synchronous, and an fsync on the event loop would block it long enough for the failure detector to notice.
 * A commit therefore has two steps: the transaction only writes to the page cache (WAL, synchronous=NORMAL, no
 * automatic checkpoint), and then the thread pool syncs the -wal file by fdatasync, through a descriptor of our own.
 * The database file itself is never opened here: closing any descriptor of it would drop SQLite's POSIX locks. One
 * process owns the file (locking_mode=EXCLUSIVE), so no shared memory file is needed.
 *
 * Writes that arrive during a sync share the next transaction: group commit without a timer. Only a checkpoint syncs on
 * the event loop. It runs at open and close, and when the WAL exceeds its limit.
 */
import { close, fdatasync, fsync, open, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { ShoalError } from '../../base/errors.ts'
import type { Result } from '../../core/machine.ts'

const openFile = promisify(open)
const closeFile = promisify(close)
const syncData = promisify(fdatasync)
const syncAll = promisify(fsync)

/**
 * The version of a home's layout. `open` refuses a home with a higher version and upgrades one with a lower version.
 */
export const HOME_VERSION = 1
/** A WAL longer than this is checkpointed. A start reads at most this much of it, plus one batch. */
export const WAL_BYTES_MAX = 16 << 20
/** Limits of one transaction, so that it does not block the event loop for long. */
export const BATCH_WRITES_MAX = 1_000
export const BATCH_BYTES_MAX = 4 << 20
/** The start checks for damaged pages only below this size: the check reads the whole file. */
const CHECK_BYTES_MAX = 64 << 20

const SQLITE_BUSY = 5
const SQLITE_FULL = 13

interface Pending {
  value: Uint8Array | undefined
  waiting: Array<(result: Result) => void>
}

function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

function failureOf(error: unknown): Result {
  const full = sqliteCode(error) === SQLITE_FULL || (error as NodeJS.ErrnoException).code === 'ENOSPC'
  return { ok: false, reason: full ? 'disk-full' : 'disk' }
}

function refusal(path: string, error: unknown): ShoalError {
  if (error instanceof ShoalError) return error
  const code = sqliteCode(error)
  if (code === SQLITE_BUSY) {
    return new ShoalError('busy', `the state database ${path} is in use by another process`, {
      hint: 'stop the other daemon of this home, or choose another home with --home',
      cause: error
    })
  }
  if (code === SQLITE_FULL) {
    return new ShoalError('disk-full', `the disk is full: cannot open the state database ${path}`, {
      hint: 'make room on that disk and start again',
      cause: error
    })
  }
  return new ShoalError('integrity', `the state database ${path} cannot be read: ${(error as Error).message}`, {
    hint: 'restore it from a backup, or move it away: the node then starts without its members, shares and downloads',
    cause: error
  })
}

export class StateDb {
  private readonly path: string
  private readonly db: DatabaseSync
  private readonly select: StatementSync
  private readonly range: StatementSync
  private readonly upsert: StatementSync
  private readonly erase: StatementSync
  private pending = new Map<string, Pending>()
  private flushing: Promise<void> | undefined
  private walFd: number | undefined
  private closed = false
  /** Set when a sync failed: the kernel may have dropped the pages, so later writes would not be durable either. */
  private broken = false

  private constructor(path: string, db: DatabaseSync) {
    this.path = path
    this.db = db
    this.select = db.prepare('SELECT value FROM state WHERE key = ?')
    this.range = db.prepare('SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key')
    this.upsert = db.prepare(
      'INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
    )
    this.erase = db.prepare('DELETE FROM state WHERE key = ?')
  }

  /**
   * Opens or creates the database. Throws ShoalError: 'conflict' for a home of a newer version, 'busy' when another
   * process uses it, 'integrity' when it is damaged, 'disk-full'.
   */
  static open(path: string): StateDb {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(path, { timeout: 0 })
      for (const setting of [
        'locking_mode = EXCLUSIVE',
        'journal_mode = WAL',
        'synchronous = NORMAL',
        'wal_autocheckpoint = 0'
      ]) {
        db.exec(`PRAGMA ${setting}`)
      }
      const version = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
      if (version > HOME_VERSION) {
        throw new ShoalError(
          'conflict',
          `this home has version ${version}, but this shoal supports only versions up to ${HOME_VERSION} (${path})`,
          {
            hint: 'run the newer shoal that wrote it, or choose another home with --home'
          }
        )
      }
      checkPages(db, path)
      db.exec('BEGIN IMMEDIATE')
      db.exec('CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID')
      db.exec(`PRAGMA user_version = ${HOME_VERSION}`)
      db.exec('COMMIT')
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      return new StateDb(path, db)
    } catch (error) {
      db?.close()
      throw refusal(path, error)
    }
  }

  /** The latest value, acknowledged or not. */
  get(key: string): Uint8Array | undefined {
    const pending = this.pending.get(key)
    if (pending !== undefined) return pending.value
    const row = this.select.get(key) as { value: Uint8Array } | undefined
    return row?.value
  }

  /** All entries whose key begins with `prefix`. */
  scan(prefix: string): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>()
    for (const row of this.range.iterate(prefix, `${prefix}\u{10ffff}`) as Iterable<{
      key: string
      value: Uint8Array
    }>) {
      found.set(row.key, row.value)
    }
    for (const [key, { value }] of this.pending) {
      if (!key.startsWith(prefix)) continue
      if (value === undefined) found.delete(key)
      else found.set(key, value)
    }
    return found
  }

  /** Sets a value; undefined deletes it. Resolves once it is durable, or with 'disk-full', 'disk' or 'closed'. */
  put(key: string, value: Uint8Array | undefined): Promise<Result> {
    if (this.closed) return Promise.resolve({ ok: false, reason: 'closed' })
    if (this.broken) return Promise.resolve({ ok: false, reason: 'disk' })
    return new Promise(resolve => {
      const pending = this.pending.get(key)
      if (pending === undefined) {
        this.pending.set(key, { value: value?.slice(), waiting: [resolve] })
      } else {
        pending.value = value?.slice()
        pending.waiting.push(resolve)
      }
      this.flushing ??= this.flush()
    })
  }

  /** Waits for pending writes, checkpoints the WAL and closes the file. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.flushing
    if (this.walFd !== undefined) await closeFile(this.walFd)
    this.db.close()
  }

  private async flush(): Promise<void> {
    // All writes of this turn of the event loop share one transaction.
    await new Promise(setImmediate)
    while (this.pending.size > 0) {
      const batch = this.takeBatch()
      const result = await this.commit(batch)
      for (const { waiting } of batch.values()) for (const resolve of waiting) resolve(result)
      this.checkpointWhenLong()
    }
    this.flushing = undefined
  }

  private takeBatch(): Map<string, Pending> {
    const batch = new Map<string, Pending>()
    let bytes = 0
    for (const [key, pending] of this.pending) {
      batch.set(key, pending)
      bytes += key.length + (pending.value?.length ?? 0)
      if (batch.size >= BATCH_WRITES_MAX || bytes >= BATCH_BYTES_MAX) break
    }
    return batch
  }

  /** Removes the batch from `pending` only once it is in the page cache, so that readers always see the values. */
  private async commit(batch: Map<string, Pending>): Promise<Result> {
    try {
      this.transact(batch)
    } catch (error) {
      return failureOf(error)
    } finally {
      for (const key of batch.keys()) this.pending.delete(key)
    }
    try {
      if (this.walFd === undefined) await this.openWal()
      await syncData(this.walFd as number)
      return { ok: true }
    } catch (error) {
      this.broken = true
      return failureOf(error)
    }
  }

  private transact(batch: Map<string, Pending>): void {
    this.db.exec('BEGIN IMMEDIATE')
    try {
      for (const [key, { value }] of batch) {
        if (value === undefined) this.erase.run(key)
        else this.upsert.run(key, value)
      }
      this.db.exec('COMMIT')
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      throw error
    }
  }

  private async openWal(): Promise<void> {
    this.walFd = await openFile(`${this.path}-wal`, 'r+')
    // The WAL is a new file: its directory entry must be synced too.
    const folder = await openFile(dirname(this.path), 'r')
    await syncAll(folder).finally(() => closeFile(folder))
  }

  /** A checkpoint on a full disk is retried after the next batch: the WAL keeps all entries until then. */
  private checkpointWhenLong(): void {
    try {
      if (statSync(`${this.path}-wal`).size > WAL_BYTES_MAX) this.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_FULL) this.broken = true
    }
  }
}

function checkPages(db: DatabaseSync, path: string): void {
  if (statSync(path).size > CHECK_BYTES_MAX) return
  const verdict = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
  if (verdict.quick_check !== 'ok') throw new Error(verdict.quick_check)
}
