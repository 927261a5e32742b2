/**
 * One process per home. The lock is SQLite's exclusive lock on a file, which is a lock of the kernel: a second process is
 * refused, and whatever way the first one ends, kill -9 too, the lock ends with it. There are no process ids to go stale.
 */
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
      throw new ShoalError('conflict', 'another daemon runs on this home', {
        hint: 'use it, end it with `shoal stop`, or give this one its own home: shoal --home DIR',
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
