/** Hits: the holder creates and signs them, they return by the reverse path, and the asker verifies them. */
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
 * Answers a query with as many hits as its results need, or with an empty hit when there are none and the query is
 * traced. The TTL of a hit is the hard limit, because its reverse path may be longer than the path of this copy.
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
    // Only the first hit has the number of forwarded copies, so that it counts once.
    const trace = query.trace ? { forwarded: i === 0 ? forwarded : 0, path: [] } : undefined
    const header = { id: query.id, ttl: TTL_HARD_MAX, hops: 0 }
    context.send(to, { kind: 'query-hit', ...header, holder, page, signature, trace })
  }
}

/** Whether the holder signed the hit for this query. */
export function isGenuine(context: SearchContext, hit: QueryHit): boolean {
  return context.verifier.verify(hit.holder.id, HIT_DOMAIN, hitClaim(hit.id, hit), hit.signature)
}
