/** What a query wants, as routing tables see it: words of which each must be there. */
import type { SearchQuery } from '../../wire/search.ts'

export interface Wanted {
  /** None: everything fits. */
  readonly words: readonly string[]
}

/** A content is one word: its hexadecimal digits. */
export function wantedBy(query: SearchQuery, wordsOf: (text: string) => string[]): Wanted {
  const words = wordsOf(query.text)
  return { words: query.content === undefined ? words : [...words, query.content] }
}
