/**
 * Answers queries from the index. A short prefix matches a large part of a million names, so a query ranks at most
 * `CANDIDATES_MAX` names. When more match, candidates are taken in tiers (all words whole and in the name; all words
 * whole; all words as prefixes) up to that number. With fewer matches the answer is exact.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { ContentId } from '../../base/ids.ts'
import { queryWordsOf } from '../../wire/gnutella/words.ts'
import type { SearchFilter, SearchQuery, SearchResult } from '../../wire/gnutella/search.ts'
import { filterMarks, isMark } from './marks.ts'
import { Ranking, byRank, type Ranked } from './rank.ts'
import { PREFIX_POINTS_MAX, SHARE_SPAN } from './schema.ts'

/** Results per query. */
export const RESULTS_MAX = 256
/** Names that are ranked per query, for files and shares each. */
export const CANDIDATES_MAX = 300
/**
 * Names that are checked one by one in place of a long prefix, which has no prefix list: they match its first letters.
 */
export const CHECKED_MAX = 400
/** Rows per tier whose size is checked: the index itself has only size steps. */
export const EXAMINED_MAX = 4_000
/** Words per index query: the longest, because they are the rarest. The ranking checks candidates for the others. */
export const ASKED_WORDS_MAX = 6

/** With fewer whole words than this, a query often has CANDIDATES_MAX names or more. */
const MANY_WORDS = 3
/** Words that may replace a prefix that has no prefix list. */
export const EXPANSIONS_MAX = 16
/** Sorts after a word and before all longer words that begin with it. No word contains it. */
const AFTER_WORD = '\u0001'

/** A file: its number, path and size, and the content ID and name of its share. */
type FileRow = readonly [id: number, path: string, bytes: number, content: ContentId, name: string]

type ShareRow = readonly [seq: number, content: ContentId, name: string, bytes: number]

export class IndexReader {
  private readonly db: DatabaseSync
  private readonly files: StatementSync
  private readonly sized: StatementSync
  private readonly fileRows: StatementSync
  private readonly shares: StatementSync
  private readonly shareOf: StatementSync
  private readonly anyShare: StatementSync
  private readonly termFrom: StatementSync

  constructor(db: DatabaseSync) {
    this.db = db
    this.files = db.prepare('SELECT rowid FROM file_words WHERE file_words MATCH ? LIMIT ?')
    this.sized = db.prepare(
      `SELECT id FROM (SELECT rowid AS found FROM file_words WHERE file_words MATCH ? LIMIT ${EXAMINED_MAX})
       JOIN file ON id = found WHERE bytes BETWEEN ? AND ? LIMIT ?`
    )
    this.fileRows = db.prepare(
      `SELECT file.id, file.path, file.bytes, content, name
       FROM json_each(?) AS found JOIN file ON file.id = found.value JOIN share ON seq = file.id / ${SHARE_SPAN}`
    )
    this.shares = db.prepare(
      `SELECT seq, content, name, bytes FROM (SELECT rowid AS found FROM share_words WHERE share_words MATCH ? LIMIT ?)
       JOIN share ON seq = found WHERE bytes BETWEEN ? AND ? LIMIT ${CANDIDATES_MAX}`
    )
    this.shareOf = db.prepare('SELECT seq, content, name, bytes FROM share WHERE content = ?')
    for (const rows of [this.files, this.sized, this.fileRows, this.shares, this.shareOf]) rows.setReturnArrays(true)
    this.anyShare = db.prepare('SELECT rowid FROM share_words WHERE share_words MATCH ? LIMIT 1')
    this.termFrom = db.prepare('SELECT term FROM temp.file_instances WHERE term >= ? LIMIT 1')
  }

  contents(): ContentId[] {
    return (this.db.prepare('SELECT content FROM share ORDER BY content').all() as Array<{ content: ContentId }>).map(
      ({ content }) => content
    )
  }

  totals(): { files: number; bytes: number } {
    const row = this.db.prepare('SELECT total(files) AS files, total(bytes) AS bytes FROM share').get()
    return { ...(row as { files: number; bytes: number }) }
  }

