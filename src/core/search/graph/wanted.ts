/** The words of a query for the routing tables: a match has all of them. */
import { queryWordsOf } from '../../../wire/gnutella/words.ts'
import type { SearchQuery } from '../../../wire/gnutella/search.ts'

/** An empty list matches every table. */
export type Wanted = readonly string[]

/** The words of the text, or for a content its hexadecimal digits alone: holders answer regardless of the text. */
export function wantedBy({ text, content }: SearchQuery): Wanted {
  return content === undefined ? queryWordsOf(text) : [content]
}
