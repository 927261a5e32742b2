/**
 * The file of the index. It holds nothing that the shares themselves do not say, so whatever is wrong with it (damage, another
 * layout, words that were split by other rules) has one cure: begin anew, and be told by `contents` what is missing.
 *
 * A share has a number `seq`; its files are rows `seq * SHARE_SPAN + 1` and up in `file` and in `file_words`. The two indexes
 * keep no text of their own (contentless): they get words that wire/gnutella/words.ts has split, separated by spaces, and the tokenizer
 * `ascii` leaves those as they are, since they have no ASCII but letters and digits.
 */
import { rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { FILES_MAX } from '../../wire/bittorrent/layout.ts'

/** Grows with every change of the tables, or of the rules by which words are split. */
export const SCHEMA_VERSION = 1
/** Numbers of rows that a share has to itself: the power of two above `FILES_MAX`. */
export const SHARE_SPAN = 2 ** Math.ceil(Math.log2(FILES_MAX + 1))
/** Pages that a connection keeps: what 1,000,000 names need for their frequent words. */
const CACHE_KIB = 16 << 10
/** A damaged page is looked for at the start only below this size: the check reads all of the file. */
const CHECK_BYTES_MAX = 64 << 20
/** The log is cut back to this after it grew with a large share. */
const WAL_KEPT_BYTES = 4 << 20
/** A reader never waits for a writer in this mode; the two meet only where the log begins anew. */
const LOCK_WAIT_MS = 5_000

/** Words are folded and split by its tables. */
const UNICODE = process.versions.unicode ?? ''

/** SQLite's primary codes for a file that is damaged, or no database. */
const [SQLITE_CORRUPT, SQLITE_NOTADB] = [11, 26]

/** Prefixes of up to so many code points have lists of their own: those are the frequent ones. */
export const PREFIX_POINTS_MAX = 6
const PREFIXES = Array.from({ length: PREFIX_POINTS_MAX }, (_, i) => i + 1).join(' ')
/**
 * Columns rather than positions are kept:
 * ranking asks in which of them a word stands, and nothing asks for phrases.
 */
const WORD_TABLE = `content='', contentless_delete=1, tokenize='ascii', detail=column, prefix='${PREFIXES}'`
const TABLES = `
  CREATE TABLE share (seq INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, name TEXT NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT NULL);
  CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER NOT NULL);
  CREATE VIRTUAL TABLE share_words USING fts5(name, marks, ${WORD_TABLE});
  CREATE VIRTUAL TABLE file_words USING fts5(name, folders, share, marks, ${WORD_TABLE});
  CREATE TABLE made (unicode TEXT NOT NULL);
`
/** Of a connection that reads: the distinct words of each index, and where they stand. Temporary tables are no part of the file. */
const VOCABULARIES = `
  CREATE VIRTUAL TABLE temp.share_terms USING fts5vocab(main, share_words, row);
  CREATE VIRTUAL TABLE temp.file_terms USING fts5vocab(main, file_words, row);
  CREATE VIRTUAL TABLE temp.file_instances USING fts5vocab(main, file_words, instance);
`

/** Brings the file into being or up to date, and says whether it had to begin anew. Throws what SQLite throws. */
export function prepareFile(path: string): { rebuilt: boolean } {
  try {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined && isWhole(path)) return { rebuilt: false }
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  removeFile(path)
  const db = connect(path)
  try {
    db.exec(`BEGIN IMMEDIATE; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}`)
    db.prepare('INSERT INTO made VALUES (?)').run(UNICODE)
    db.exec('COMMIT')
  } finally {
    db.close()
  }
  return { rebuilt: true }
}

export function removeFile(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
}

/** One that writes: its commits survive a kill at once and a power cut later; a lost one is missing in `contents`. */
export function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS })
  for (const setting of [
    'journal_mode = WAL',
    'synchronous = NORMAL',
    `cache_size = -${CACHE_KIB}`,
    `journal_size_limit = ${WAL_KEPT_BYTES}`
  ]) {
    db.exec(`PRAGMA ${setting}`)
  }
  return db
}

export function connectToRead(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS })
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
  db.exec(VOCABULARIES)
  db.exec('PRAGMA query_only = 1')
  return db
}

/** Whether the file itself is at fault, so that beginning anew helps. */
export function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff)
}

function isWhole(path: string): boolean {
  const db = connect(path)
  try {
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version !== SCHEMA_VERSION) return false
    const made = db.prepare('SELECT unicode FROM made').get() as { unicode: string } | undefined
    if (made?.unicode !== UNICODE) return false
    if (statSync(path).size > CHECK_BYTES_MAX) return true
    const { quick_check: verdict } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    return verdict === 'ok'
  } finally {
    db.close()
  }
}
