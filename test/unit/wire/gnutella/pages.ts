/** Query hits with decoded results, for tests. */
import { expectDefined } from '../../../../src/base/assert.ts'
import { decode } from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'
import {
  hitPages,
  NO_RESULTS,
  resultsOf,
  searchMessage,
  type ResultPage,
  type SearchMessage,
  type SearchResult
} from '../../../../src/wire/gnutella/search.ts'

/** The page of results that fit on one page. */
export function pageOf(results: readonly SearchResult[]): ResultPage {
  const [page = NO_RESULTS, ...others] = hitPages(results)
  if (others.length > 0) throw new RangeError(`${results.length} results do not fit one page`)
  return page
}

export function readPage(page: ResultPage): SearchResult[] {
  return expectDefined(resultsOf(page), 'the page can be read')
}

/**
 * Decodes a message and, if it is a hit, its results. Throws DecodeError for invalid messages and for invalid
 * results.
 */
export function readWhole(input: Uint8Array): { message: SearchMessage; results: readonly SearchResult[] } {
  const message = decode(searchMessage, input)
  if (message.kind !== 'query-hit') return { message, results: [] }
  const results = resultsOf(message.page)
  if (results === undefined) throw new DecodeError('results that nobody can read')
  return { message, results }
}
