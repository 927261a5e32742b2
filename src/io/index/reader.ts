/**
 * Answers from the index. Any single letter begins a word of a good part of a million names, so no query looks at all that
 * match: when more than `CANDIDATES_MAX` do, candidates are taken in tiers (all words whole and in the name; all words whole; all words as
 * prefixes) up to that number, and those are ranked. Below it the answer is exact.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { ContentId } from '../../base/ids.ts'
import { queryWordsOf } from '../../base/words.ts'
import type { SearchFilter, SearchQuery, SearchResult } from '../../wire/search.ts'
import { filterMarks, isMark } from './marks.ts'
import { Ranking, byRank, type Ranked } from './rank.ts'
import { PREFIX_POINTS_MAX, SHARE_SPAN } from './schema.ts'

/** Results of one query. */
export const RESULTS_MAX = 256
/** Names that are ranked for one query, of files and of shares each. */
export const CANDIDATES_MAX = 300
/** Rows that are looked at for their size, which only steps of it are indexed for, before a tier is given up. */
export const EXAMINED_MAX = 4_000
/** Words that the index is asked for: the longest, as they are the rarest. Candidates are checked for the others. */
export const ASKED_WORDS_MAX = 6

/** Of fewer words than this, all of them whole, CANDIDATES_MAX names are often enough found. */
const MANY_WORDS = 3
/** Words that are asked for in the place of a prefix that is not indexed as such. */
export const EXPANSIONS_MAX = 16
/** Behind a word, and before all longer words that begin with it: no word has it. */
const AFTER_WORD = '\u0001'

interface FileFound {
  readonly id: number
  readonly path: string
  readonly bytes: number
  /** Of its share. */
  readonly content: ContentId
  readonly name: string
}

interface ShareFound {
  readonly seq: number
  readonly content: ContentId
  readonly name: string
  readonly bytes: number
}

export class IndexReader {
  private readonly db: DatabaseSync
  private readonly files: StatementSync
  private readonly shares: StatementSync
  private readonly shareOf: StatementSync
  private readonly anyShare: StatementSync
  private readonly termFrom: StatementSync

