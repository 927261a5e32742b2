/**
 * Whether a name matches a query, and how well. The order: fewer prefix matches first (whole-word matches rank higher),
 * then fewer words that match only in the folders or the share, then shorter names, then shares before files. Ties are
 * broken by content ID and path, so that the order is deterministic.
 */
import { wordsOf } from '../../wire/gnutella/words.ts'
import type { SearchFilter, SearchResult } from '../../wire/gnutella/search.ts'
import { fitsType } from '../../wire/control/kinds.ts'

export interface Ranked {
  readonly result: SearchResult
  /** Query words that match only as a prefix. */
  readonly prefixMatches: number
  /** Query words that match only in the folders or the share, not in the name. */
  readonly outsideName: number
  /** Length of the name in code units. */
  readonly length: number
}

/** Ranks the candidates of one query. Splits names into words, and caches the words of folders and shares. */
export class Ranking {
  private readonly asked: readonly string[]
  private readonly filter: SearchFilter
  private readonly wordsByText = new Map<string, string[]>()

  /** `asked` are the words of the query, from `queryWordsOf`; at least one. */
  constructor(asked: readonly string[], filter: SearchFilter) {
    this.asked = asked
    this.filter = filter
  }

  /**
   * Undefined when it does not match. A share matches by its name; a file needs at least one query word in its own
   * path.
   */
  rank(result: SearchResult): Ranked | undefined {
    const { name: share, path } = result
    if (!this.fits(result)) return undefined
    if (path === undefined) return this.count(result, share, { folders: [], share: [] })
    const slash = path.lastIndexOf('/')
    const folders = slash < 0 ? [] : this.wordsAround(path.slice(0, slash))
    return this.count(result, path.slice(slash + 1), { folders, share: this.wordsAround(share) })
  }

  private count(result: SearchResult, name: string, words: { folders: string[]; share: string[] }): Ranked | undefined {
    const ownWords = wordsOf(name)
    let [prefixMatches, outsideName, inPath] = [0, 0, 0]
    for (const asked of this.asked) {
      const own = degree(ownWords, asked)
      const folders = degree(words.folders, asked)
      const best = own > 0 ? own : Math.max(folders, degree(words.share, asked))
      if (best === 0) return undefined
      if (best < 2) prefixMatches++
      if (own === 0) outsideName++
      if (own > 0 || folders > 0) inPath++
    }
    return inPath === 0 ? undefined : { result, prefixMatches, outsideName, length: name.length }
  }

  /** A share has every type of its files; the marks in the index have checked that already. */
  private fits({ path, bytes }: SearchResult): boolean {
    const { type, minBytes = 0, maxBytes = Infinity } = this.filter
    if (bytes < minBytes || bytes > maxBytes) return false
    return type === undefined || path === undefined || fitsType(path, type)
  }

  private wordsAround(text: string): string[] {
    let words = this.wordsByText.get(text)
    if (words === undefined) this.wordsByText.set(text, (words = wordsOf(text)))
    return words
  }
}

/** 2 when `asked` is one of the words, 1 when it is a prefix of one, else 0. */
function degree(words: readonly string[], asked: string): 0 | 1 | 2 {
  let found: 0 | 1 = 0
  for (const word of words) {
    if (!word.startsWith(asked)) continue
    if (word.length === asked.length) return 2
    found = 1
  }
  return found
}

/** Negative when `a` comes first. */
export function byRank(a: Ranked, b: Ranked): number {
  return (
    a.prefixMatches - b.prefixMatches ||
    a.outsideName - b.outsideName ||
    a.length - b.length ||
    Number(a.result.path !== undefined) - Number(b.result.path !== undefined) ||
    order(a.result.content, b.result.content) ||
    order(a.result.path ?? '', b.result.path ?? '')
  )
}

/** Compares by code units, independent of the locale. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
