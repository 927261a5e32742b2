/** What a query wants, as routing tables see it: words of which each must be there. */
import { queryWordsOf } from '../../../wire/gnutella/words.ts'
import type { SearchQuery } from '../../../wire/gnutella/search.ts'

/** None: everything fits. */
export type Wanted = readonly string[]

/** A content is one word, its hexadecimal digits, and whoever has it answers whatever else the query says. */
export function wantedBy({ text, content }: SearchQuery): Wanted {
  return content === undefined ? queryWordsOf(text) : [content]
}
