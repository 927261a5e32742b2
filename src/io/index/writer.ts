/** Puts and removes shares, one transaction each: a share is in the index whole or not at all, even after a crash. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { assert } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import { wordsOf } from '../../wire/gnutella/words.ts'
import { FILES_MAX } from '../../wire/bittorrent/layout.ts'
import { sizeMarks, typeMarks } from './marks.ts'
import { SHARE_SPAN } from './schema.ts'

/** Names in all shares together: four times the 1,000,000 for which size and speed are promised. */
export const NAMES_MAX = 4_000_000
/** Files that one step of a removal deletes. */
export const ERASED_AT_ONCE = 512
/** Distinct type marks of a share, which has the marks of all its files. */
const SHARE_MARKS_MAX = 128

export interface ShareRow {
  readonly content: ContentId
  readonly name: string
  /** Total bytes of all files. */
  readonly bytes: number
}

/** Files of a share in a form that can be posted between threads: paths joined by NUL, and one size per path. */
export interface FileRows {
  readonly paths: string
  readonly bytes: Float64Array
}

interface Put {
  readonly share: ShareRow
  readonly seq: number
  readonly shareWords: string
  readonly marks: Set<string>
  files: number
}

export class IndexWriter {
  private readonly db: DatabaseSync
  private readonly insertShare: StatementSync
  private readonly insertShareWords: StatementSync
  private readonly insertFile: StatementSync
  private readonly insertFileWords: StatementSync
  private put: Put | undefined

  constructor(db: DatabaseSync) {
    this.db = db
    this.insertShare = db.prepare('INSERT INTO share (seq, content, name, bytes, files) VALUES (?, ?, ?, ?, ?)')
    this.insertShareWords = db.prepare('INSERT INTO share_words (rowid, name, marks) VALUES (?, ?, ?)')
    this.insertFile = db.prepare('INSERT INTO file (id, path, bytes) VALUES (?, ?, ?)')
    this.insertFileWords = db.prepare(
      'INSERT INTO file_words (rowid, name, folders, share, marks) VALUES (?, ?, ?, ?, ?)'
    )
  }

  /**
   * Begins to put a share, which replaces one with its content ID; `add` and `commit` follow, or `rollback`. Runs in
   * steps, as `remove`.
   */
  *begin(share: ShareRow): Generator<undefined, void> {
    this.db.exec('BEGIN IMMEDIATE')
    yield* this.erase(share.content)
    const { last } = this.db.prepare('SELECT max(seq) AS last FROM share').get() as { last: number | null }
    const shareWords = wordsOf(share.name).join(' ')
    this.put = { share, seq: (last ?? 0) + 1, shareWords, marks: new Set(), files: 0 }
  }

  /** Throws ShoalError 'limit' when the share becomes too large. */
  add({ paths, bytes }: FileRows): void {
    const put = this.currentPut()
    if (put.files + bytes.length > FILES_MAX) throw tooMany(`the share "${put.share.name}"`, FILES_MAX)
    const own = put.seq * SHARE_SPAN
    const each = paths.split('\0')
    assert(each.length === bytes.length, 'each path has a size, and no path contains NUL')
    for (const [i, path] of each.entries()) {
      const id = own + ++put.files
      const size = bytes[i] ?? 0
      const slash = path.lastIndexOf('/')
      const name = path.slice(slash + 1)
      const types = typeMarks(name)
      this.insertFile.run(id, path, size)
      this.insertFileWords.run(
        id,
        wordsOf(name).join(' '),
        wordsOf(path.slice(0, Math.max(slash, 0))).join(' '),
        put.shareWords,
        [...types, ...sizeMarks(size)].join(' ')
      )
      for (const mark of types) if (put.marks.size < SHARE_MARKS_MAX) put.marks.add(mark)
    }
  }

  /** A share without files is a single file itself. Throws ShoalError 'limit' when the index becomes too large. */
  commit(): void {
    const { share, seq, shareWords, ...put } = this.currentPut()
    const marks = put.files === 0 ? typeMarks(share.name) : [...put.marks]
    const files = Math.max(put.files, 1)
    const { names } = this.db.prepare('SELECT total(files) AS names FROM share').get() as { names: number }
    if (names + files > NAMES_MAX) throw tooMany('the index', NAMES_MAX)
    this.insertShare.run(seq, share.content, share.name, share.bytes, files)
    this.insertShareWords.run(seq, shareWords, [...marks, ...sizeMarks(share.bytes)].join(' '))
    this.db.exec('COMMIT')
    this.put = undefined
  }

  /** Rolls back a put or removal in progress, if there is one. */
  rollback(): void {
    if (this.db.isTransaction) this.db.exec('ROLLBACK')
    this.put = undefined
  }

  /** Removes a share in steps of some milliseconds: a large share takes seconds, and queries run between the steps. */
  *remove(content: ContentId): Generator<undefined, void> {
    this.db.exec('BEGIN IMMEDIATE')
    yield* this.erase(content)
    this.db.exec('COMMIT')
  }

  close(): void {
    this.rollback()
    this.db.close()
  }

  private *erase(content: ContentId): Generator<undefined, void> {
    const row = this.db.prepare('SELECT seq, files FROM share WHERE content = ?').get(content)
    if (row === undefined) return
    const { seq, files } = row as { seq: number; files: number }
    const eraseWords = this.db.prepare('DELETE FROM file_words WHERE rowid BETWEEN ? AND ?')
    const eraseFiles = this.db.prepare('DELETE FROM file WHERE id BETWEEN ? AND ?')
    const last = seq * SHARE_SPAN + files
    for (let from = seq * SHARE_SPAN; from <= last; from += ERASED_AT_ONCE) {
      if (!this.db.isTransaction)
        throw new ShoalError('interrupted', 'the removal was rolled back: the share stays in the index')
      const to = Math.min(from + ERASED_AT_ONCE - 1, last)
      eraseWords.run(from, to)
      eraseFiles.run(from, to)
      yield
    }
    this.db.prepare('DELETE FROM share_words WHERE rowid = ?').run(seq)
    this.db.prepare('DELETE FROM share WHERE seq = ?').run(seq)
  }

  private currentPut(): Put {
    if (this.put === undefined) throw new ShoalError('internal', 'no put is in progress in the search index')
    return this.put
  }
}

function tooMany(what: string, limit: number): ShoalError {
  return new ShoalError('limit', `${what} would have more than ${limit} searchable names`, {
    hint: 'share it with --unlisted: it is then found by its ID only'
  })
}
