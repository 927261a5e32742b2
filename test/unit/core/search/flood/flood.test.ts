/** The rules of the 0.4 specification for descriptors, quoted in the titles, and the deviations from it. */
import { describe, expect, it } from 'vitest'
import { BACKLOG_MS } from '../../../../../src/core/search/graph/bucket.ts'
import {
  HITS_PER_QUERY_MAX,
  IDS_PER_GENERATION_MAX,
  OUT_SHARE,
  SEARCH_DEFAULTS
} from '../../../../../src/core/search/settings.ts'
import type { Contact } from '../../../../../src/wire/common.ts'
import {
  HIT_DOMAIN,
  HIT_RESULTS_MAX,
  NO_RESULTS,
  hitClaim,
  nodeTag,
  QUERY_ASKED_MAX,
  TTL_HARD_MAX,
  type NodeTag,
  type Query
} from '../../../../../src/wire/gnutella/search.ts'
import { pageOf, readPage } from '../../../wire/gnutella/pages.ts'
import { among, descriptor, hitOf, idsOf, type Lone, me, notary, others, queryOf, result } from '../lone.ts'

const near = others.slice(0, 4)
const [a, b, c, d] = near as [(typeof near)[0], (typeof near)[0], (typeof near)[0], (typeof near)[0]]

describe('a received query', () => {
  it('is "forward[ed] to all of its directly connected servents, except the one that delivered" it', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    expect(lone.to('query')).toEqual(idsOf([b, c, d]))
  })

  it('has its TTL decremented and its hops incremented "before it forwards the descriptor"', () => {
    const lone = among(near, { tellAsked: false })
    lone.hear(a, queryOf({ ttl: 5, hops: 2 }))
    expect(lone.all('query', b)).toEqual([queryOf({ ttl: 4, hops: 3 })])
  })

  it('"is not forwarded along any connection" when its decremented TTL is zero', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ ttl: 1, hops: 6 }))
    expect(lone.all('query')).toEqual([])
    expect(lone.commands).toHaveLength(1)
  })

  it('is dropped and counted when it is a duplicate', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    lone.hear(b, queryOf({ ttl: 6, hops: 1 }))
    lone.hear(c, queryOf())
    expect(lone.commands).toHaveLength(1)
    expect(lone.all('query')).toHaveLength(3)
    expect(lone.search.counters().dropped.duplicate).toBe(2)
  })

  it('is forwarded again, and not answered again, when a wider round arrives', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ ttl: 2, hops: 4 }))
    lone.hear(b, queryOf({ ttl: 6, hops: 1 }))
    expect(lone.commands).toHaveLength(1)
    expect(lone.all('query', c).map(({ ttl }) => ttl)).toEqual([1, 5])
    expect(lone.all('query', a).map(({ ttl }) => ttl)).toEqual([5])
  })

  it.each([
    ['rounds', 3],
    ['detours', 6]
  ] as const)('that took a detour first is forwarded again under `%s`: %i copies', (widen, copies) => {
    const lone = among(near, { widen })
    lone.hear(a, queryOf({ ttl: 2, hops: 5 }))
    lone.hear(b, queryOf({ ttl: 6, hops: 1 }))
    expect(lone.commands).toHaveLength(1)
    expect(lone.all('query')).toHaveLength(copies)
  })

  it.each([
    [255, 0],
    [255, 9],
    [10, 12]
  ])('with a forged TTL of %i after %i hops goes at most to the hard limit', (ttl, hops) => {
    const lone = among(near)
    lone.hear(a, queryOf({ ttl, hops }))
    for (const query of lone.all('query')) expect(query.ttl + query.hops).toBe(TTL_HARD_MAX)
    expect(lone.all('query')).toHaveLength(3)
  })

  it('is dropped with no TTL left, or with hops at the hard limit', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ ttl: 0 }), queryOf({ id: descriptor(2), ttl: 1, hops: TTL_HARD_MAX }))
    expect(lone.sent).toEqual([])
    expect(lone.commands).toEqual([])
    expect(lone.search.counters().dropped.expired).toBe(2)
  })

  it('is remembered for at least a minute, among a bounded number of others', () => {
    const lone = among(near, { ownPerSecond: 1e9, ownBurst: 1e9 })
    const total = 2 * IDS_PER_GENERATION_MAX + 2
    lone.hear(a, queryOf({ id: descriptor(0) }))
    lone.until(59_000)
    lone.hear(b, queryOf({ id: descriptor(0) }))
    expect(lone.search.counters().dropped.duplicate).toBe(1)
    for (let i = 1; i < total; i++) lone.hear(a, queryOf({ id: descriptor(i), ttl: 1 }))
    lone.hear(b, queryOf({ id: descriptor(total - 1), ttl: 1 }))
    expect(lone.search.counters().dropped.duplicate).toBe(2)
    // The first query has expired.
    lone.hear(b, queryOf({ id: descriptor(0) }))
    expect(lone.search.counters().dropped.duplicate).toBe(2)
  })
})