  constructor(db: DatabaseSync) {
    this.db = db
    this.files = db.prepare(
      `SELECT id, path, file.bytes, content, name
       FROM (SELECT rowid AS found FROM file_words WHERE file_words MATCH ? LIMIT ?)
       JOIN file ON id = found JOIN share ON seq = id / ${SHARE_SPAN}
       WHERE file.bytes BETWEEN ? AND ? LIMIT ${CANDIDATES_MAX}`
    )
    this.shares = db.prepare(
      `SELECT seq, content, name, bytes FROM (SELECT rowid AS found FROM share_words WHERE share_words MATCH ? LIMIT ?)
       JOIN share ON seq = found WHERE bytes BETWEEN ? AND ? LIMIT ${CANDIDATES_MAX}`
    )
    this.shareOf = db.prepare('SELECT seq, content, name, bytes FROM share WHERE content = ?')
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

  /** At most `limit` and `RESULTS_MAX`, best first. A query for a content is answered by its share, whatever else it says. */
  match({ text, content, filter }: SearchQuery, limit: number): SearchResult[] {
    if (content !== undefined) {
      const found = this.shareOf.get(content) as ShareFound | undefined
      return found === undefined ? [] : [shareResult(found)]
    }
    const words = queryWordsOf(text)
    if (words.length === 0) return []
    const ranking = new Ranking(words, filter)
    const rarest = words.toSorted((a, b) => b.length - a.length).slice(0, ASKED_WORDS_MAX)
    const found = [...this.matchingShares(rarest, filter), ...this.matchingFiles(rarest, filter)]
    const ranked = found.map(one => ranking.rank(one)).filter((one): one is Ranked => one !== undefined)
    return ranked
      .sort(byRank)
      .slice(0, Math.min(limit, RESULTS_MAX))
      .map(({ result }) => result)
  }

  /** Distinct words of the index in order, from after `last` on; at most `limit`, and fewer only at the end. */
  terms(table: 'share_terms' | 'file_terms', last: string, limit: number): string[] {
    const rows = this.db.prepare(`SELECT term FROM temp.${table} WHERE term > ? LIMIT ?`).all(last, limit)
    return (rows as Array<{ term: string }>).map(({ term }) => term)
  }

  close(): void {
    this.db.close()
  }

  private matchingShares(words: readonly string[], filter: SearchFilter): SearchResult[] {
    const found = new Map<number, ShareFound>()
    for (const tier of [allOf(words.map(whole)), allOf(words.map(prefix))]) {
      for (const row of this.take<ShareFound>(this.shares, tier, filter)) found.set(row.seq, row)
      if (found.size >= CANDIDATES_MAX) break
    }
    return [...found.values()].map(shareResult)
  }

  /**
   * All that match as prefixes, when those are few. Otherwise the best tiers first, and of the last one what still has room. Where
   * prefixes have no lists of their own, finding out how many match is what costs, and the best tiers may spare it, when
   * the words are few.
   */
  private matchingFiles(words: readonly string[], filter: SearchFilter): SearchResult[] {
    const asked = words.map(word => this.expanded(word))
    if (asked.includes('')) return []
    const isCostly = asked.some(
      (one, i) => one === prefix(words[i] ?? '') && lengthOf(words[i] ?? '') > PREFIX_POINTS_MAX
    )
    const has = (tier: string): FileFound[] => this.take<FileFound>(this.files, tier, filter)
    const begun = (): FileFound[] => has(this.inPath(words, asked))
    const isMany = words.length >= MANY_WORDS
    const early = isCostly && !isMany ? undefined : begun()
    if (early !== undefined && isAll(early, filter)) return early.map(fileResult)
    const found = new Map<number, FileFound>()
    const add = (some: readonly FileFound[]): void => {
      for (const row of some) found.set(row.id, row)
    }
    const wholes = words.map(whole)
    const inPath = (): FileFound[] => has(this.inPath(words, wholes))
    const inPaths = isMany ? inPath() : undefined
    // Those that have them in their names are among all of those that have them in their paths.
    if (inPaths === undefined || !isAll(inPaths, filter)) add(has(`{name} : (${allOf(wholes)})`))
    if (found.size < CANDIDATES_MAX) add(inPaths ?? inPath())
    if (found.size < CANDIDATES_MAX) add(early ?? begun())
    return [...found.values()].slice(0, CANDIDATES_MAX).map(fileResult)
  }

  /** Of files that have all of it; where a share has all of it in its name, of those that have some of it in their path. */
  private inPath(words: readonly string[], asked: readonly string[]): string {
    if (asked.length === 1) return `{name folders} : (${allOf(asked)})`
    const inShares = this.anyShare.get(allOf(words.map(prefix))) !== undefined
    return inShares ? `(${allOf(asked)}) AND {name folders} : (${anyOf(asked)})` : allOf(asked)
  }

  /**
   * A word as the words that begin with it, when they are few: each has its list at hand, while that of a long prefix is made for
   * every query, of all its names. Short ones have theirs made (schema.ts). Empty: no name has such a word.
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

  private take<Row>(statement: StatementSync, expression: string, filter: SearchFilter): Row[] {
    const { minBytes, maxBytes } = filter
    const marked = allOf([`(${expression})`, ...filterMarks(filter).map(mark => `marks : ${whole(mark)}`)])
    const examined = hasSize(filter) ? EXAMINED_MAX : CANDIDATES_MAX
    return statement.all(marked, examined, minBytes ?? 0, maxBytes ?? Number.MAX_SAFE_INTEGER) as unknown as Row[]
  }
}

/** Words of the index that names have, without the marks. */
export function namesOnly(terms: readonly string[]): string[] {
  return terms.filter(term => !isMark(term))
}

/** Whether there are no others of the same tier: rows that were not looked at for their size may be some. */
function isAll(found: readonly FileFound[], filter: SearchFilter): boolean {
  return found.length < CANDIDATES_MAX && !hasSize(filter)
}

function hasSize({ minBytes, maxBytes }: SearchFilter): boolean {
  return minBytes !== undefined || maxBytes !== undefined
}

function fileResult({ content, name, path, bytes }: FileFound): SearchResult {
  return { content, name, path, bytes }
}

function shareResult({ content, name, bytes }: ShareFound): SearchResult {
  return { content, name, path: undefined, bytes }
}

/** Words have letters and digits only (base/words.ts), so nothing in them can end the quotes. */
const whole = (word: string): string => `"${word}"`
const prefix = (word: string): string => `"${word}"*`
const lengthOf = (word: string): number => [...word].length
const allOf = (parts: readonly string[]): string => parts.join(' AND ')
const anyOf = (parts: readonly string[]): string => parts.join(' OR ')