  /**
   * At most `limit` and `RESULTS_MAX`, best first. A query with a content ID returns that share and ignores the rest.
   */
  match({ text, content, filter }: SearchQuery, limit: number): SearchResult[] {
    if (content !== undefined) {
      const found = this.shareOf.get(content) as unknown as ShareRow | undefined
      return found === undefined ? [] : [shareResult(found)]
    }
    const words = queryWordsOf(text)
    if (words.length === 0) return []
    const ranking = new Ranking(words, filter)
    const rarest = words.toSorted((a, b) => b.length - a.length).slice(0, ASKED_WORDS_MAX)
    const ranked = [
      ...this.matchingShares(rarest, filter).map(share => ranking.rank(shareResult(share))),
      ...this.matchingFiles(rarest, filter, ranking)
    ].filter(one => one !== undefined)
    return ranked
      .sort(byRank)
      .slice(0, Math.min(limit, RESULTS_MAX))
      .map(({ result }) => result)
  }

  /** At most `limit` distinct terms of the index after `last`, in order; fewer only at the end. */
  terms(table: 'share_terms' | 'file_terms', last: string, limit: number): string[] {
    const rows = this.db.prepare(`SELECT term FROM temp.${table} WHERE term > ? LIMIT ?`).all(last, limit)
    return (rows as Array<{ term: string }>).map(({ term }) => term)
  }

  close(): void {
    this.db.close()
  }

  private matchingShares(words: readonly string[], filter: SearchFilter): ShareRow[] {
    const { minBytes = 0, maxBytes = Number.MAX_SAFE_INTEGER } = filter
    const examined = hasSize(filter) ? EXAMINED_MAX : CANDIDATES_MAX
    const found = new Map<number, ShareRow>()
    for (const tier of [allOf(words.map(whole)), allOf(words.map(prefix))]) {
      const rows = this.shares.all(marked(tier, filter), examined, minBytes, maxBytes)
      for (const row of rows as unknown as ShareRow[]) found.set(row[0], row)
      if (found.size >= CANDIDATES_MAX) break
    }
    return [...found.values()]
  }

  /**
   * All files that match as prefixes, when those are few. Otherwise the tiers in order until CANDIDATES_MAX files are
   * found. For a prefix longer than the indexed ones, SQLite collects the rows of all matching words at each query.
   * Such a tier comes last, after the files that match the prefix's first letters and have been checked one by one.
   */
  private matchingFiles(words: readonly string[], filter: SearchFilter, ranking: Ranking): Ranked[] {
    const asked = words.map(word => this.expanded(word))
    if (asked.includes('')) return []
    const files = new RankedFiles(ids => this.rowsOf(ids), ranking)
    const has = (tier: string, limit = CANDIDATES_MAX): number[] => this.idsOf(tier, filter, limit)
    const isAll = (ids: readonly number[], limit = CANDIDATES_MAX): boolean => ids.length < limit && !hasSize(filter)
    const begins = asked.map((one, i) => (one === prefix(words[i] ?? '') ? prefix(beginOf(words[i] ?? '')) : one))
    const isChecked = begins.some((one, i) => one !== asked[i])
    const limit = isChecked ? CHECKED_MAX : CANDIDATES_MAX
    const byPrefix = has(this.inPath(words, begins), limit)
    if (isAll(byPrefix, limit)) return files.rank(byPrefix)
    const wholes = words.map(whole)
    const inPath = (): number[] => has(this.inPath(words, wholes))
    const inPaths = words.length < MANY_WORDS ? undefined : inPath()
    // When all matches in paths are known, they include the matches in names.
    const found = new Set(inPaths === undefined || !isAll(inPaths) ? has(`{name} : (${allOf(wholes)})`) : [])
    const tiers = [() => inPaths ?? inPath(), () => (isChecked ? files.matching(byPrefix) : byPrefix)]
    if (isChecked) tiers.push(() => has(this.inPath(words, asked)))
    for (const tier of tiers) {
      if (found.size >= CANDIDATES_MAX) break
      for (const id of tier()) found.add(id)
    }
    return files.rank([...found].slice(0, CANDIDATES_MAX))
  }