describe('the answer of a holder', () => {
  it('goes to the neighbour that sent the query, signed for that query', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ hops: 3, ttl: 4 }))
    lone.match([result('a')])
    const [hit] = lone.all('query-hit')
    expect(lone.to('query-hit')).toEqual([a.id])
    expect(hit).toMatchObject({ id: descriptor(1), hops: 0, holder: me, page: pageOf([result('a')]), trace: undefined })
    expect(notary.verify(me.id, HIT_DOMAIN, hitClaim(descriptor(1), hit!), hit!.signature)).toBe(true)
    expect(notary.verify(me.id, HIT_DOMAIN, hitClaim(descriptor(2), hit!), hit!.signature)).toBe(false)
  })

  it('is omitted without results, and is an empty hit when the query is traced', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    lone.match([])
    expect(lone.all('query-hit')).toEqual([])
    lone.hear(b, queryOf({ id: descriptor(2), trace: true }))
    lone.match([])
    expect(lone.all('query-hit')).toMatchObject([{ page: NO_RESULTS, trace: { forwarded: 3, path: [] } }])
  })

  it('is split into several hits when one has no room', () => {
    const lone = among(near)
    const many = Array.from({ length: HIT_RESULTS_MAX + 1 }, (_, i) => ({ ...result('a'), path: `${i}` }))
    lone.hear(a, queryOf())
    lone.match(many)
    expect(lone.all('query-hit').flatMap(({ page }) => readPage(page))).toEqual(many)
    expect(lone.all('query-hit')).toHaveLength(2)
  })

  it('is not sent to a neighbour that left, and is sent without results when the index does not answer', () => {
    const lone = among(near)
    lone.hear(a, queryOf(), { kind: 'bye' })
    lone.match([result('a')])
    expect(lone.all('query-hit')).toEqual([])
    lone.hear(b, queryOf({ id: descriptor(2), trace: true }))
    lone.until(lone.ms + 2 * SEARCH_DEFAULTS.matchMs)
    expect(lone.to('query-hit')).toEqual([b.id])
  })
})

describe('a forwarded hit', () => {
  it('"QueryHit descriptors may only be sent along the same path that carried the incoming Query descriptor"', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    lone.hear(c, hitOf(others[20]!, { ttl: 5, hops: 2 }))
    expect(lone.to('query-hit')).toEqual([a.id])
    expect(lone.all('query-hit')).toMatchObject([{ ttl: 4, hops: 3, holder: others[20] }])
  })

  it('is "remove[d] from the network" by a node that "has not seen a Query descriptor with Descriptor ID = n"', () => {
    const lone = among(near)
    lone.hear(c, hitOf(others[20]!, { id: descriptor(9) }))
    expect(lone.sent).toEqual([])
    expect(lone.search.counters().dropped['no-route']).toBe(1)
  })

  it('is not sent back to its sender, and ends with its TTL', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    lone.hear(a, hitOf(others[20]!))
    lone.hear(c, hitOf(others[20]!, { ttl: 1, hops: 4 }))
    expect(lone.all('query-hit')).toEqual([])
  })

  it('names each node on its path when it is traced', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ trace: true }))
    lone.hear(c, hitOf(others[20]!, { trace: { forwarded: 2, path: [others[21]!.id] } }))
    expect(lone.all('query-hit', a)).toMatchObject([{ trace: { forwarded: 2, path: [others[21]!.id, me.id] } }])
  })

  it('is dropped once a query has the highest number of hits', () => {
    const lone = among(near, { queriesPerSecond: 1e6 })
    lone.hear(a, queryOf())
    for (let i = 0; i < HITS_PER_QUERY_MAX + 10; i++) {
      lone.ms += 1
      lone.hear(c, hitOf(others[20]!, { results: [{ ...result('a'), path: `${i}` }] }))
    }
    expect(lone.all('query-hit')).toHaveLength(HITS_PER_QUERY_MAX)
    expect(lone.search.counters().dropped.full).toBe(10)
  })
})

