/** Hits: made and signed by the holder, sent back the way that the query came, checked where they end. */
import { utf8 } from '../../base/bytes.ts'
import type { Contact } from '../../wire/common.ts'
import { hitClaim, HIT_RESULTS_MAX, type Query, type QueryHit, type SearchResult } from '../../wire/search.ts'
import type { SearchContext } from './context.ts'
import { back } from './header.ts'
import { HIT_RESULT_BYTES_MAX, RESULT_OVERHEAD_BYTES } from './settings.ts'

export const HIT_DOMAIN = 'shoal/hit/1'

/** Answers a query with as many hits as its results need; with an empty one when there are none and the query is traced. */
export function answer(
  context: SearchContext,
  to: Contact,
  query: Query,
  results: readonly SearchResult[],
  forwarded: number
): void {
  const parts = results.length > 0 ? split(results) : query.trace ? [[]] : []
  const holder = context.self
  for (const [i, part] of parts.entries()) {
    const signature = context.signer.sign(HIT_DOMAIN, hitClaim(query.id, { holder, results: part }))
    // What was sent on is told once.
    const trace = query.trace ? { forwarded: i === 0 ? forwarded : 0, path: [] } : undefined
    context.send(to, { kind: 'query-hit', ...back(query), holder, results: part, signature, trace })
  }
}

/** Whether the holder says so itself, for this very query. */
export function isGenuine(context: SearchContext, hit: QueryHit): boolean {
  return context.verifier.verify(hit.holder.id, HIT_DOMAIN, hitClaim(hit.id, hit), hit.signature)
}

/** In order, in parts that fit one hit each. */
export function split(results: readonly SearchResult[]): SearchResult[][] {
  const parts: SearchResult[][] = []
  let part: SearchResult[] = []
  let bytes = 0
  for (const result of results) {
    const size = RESULT_OVERHEAD_BYTES + utf8(result.name).length + utf8(result.path ?? '').length
    if (part.length === HIT_RESULTS_MAX || (part.length > 0 && bytes + size > HIT_RESULT_BYTES_MAX)) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(result)
    bytes += size
  }
  if (part.length > 0) parts.push(part)
  return parts
}
