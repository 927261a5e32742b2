/**
 * Whether and how well a name answers: words that are whole before words that only begin so (in the name itself, where they stand
 * there), those of the name before those of
 * the folders and the share around it, shorter names before longer, shares before files; what is equal in all of that goes by
 * its content ID and path, so that two runs give one order.
 */
import { wordsOf } from '../../wire/gnutella/words.ts'
import type { SearchFilter, SearchResult } from '../../wire/gnutella/search.ts'
import { fitsType } from '../../wire/control/kinds.ts'

export interface Ranked {
  readonly result: SearchResult
  /** Words that only begin so. */
  readonly begun: number
  /** Words that stand only around the name. */
  readonly around: number
  /** Code units of the name itself. */
  readonly length: number
}

/** Of one query: names are given their words here, and words of the names around them are kept from one to the next. */
export class Ranking {
  private readonly asked: readonly string[]
  private readonly filter: SearchFilter
  private readonly kept = new Map<string, string[]>()

  /** `asked` is what `queryWordsOf` gave; at least one. */
  constructor(asked: readonly string[], filter: SearchFilter) {
    this.asked = asked
    this.filter = filter
  }

  /** Undefined: it does not answer. A share answers by its name; a file needs at least one of the words in its own path. */
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
    let [begun, around, inPath] = [0, 0, 0]
    for (const asked of this.asked) {
      const own = degree(ownWords, asked)
      const folders = degree(words.folders, asked)
      const best = own > 0 ? own : Math.max(folders, degree(words.share, asked))
      if (best === 0) return undefined
      if (best < 2) begun++
      if (own === 0) around++
      if (own > 0 || folders > 0) inPath++
    }
    return inPath === 0 ? undefined : { result, begun, around, length: name.length }
  }

  /** A share of several files is of every type that they are: the index has looked at that. */
  private fits({ path, bytes }: SearchResult): boolean {
    const { type, minBytes = 0, maxBytes = Infinity } = this.filter
    if (bytes < minBytes || bytes > maxBytes) return false
    return type === undefined || path === undefined || fitsType(path, type)
  }

  private wordsAround(text: string): string[] {
    let words = this.kept.get(text)
    if (words === undefined) this.kept.set(text, (words = wordsOf(text)))
    return words
  }
}

/** 2: the word itself; 1: one that begins so; 0: neither. */
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
    a.begun - b.begun ||
    a.around - b.around ||
    a.length - b.length ||
    Number(a.result.path !== undefined) - Number(b.result.path !== undefined) ||
    order(a.result.content, b.result.content) ||
    order(a.result.path ?? '', b.result.path ?? '')
  )
}

/** By code units: no locale decides. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