describe('the nodes that a query was sent to', () => {
  const tags = (some: readonly Contact[]): NodeTag[] => some.map(({ id }) => nodeTag(id))

  it('are named in it: this node, then the receivers, then those named before', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ hops: 2, asked: tags([a, others[20]!]) }))
    for (const { asked } of lone.all('query')) expect(asked).toEqual(tags([me, b, c, d, a, others[20]!]))
  })

  it('do not get it from others', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ asked: tags([a, b, d]) }))
    expect(lone.to('query')).toEqual([c.id])
    expect(lone.all('query')[0]!.asked).toEqual(tags([me, c, a, b, d]))
  })

  it('are not named when their rate was used up, so that others can send it', () => {
    const lone = among(near)
    for (let i = 0; lone.search.counters().dropped.shaped === 0; i++)
      lone.hear(a, queryOf({ id: descriptor(i), hops: 1 }))
    lone.sent.length = 0
    lone.hear(b, queryOf({ id: descriptor(9_999), hops: 1 }))
    expect(lone.to('query')).toEqual([a.id])
    expect(lone.all('query')[0]!.asked).toEqual(tags([me, a]))
  })

  it('are named up to the limit of the list', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ asked: tags(others.slice(5, 5 + QUERY_ASKED_MAX)) }))
    expect(lone.all('query')[0]!.asked).toEqual(tags([me, b, c, d, ...others.slice(5, QUERY_ASKED_MAX + 1)]))
  })

  it('are not named when the setting is off, as in 0.4', () => {
    const lone = among(near, { tellAsked: false })
    lone.hear(a, queryOf())
    expect(lone.all('query').map(({ asked }) => asked)).toEqual([[], [], []])
  })
})

describe('the reverse path', () => {
  it('is the shortest path of a copy, not the first', () => {
    const lone = among(near)
    lone.hear(a, queryOf({ ttl: 4, hops: 3 }))
    lone.hear(b, queryOf({ ttl: 5, hops: 2 }))
    lone.hear(c, queryOf({ ttl: 5, hops: 2 }))
    lone.match([result('a')])
    expect(lone.to('query-hit')).toEqual([b.id])
    lone.hear(d, hitOf(others[20]!))
    expect(lone.to('query-hit')).toEqual([b.id, b.id])
  })

  it('is the shortest among wider rounds too: otherwise two nodes would route to each other', () => {
    const lone = among(near, { widen: 'detours' })
    lone.hear(a, queryOf({ ttl: 1, hops: 4 }))
    lone.hear(b, queryOf({ ttl: 4, hops: 1 }))
    lone.match([result('a')])
    expect(lone.to('query-hit')).toEqual([b.id])
  })
})

describe('a hit that returns in a cycle', () => {
  it('is dropped: a node that forgot its own query has closed a cycle of reverse paths', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    const hit = hitOf(others[20]!)
    lone.hear(c, hit)
    lone.hear(c, { ...hit, ttl: 4, hops: 3 })
    expect(lone.all('query-hit')).toHaveLength(1)
    expect(lone.search.counters().dropped.duplicate).toBe(1)
  })
})

