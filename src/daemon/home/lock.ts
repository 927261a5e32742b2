/**
 * One process per home. The lock is SQLite's exclusive lock on a file, which is a lock of the kernel: a second process is
 * refused, and whatever way the first one ends, kill -9 too, the lock ends with it. No process id is kept that could go stale: the kernel
 * says who holds the lock.
 */
import { readFileSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { ShoalError } from '../../base/errors.ts'

export interface HomeLock {
  /** Idempotent. */
  release(): void
}

/** SQLite's code for "somebody else has it". */
const SQLITE_BUSY = 5

/** The folder must exist. Never waits. Throws ShoalError `conflict` when another process holds it. */
export function takeLock(file: string): HomeLock {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { timeout: 0 })
    // No journal: a lock must be had on a full disk too.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    if (database?.isOpen === true) database.close()
    if (sqliteCode(cause) === SQLITE_BUSY) {
      const pid = holderOf(file)
      const who = pid === undefined ? '' : ` (process ${pid})`
      const orKill = pid === undefined ? '' : ` (or \`kill ${pid}\`, where it does not answer)`
      throw new ShoalError('conflict', `another daemon runs on this home${who}`, {
        hint: `use it, end it with \`shoal stop\`${orKill}, or give this one its own home: shoal --home DIR`,
        cause
      })
    }
    throw lockError(file, cause)
  }
  const held = database
  return {
    release() {
      if (held.isOpen) held.close()
    }
  }
}

/** The process that holds the lock, as Linux lists it; undefined where it does not, or where the holder has just ended. */
function holderOf(file: string): number | undefined {
  try {
    return lockHolder(readFileSync('/proc/locks', 'utf8'), statSync(file, { bigint: true }))
  } catch {
    return undefined
  }
}

const PROC_LOCK = /^\d+: POSIX +ADVISORY +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /

/** The process with a write lock on the file, of the lines of /proc/locks: `1: POSIX  ADVISORY  WRITE 20352 fe:00:2147399 0 EOF`. */
export function lockHolder(procLocks: string, { dev, ino }: { dev: bigint; ino: bigint }): number | undefined {
  // As glibc packs a device number.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
  for (const line of procLocks.split('\n')) {
    const [, pid, lineMajor, lineMinor, lineIno] = PROC_LOCK.exec(line) ?? []
    const isFile = lineIno === String(ino) && BigInt(`0x${lineMajor}`) === major && BigInt(`0x${lineMinor}`) === minor
    if (isFile) return Number(pid)
  }
  return undefined
}

const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

function lockError(file: string, cause: unknown): ShoalError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const message = `cannot lock ${file}: ${why}`
  switch (sqliteCode(cause)) {
    case SQLITE_FULL:
      return new ShoalError('disk-full', message, { hint: 'make room, then try again', cause })
    case SQLITE_NOTADB:
      return new ShoalError('bad-input', message, { hint: 'nothing is kept in it: remove it', cause })
    case undefined:
    default:
      return new ShoalError('permission', message, { hint: 'is the home yours to write?', cause })
  }
}

function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined
}
