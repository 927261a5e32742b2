/**
 * TTL and hops of Gnutella 0.4: "A servent will decrement a descriptor header's TTL field, and increment its Hops
 * field, before it forwards the descriptor to any directly connected servent. If, after decrementing the header's TTL
 * field, the TTL field is found to be zero, the descriptor is not forwarded along any connection."
 */
import { TTL_HARD_MAX, type Header } from '../../../wire/gnutella/search.ts'

/** The received descriptor with its TTL cut to the hard limit. Undefined when TTL or hops are invalid. */
export function admit<H extends Header>(descriptor: H): H | undefined {
  const { ttl, hops } = descriptor
  if (ttl < 1 || hops >= TTL_HARD_MAX) return undefined
  return ttl + hops <= TTL_HARD_MAX ? descriptor : { ...descriptor, ttl: TTL_HARD_MAX - hops }
}

/** The descriptor to forward; undefined when its TTL is used up. The sum of TTL and hops does not change. */
export function onward<H extends Header>(descriptor: H): H | undefined {
  const { ttl, hops } = descriptor
  return ttl <= 1 ? undefined : { ...descriptor, ttl: ttl - 1, hops: hops + 1 }
}