describe('a neighbour that sends too many queries', () => {
  const { ownFirst, ownBurst, ownOverMax, ownPerSecond, queriesBurst, queriesOverMax, queriesPerSecond } =
    SEARCH_DEFAULTS
  const passedOn = (i: number) => queryOf({ id: descriptor(i), hops: 1 })

  /**
   * Sends `first` queries and one more, which exceeds the rate, at once, and `next` more after the time of a backlog.
   */
  const exceed = (lone: Lone, ask: (i: number) => Query, first: number, next: number): void => {
    for (let i = 0; i <= first; i++) lone.hear(a, ask(i))
    lone.ms += BACKLOG_MS
    for (let i = 0; i < next; i++) lone.hear(a, ask(first + 1 + i))
  }
  const backlogTokens = (perSecond: number): number => (perSecond * BACKLOG_MS) / 1_000

  it('has a lower rate for its own queries, and is cut off beyond it, regardless of forwarded ones', () => {
    const lone = among(near)
    const later = backlogTokens(ownPerSecond)
    exceed(lone, i => queryOf({ id: descriptor(i) }), ownFirst, later + ownOverMax)
    lone.hear(a, passedOn(1_000))
    expect(lone.search.counters().queries).toBe(ownFirst + later + 1)
    expect(lone.search.counters().dropped.rate).toBe(1 + ownOverMax)
    expect(lone.to('bye')).toEqual([])
    lone.hear(a, queryOf({ id: descriptor(9_999) }))
    expect(lone.to('bye')).toEqual([a.id])
  })

  it('is not cut off when its queries arrive at once after a stalled stream or a stopped process', () => {
    const lone = among(near)
    // Queries at the rate at which nodes send. Some stalls are longer than the time between two of them.
    for (const stallMs of [11_000, 7_000, 60_000, 3_000, 6_000]) {
      lone.ms += stallMs
      const count = OUT_SHARE * (ownBurst + (ownPerSecond * stallMs) / 1_000)
      for (let i = 0; i < count; i++) lone.hear(a, queryOf({ id: descriptor(lone.ms + i) }))
      const countOfOthers = OUT_SHARE * (queriesBurst + (queriesPerSecond * stallMs) / 1_000)
      for (let i = 0; i < countOfOthers; i++) lone.hear(a, passedOn(1_000_000 + lone.ms + i))
      lone.match()
    }
    expect(lone.search.counters().dropped.rate).toBeGreaterThan(ownOverMax)
    expect(lone.emitted('misbehaved')).toEqual([])
    expect(lone.to('bye')).toEqual([])
  })

  it('has a larger burst for its own queries when it has been a neighbour for a while', () => {
    const lone = among(near)
    lone.ms += (1_000 * ownBurst) / ownPerSecond
    for (let i = 0; i <= ownBurst; i++) lone.hear(a, queryOf({ id: descriptor(i) }))
    expect(ownBurst).toBeGreaterThan(ownFirst)
    expect(lone.search.counters().queries).toBe(ownBurst)
  })

  it('is served up to its rate, has queries dropped beyond it, and is cut off far beyond it', () => {
    const lone = among(near)
    const later = backlogTokens(queriesPerSecond)
    exceed(lone, passedOn, queriesBurst, later + queriesOverMax)
    expect(lone.search.counters().queries).toBe(queriesBurst + later)
    expect(lone.search.counters().dropped.rate).toBe(1 + queriesOverMax)
    expect(lone.emitted('misbehaved')).toEqual([])
    lone.hear(a, passedOn(9_999))
    expect(lone.emitted('misbehaved')).toMatchObject([{ peer: a.id }])
    expect(lone.to('bye')).toEqual([a.id])
    expect(idsOf(lone.search.neighbours())).toEqual(idsOf([b, c, d]))
  })

  it('keeps its debts when it reconnects', () => {
    const lone = among(near)
    const later = backlogTokens(queriesPerSecond)
    const ask = (i: number): Query => {
      if (i % 20 === 0) lone.hear(a, { kind: 'connect', degree: 6 })
      return passedOn(i)
    }
    exceed(lone, ask, queriesBurst, later + queriesOverMax)
    expect(lone.search.counters().queries).toBe(queriesBurst + later)
    lone.hear(a, passedOn(9_999))
    expect(lone.to('bye')).toEqual([a.id])
  })

  it('at its rate is never cut off', () => {
    const lone = among(near)
    for (let i = 0; i < 30 * queriesPerSecond; i++) {
      lone.ms += 1_000 / queriesPerSecond
      lone.hear(a, passedOn(i))
      lone.match()
    }
    expect(lone.search.counters().dropped.rate).toBe(0)
    expect(lone.search.counters().queries).toBe(30 * queriesPerSecond)
  })

  it('does not cut this node off: forwarded queries stay below the rate of a neighbour', () => {
    const lone = among(near)
    const other = among(near)
    for (let i = 0; i < 200; i++) {
      for (const [at, from] of [a, b, c].entries()) lone.hear(from, passedOn(3 * i + at))
      lone.ms += 100
      lone.match()
      other.ms = lone.ms
      for (const query of lone.all('query', d)) other.hear(a, query)
      lone.sent.length = 0
    }
    expect(other.search.counters().dropped.rate).toBe(0)
    expect(lone.search.counters().dropped.shaped).toBeGreaterThan(0)
  })

  it('delays only its own queries: the index serves neighbours in turn', () => {
    const lone = among(near)
    const { matchesAtOnce, matchesWaitingMax } = SEARCH_DEFAULTS
    for (let i = 0; i < queriesBurst; i++) lone.hear(a, passedOn(i))
    lone.hear(b, queryOf({ id: descriptor(1_000), query: { ...queryOf().query, text: 'quiet' } }))
    expect(lone.commands).toHaveLength(matchesAtOnce)
    expect(matchesWaitingMax).toBeGreaterThan(matchesAtOnce)
    lone.match()
    const texts = lone.commands.map(({ command }) => command.query.text)
    expect(texts.indexOf('quiet')).toBeLessThan(2)
    expect(texts.indexOf('quiet')).toBeGreaterThanOrEqual(0)
  })

  it('has a bounded number of queries waiting for the index', () => {
    const lone = among(near, { queriesBurst: 1_000 })
    const { matchesAtOnce, matchesWaitingMax } = SEARCH_DEFAULTS
    const total = matchesAtOnce + matchesWaitingMax + 5
    for (let i = 0; i < total; i++) lone.hear(a, passedOn(i))
    expect(lone.search.counters().dropped.busy).toBe(5)
  })
})
