/**
 * The index file. It contains only data derived from the shares, so every problem with it (damage, another layout,
 * words split by other rules) has one remedy: recreate it empty. The owner then puts the shares that `contents` does
 * not list.
 *
 * A share has a number `seq`; its files are rows `seq * SHARE_SPAN + 1` and up in `file` and in `file_words`. The two
 * full-text indexes store no text (contentless). They get words that wire/gnutella/words.ts has split, separated by
 * spaces. The tokenizer `ascii` keeps those unchanged, since their only ASCII characters are letters and digits.
 */
import { rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { FILES_MAX } from '../../wire/bittorrent/layout.ts'

/** Increases with every change of the tables, or of the rules that split words. */
export const SCHEMA_VERSION = 1
/** Row numbers reserved per share: the power of two above `FILES_MAX`. */
export const SHARE_SPAN = 2 ** Math.ceil(Math.log2(FILES_MAX + 1))
/** Page cache of a connection: enough for the frequent words of 1,000,000 names. */
const CACHE_KIB = 16 << 10
/** The start checks for damaged pages only below this size, because the check reads the whole file. */
const CHECK_BYTES_MAX = 64 << 20
/** The WAL is truncated to this size after a large share has grown it. */
const WAL_KEPT_BYTES = 4 << 20
/** In WAL mode a reader never waits for a writer, except when the WAL restarts. */
const LOCK_WAIT_MS = 5_000

/** The Unicode version whose tables fold and split words. */
const UNICODE = process.versions.unicode ?? ''

/** SQLite's primary result codes for a damaged file and for a file that is no database. */
const [SQLITE_CORRUPT, SQLITE_NOTADB] = [11, 26]

/** Prefixes of up to this many code points have prefix lists in the index: those are the frequent ones. */
export const PREFIX_POINTS_MAX = 6
const PREFIXES = Array.from({ length: PREFIX_POINTS_MAX }, (_, i) => i + 1).join(' ')
/** The indexes store columns and no positions: ranking needs only the columns, and there are no phrase queries. */
const WORD_TABLE = `content='', contentless_delete=1, tokenize='ascii', detail=column, prefix='${PREFIXES}'`
const TABLES = `
  CREATE TABLE share (
    seq INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, name TEXT NOT NULL, bytes INTEGER NOT NULL,
    files INTEGER NOT NULL
  );
  CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER NOT NULL);
  CREATE VIRTUAL TABLE share_words USING fts5(name, marks, ${WORD_TABLE});
  CREATE VIRTUAL TABLE file_words USING fts5(name, folders, share, marks, ${WORD_TABLE});
  CREATE TABLE made (unicode TEXT NOT NULL);
`
/**
 * Temporary tables of a reading connection: the distinct terms of each index, and their occurrences. Not in the file.
 */
const VOCABULARIES = `
  CREATE VIRTUAL TABLE temp.share_terms USING fts5vocab(main, share_words, row);
  CREATE VIRTUAL TABLE temp.file_terms USING fts5vocab(main, file_words, row);
  CREATE VIRTUAL TABLE temp.file_instances USING fts5vocab(main, file_words, instance);
`

/** Creates or recreates the file when needed; `rebuilt` says whether. Throws SQLite's errors. */
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

/**
 * A writing connection. A commit survives a crash of the process, but not always a power cut: `contents` does not list
 * a lost share.
 */
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

/** Whether the file itself is damaged, so that recreating it helps. */
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
