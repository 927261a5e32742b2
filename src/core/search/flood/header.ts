/**
 * TTL and hops of Gnutella 0.4: "A servent will decrement a descriptor header's TTL field, and increment its Hops field, before it
 * forwards the descriptor to any directly connected servent. If, after decrementing the header's TTL field, the TTL field
 * is found to be zero, the descriptor is not forwarded along any connection."
 */
import { TTL_HARD_MAX, type Header } from '../../../wire/gnutella/search.ts'

/** As it is taken: a TTL beyond the hard limit is cut to it. Undefined when nobody should have sent it so. */
export function admit<H extends Header>(descriptor: H): H | undefined {
  const { ttl, hops } = descriptor
  if (ttl < 1 || hops >= TTL_HARD_MAX) return undefined
  return ttl + hops <= TTL_HARD_MAX ? descriptor : { ...descriptor, ttl: TTL_HARD_MAX - hops }
}

/** As it is sent on; undefined when it goes no further. TTL and hops together stay what they were. */
export function onward<H extends Header>(descriptor: H): H | undefined {
  const { ttl, hops } = descriptor
  return ttl <= 1 ? undefined : { ...descriptor, ttl: ttl - 1, hops: hops + 1 }
}
