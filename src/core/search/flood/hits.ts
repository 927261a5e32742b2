/** Hits: made and signed by the holder, sent back the way that the query came, checked where they end. */
import type { Contact } from '../../../wire/common.ts'
import {
  hitClaim,
  hitPages,
  HIT_DOMAIN,
  NO_RESULTS,
  TTL_HARD_MAX,
  type Query,
  type QueryHit,
  type SearchResult
} from '../../../wire/gnutella/search.ts'
import type { SearchContext } from '../context.ts'

/**
 * Answers a query with as many hits as its results need; with an empty one when there are none and the query is traced. A hit may
 * go the hard limit's hops: its way back is as long as that of the first copy to each node, not as that of this copy.
 */
export function answer(
  context: SearchContext,
  to: Contact,
  query: Query,
  { results, forwarded }: { results: readonly SearchResult[]; forwarded: number }
): void {
  const pages = hitPages(results)
  if (pages.length === 0 && query.trace) pages.push(NO_RESULTS)
  const holder = context.self
  for (const [i, page] of pages.entries()) {
    const signature = context.signer.sign(HIT_DOMAIN, hitClaim(query.id, { holder, page }))
    // What was sent on is told once.
    const trace = query.trace ? { forwarded: i === 0 ? forwarded : 0, path: [] } : undefined
    const header = { id: query.id, ttl: TTL_HARD_MAX, hops: 0 }
    context.send(to, { kind: 'query-hit', ...header, holder, page, signature, trace })
  }
}

/** Whether the holder says so itself, for this very query. */
export function isGenuine(context: SearchContext, hit: QueryHit): boolean {
  return context.verifier.verify(hit.holder.id, HIT_DOMAIN, hitClaim(hit.id, hit), hit.signature)
}