  /**
   * The expression for files that match all terms. When the name of some share matches all words, files must also match
   * one term in their own path.
   */
  private inPath(words: readonly string[], asked: readonly string[]): string {
    if (asked.length === 1) return `{name folders} : (${allOf(asked)})`
    const inShares = this.anyShare.get(allOf(words.map(prefix))) !== undefined
    return inShares ? `(${allOf(asked)}) AND {name folders} : (${anyOf(asked)})` : allOf(asked)
  }

  /**
   * The expression for a word as a prefix. A short prefix has a prefix list (schema.ts). A longer one is replaced by
   * the words that begin with it, when they are few: looking up each is cheaper than collecting the prefix at each
   * query. Empty when no name has such a word.
   */
  private expanded(word: string): string {
    if (lengthOf(word) <= PREFIX_POINTS_MAX) return prefix(word)
    const terms: string[] = []
    for (let next = word; terms.length <= EXPANSIONS_MAX;) {
      const term = (this.termFrom.get(next) as { term: string } | undefined)?.term
      if (term?.startsWith(word) !== true) return terms.length > 1 ? `(${anyOf(terms)})` : allOf(terms)
      terms.push(whole(term))
      next = term + AFTER_WORD
    }
    return prefix(word)
  }

  private idsOf(expression: string, filter: SearchFilter, limit: number): number[] {
    const { minBytes = 0, maxBytes = Number.MAX_SAFE_INTEGER } = filter
    const asked = marked(expression, filter)
    const rows = hasSize(filter) ? this.sized.all(asked, minBytes, maxBytes, limit) : this.files.all(asked, limit)
    return (rows as unknown as Array<readonly [number]>).map(([id]) => id)
  }

  private rowsOf(ids: readonly number[]): FileRow[] {
    return this.fileRows.all(JSON.stringify(ids)) as unknown as FileRow[]
  }
}

/** The ranked files of one query, by number. Each file is read and ranked once, even when it is in several tiers. */
class RankedFiles {
  private readonly ranked = new Map<number, Ranked | undefined>()
  private readonly read: (ids: readonly number[]) => FileRow[]
  private readonly ranking: Ranking

  constructor(read: (ids: readonly number[]) => FileRow[], ranking: Ranking) {
    this.read = read
    this.ranking = ranking
  }

  /** The files that match, ranked. */
  rank(ids: readonly number[]): Ranked[] {
    const others = ids.filter(id => !this.ranked.has(id))
    for (const row of this.read(others)) this.ranked.set(row[0], this.ranking.rank(fileResult(row)))
    return ids.map(id => this.ranked.get(id)).filter(one => one !== undefined)
  }

  /** The numbers of the files that match. */
  matching(ids: readonly number[]): number[] {
    this.rank(ids)
    return ids.filter(id => this.ranked.get(id) !== undefined)
  }
}

/** The terms that are words of names, without the marks. */
export function namesOnly(terms: readonly string[]): string[] {
  return terms.filter(term => !isMark(term))
}

function marked(expression: string, filter: SearchFilter): string {
  return allOf([`(${expression})`, ...filterMarks(filter).map(mark => `marks : ${whole(mark)}`)])
}

function hasSize({ minBytes, maxBytes }: SearchFilter): boolean {
  return minBytes !== undefined || maxBytes !== undefined
}

function fileResult([, path, bytes, content, name]: FileRow): SearchResult {
  return { content, name, path, bytes }
}

function shareResult([, content, name, bytes]: ShareRow): SearchResult {
  return { content, name, path: undefined, bytes }
}

/** Words contain only letters and digits (wire/gnutella/words.ts), so they need no escaping inside the quotes. */
const whole = (word: string): string => `"${word}"`
const prefix = (word: string): string => `"${word}"*`
const beginOf = (word: string): string => [...word].slice(0, PREFIX_POINTS_MAX).join('')
const lengthOf = (word: string): number => [...word].length
const allOf = (parts: readonly string[]): string => parts.join(' AND ')
const anyOf = (parts: readonly string[]): string => parts.join(' OR ')
