/** Bugs of search: one at least for each property of its scenarios. */
import type { Mutant } from '../mutants.ts'

const ROOM = 'src/core/search'

export const mutants: Mutant[] = [
  {
    name: 'forgets-to-decrement-the-ttl',
    property: 'ttl',
    file: `${ROOM}/flood/header.ts`,
    find: '{ ...descriptor, ttl: ttl - 1, hops: hops + 1 }',
    replace: '{ ...descriptor, ttl, hops: hops + 1 }',
    scenario: 'search-flood',
    seeds: 5
  },
  {
    name: 'believes-a-forged-ttl',
    property: 'ttl',
    file: `${ROOM}/flood/header.ts`,
    find: 'return ttl + hops <= TTL_HARD_MAX ? descriptor : { ...descriptor, ttl: TTL_HARD_MAX - hops }',
    replace: 'return descriptor',
    scenario: 'search-flood',
    seeds: 5
  },
  {
    name: 'sends-duplicates-on',
    property: 'once',
    file: `${ROOM}/flood/flood.ts`,
    find: "} else context.dropped('duplicate')",
    replace: '} else this.again(from, query, now)',
    scenario: 'search-flood',
    seeds: 10
  },
  {
    name: 'sends-back-where-it-came-from',
    property: 'no-echo',
    file: `${ROOM}/flood/flood.ts`,
    find: '.filter(({ id }) => id !== from.id)',
    replace: '',
    scenario: 'search-flood',
    seeds: 10
  },
  {
    name: 'moves-the-way-back-to-any-copy',
    property: 'finds-all',
    file: `${ROOM}/flood/flood.ts`,
    find: '!isOwn && query.hops < route.hops',
    replace: '!isOwn',
    scenario: 'search-flood',
    seeds: 10
  },
  {
    name: 'answers-a-wider-copy-again',
    property: 'heard-once',
    file: `${ROOM}/flood/flood.ts`,
    find: 'this.again(from, query, now)\n    } else',
    replace: 'this.first(from, query, now)\n    } else',
    scenario: 'search-flood',
    seeds: 40
  },
  {
    name: 'takes-a-copy-by-a-shorter-way-for-a-duplicate',
    property: 'heard-within-ttl',
    file: `${ROOM}/flood/flood.ts`,
    find: "widen === 'rounds' ? spanOf(query) > route.span : query.ttl > route.ttl",
    replace: 'spanOf(query) > route.span',
    scenario: 'search-flood',
    seeds: 60
  },
  {
    name: 'sends-hits-to-all',
    property: 'way-back',
    file: `${ROOM}/flood/flood.ts`,
    find: 'else context.send(next.contact, traced(outgoing, context.self.id))',
    replace: 'else for (const one of neighbours) context.send(one.contact, traced(outgoing, context.self.id))',
    scenario: 'search-flood',
    seeds: 10
  },
  {
    name: 'gives-old-pongs',
    property: 'fresh-pongs',
    file: `${ROOM}/graph/pings.ts`,
    find: 'const isFresh = after(at, this.context.settings.pongFreshMs) >= now',
    replace: 'const isFresh = after(at, this.context.settings.pongFreshMs) >= 0',
    scenario: 'search-flood',
    seeds: 20
  },
  {
    name: 'goes-on-when-it-has-enough',
    property: 'stops',
    file: `${ROOM}/searches.ts`,
    find: "if (one.reported.size >= one.options.limit) this.end(one, 'limit', now)",
    replace: '',
    scenario: 'search-dynamic',
    seeds: 5
  },
  {
    name: 'looks-one-hop-ahead-where-it-sends-two',
    property: 'finds-all',
    file: `${ROOM}/tables/tables.ts`,
    find: 'return ttl > 1 && (beyond === undefined || beyond.mayMatch(wanted))',
    replace: 'return ttl > 1 && beyond === undefined',
    scenario: 'search-flood',
    seeds: 40
  },
  {
    name: 'takes-hits-that-nobody-signed',
    property: 'honest-hits',
    file: `${ROOM}/flood/hits.ts`,
    find: 'return context.verifier.verify(hit.holder.id, HIT_DOMAIN, hitClaim(hit.id, hit), hit.signature)',
    replace: 'return context.verifier !== undefined',
    scenario: 'search-faults',
    seeds: 40
  },
  {
    name: 'takes-any-number-of-neighbours',
    property: 'degree',
    file: `${ROOM}/graph/neighbours.ts`,
    find: 'return this.byId.size >= this.context.settings.degreeMax',
    replace: 'return this.byId.size < 0',
    scenario: 'search-graph',
    seeds: 20
  },
  {
    name: 'never-rewires',
    property: 'one-graph',
    file: `${ROOM}/graph/neighbours.ts`,
    find: "if (this.byId.size >= this.context.settings.degreeTarget) this.ask('instead', now)",
    replace: '',
    scenario: 'search-graph',
    seeds: 20
  },
  {
    name: 'does-not-replace-the-dead',
    property: 'one-graph',
    file: `${ROOM}/graph/neighbours.ts`,
    find: 'this.askWithin(this.context.settings.retryMs, now)\n  }',
    replace: 'this.askAt = Infinity as Instant\n  }',
    scenario: 'search-graph',
    seeds: 20
  },
  {
    name: 'answers-whoever-asks-most',
    property: 'fair',
    file: `${ROOM}/flood/flood.ts`,
    find: 'if (bucket.take(now)) return true',
    replace: 'if (bucket.take(now) || now > 0) return true',
    scenario: 'search-load',
    seeds: 10
  },
  {
    name: 'ends-twice',
    property: 'ends-once',
    file: `${ROOM}/searches.ts`,
    find: 'this.ongoing.delete(one.search)\n    this.byDescriptor',
    replace: 'this.byDescriptor',
    scenario: 'search-dynamic',
    seeds: 5
  },
  {
    name: 'forgets-nothing',
    property: 'forgets',
    file: `${ROOM}/flood/generations.ts`,
    find: 'this.old = this.young',
    replace: 'this.old = new Map([...this.old, ...this.young])',
    scenario: 'search-faults',
    seeds: 10
  }
]
