import { describe, expect, it } from 'vitest'
import {
  HELD_MS,
  SEARCHES_MAX,
  SEARCH_DEFAULTS,
  SEARCH_TIMEOUT_MS_MAX,
  SILENCE_MS
} from '../../../../src/core/search/settings.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import { QrpTable } from '../../../../src/wire/gnutella/qrp.ts'
import type { SearchResult } from '../../../../src/wire/gnutella/search.ts'
import { pageOf } from '../../wire/gnutella/pages.ts'
import { among, contacts, hitOf, Lone, me, others, result, words } from './lone.ts'

const near = others.slice(0, 6)
const [a] = near as [Contact]
const crowd = contacts(1_000, 'crowd')
const many = (count: number): SearchResult[] =>
  Array.from({ length: count }, (_, i) => ({ ...result('a'), path: `${i}` }))

/** In a shoal of a thousand, each with six neighbours. */
function inCrowd(settings: Parameters<typeof among>[1] = {}): Lone {
  const lone = among(near, settings)
  lone.up(...crowd)
  return lone
}

/** Asked, and the own index has nothing. */
function asked(lone: Lone, ...args: Parameters<Lone['ask']>): void {
  lone.ask(...args)
  lone.match()
}

describe('a search', () => {
  it('asks the own index first, and nobody else when that is enough', () => {
    const lone = inCrowd()
    lone.ask(words('whale'), { limit: 2 })
    lone.match(many(2))
    expect(lone.told('hit')).toMatchObject([{ hit: { holder: me, hops: 0, results: many(2) } }])
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'limit', messages: 0, results: 2 } }])
    expect(lone.all('query')).toEqual([])
  })

  it('does not wait long for the own index', () => {
    const lone = inCrowd()
    lone.ask()
    lone.until(100)
    expect(lone.all('query').length).toBeGreaterThan(0)
  })

  it('tells of hits as they come, with their hops', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, hops: 2 }))
    expect(lone.told('hit')).toMatchObject([{ hit: { holder: others[20], hops: 3, results: [result('a')] } }])
  })

  it('tells of each result of a holder once', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id }), hitOf(others[20]!, { id }), hitOf(others[21]!, { id }))
    expect(lone.told('hit').map(({ hit }) => hit.holder)).toEqual([others[20], others[21]])
    // Only what changes something is verified.
    expect(lone.verified).toBe(2)
  })

  it('tells of what is new in a hit, and leaves out the rest', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, results: many(2) }), hitOf(others[20]!, { id, results: many(3) }))
    expect(lone.told('hit').map(({ hit }) => hit.results.length)).toEqual([2, 1])
  })

  it('drops a hit that its holder did not sign, and says who passed it on', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    const changed = { ...hitOf(others[20]!, { id }), page: pageOf([result('b')]) }
    const ofAnother = { ...hitOf(others[20]!, { id, results: [result('c')] }), holder: others[21]! }
    const replayed = { ...hitOf(others[20]!), id }
    lone.hear(a, changed, ofAnother, replayed)
    expect(lone.told('hit')).toEqual([])
    expect(lone.told('misbehaved')).toHaveLength(3)
    expect(lone.told('misbehaved')[0]).toMatchObject({ peer: a.id })
    expect(lone.search.counters().dropped.forged).toBe(3)
  })

  it('drops a hit that its holder signed and nobody can read: who passed it on could not know', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    const rubbish = { count: 1, bytes: new Uint8Array(12) }
    lone.hear(a, hitOf(others[20]!, { id, page: rubbish }))
    expect(lone.told('hit')).toEqual([])
    expect(lone.told('misbehaved')).toEqual([])
    expect(lone.search.counters().dropped.unreadable).toBe(1)
    lone.hear(a, { ...hitOf(others[20]!, { id }), page: rubbish })
    expect(lone.told('misbehaved')).toHaveLength(1)
    expect(lone.search.counters().dropped.forged).toBe(1)
  })

  it('ends at its limit, and says nothing after that', () => {
    const lone = inCrowd()
    asked(lone, words('whale'), { limit: 3 })
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, results: many(3) }))
    const sent = lone.all('query').length
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'limit', results: 3, messages: sent } }])
    lone.hear(a, hitOf(others[21]!, { id }))
    lone.until(60_000)
    expect(lone.told('hit')).toHaveLength(1)
    expect(lone.told('ended')).toHaveLength(1)
    expect(lone.all('query')).toHaveLength(sent)
    expect(lone.search.counters().dropped.late).toBe(1)
  })

  it('ends when the user leaves, and asks nobody more', () => {
    const lone = inCrowd()
    const search = lone.ask()
    lone.match()
    const sent = lone.all('query').length
    lone.do((machine, now) => {
      machine.cancel(search, now)
      machine.cancel(search, now)
    })
    lone.until(60_000)
    expect(lone.told('ended')).toMatchObject([{ search, report: { ended: 'cancelled' } }])
    expect(lone.all('query')).toHaveLength(sent)
  })

  it('ends with its time, a minute at most', () => {
    const lone = inCrowd({ hopMsMax: 1e6, hopMsMin: 1e6 })
    asked(lone, words('whale'), { timeoutMs: 3_000 })
    asked(lone, words('shark'), { timeoutMs: 1e9 })
    lone.until(2 * SEARCH_TIMEOUT_MS_MAX)
    const reports = lone.told('ended').map(({ report }) => report)
    expect(reports.map(({ ended, elapsedMs }) => [ended, elapsedMs])).toEqual([
      ['timeout', 3_000],
      ['timeout', SEARCH_TIMEOUT_MS_MAX]
    ])
  })

  it('takes silence for an answer only after it has waited for a busy index', () => {
    const lone = inCrowd({ hopMsMax: 30 })
    asked(lone)
    lone.until(lone.ms + SILENCE_MS)
    expect(lone.all('query').length).toBeGreaterThan(0)
    expect(lone.told('ended')).toEqual([])
    lone.hear(a, hitOf(others[20]!, { id: lone.all('query')[0]!.id }))
    lone.until(lone.ms + SILENCE_MS)
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'exhausted', results: 1 } }])
  })

  it('asks again what its neighbours did not take at once', () => {
    const lone = inCrowd({ ownPerSecond: 2, ownBurst: 2 })
    for (let i = 0; i < 3; i++) asked(lone)
    const before = lone.all('query').length
    lone.until(lone.ms + HELD_MS / 2)
    expect(lone.told('ended')).toEqual([])
    lone.until(lone.ms + 5 * HELD_MS)
    expect(lone.all('query').length).toBeGreaterThan(before)
    const ids = new Set(lone.all('query').map(({ id }) => id))
    expect(ids.size).toBe(3)
  })

  it('of a lone node ends when its own index has answered', () => {
    const lone = new Lone()
    lone.start()
    lone.ask()
    lone.match([result('a')])
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'exhausted', results: 1 } }])
  })

  it('ends as well when its index never answers', () => {
    const lone = new Lone()
    lone.ask()
    lone.until(10_000)
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'exhausted', results: 0 } }])
  })

  it('of a node that has just come waits for the first neighbour, but not for ever', () => {
    const lone = new Lone()
    lone.start()
    lone.up(...near)
    asked(lone)
    lone.until(500)
    expect(lone.told('ended')).toEqual([])
    lone.hear(a, { kind: 'connect', degree: 0 })
    lone.until(700)
    expect(lone.to('query')).toEqual([a.id])
    const alone = new Lone()
    alone.up(...near)
    asked(alone)
    alone.until(10_000)
    expect(alone.told('ended')).toMatchObject([{ report: { ended: 'exhausted' } }])
  })

  it('beyond so many at once ends at once', () => {
    const lone = inCrowd()
    for (let i = 0; i < SEARCHES_MAX; i++) lone.ask()
    expect(lone.told('ended')).toEqual([])
    const search = lone.ask()
    expect(lone.told('ended')).toMatchObject([{ search, report: { ended: 'cancelled' } }])
  })

  it('that is traced tells of every node that the query reached, and adds up what they sent', () => {
    const lone = inCrowd()
    asked(lone, words('whale'), { trace: true })
    const { id, trace } = lone.all('query')[0]!
    const sent = lone.all('query').length
    expect(trace).toBe(true)
    const path = [others[21]!.id]
    lone.hear(a, hitOf(others[20]!, { id, hops: 1, results: [], trace: { forwarded: 4, path } }))
    lone.hear(a, hitOf(others[20]!, { id, hops: 1, results: [], trace: { forwarded: 2, path } }))
    expect(lone.told('reached')).toMatchObject([{ node: others[20]!.id, hops: 2, forwarded: 4, path }])
    expect(lone.told('hit')).toEqual([])
    lone.hear(a, hitOf(others[22]!, { id, hops: 1, results: many(20), trace: { forwarded: 0, path } }))
    expect(lone.told('hit')).toMatchObject([{ hit: { path } }])
    expect(lone.told('ended')).toMatchObject([{ report: { messages: sent + 6, nodes: 2, results: 20 } }])
  })
})

describe.each(['dynamic', 'flood'] as const)('a search after many others (%s)', mode => {
  it('waits for neighbours that have been sent as much as they take, and leaves none out, whatever it has found', () => {
    const lone = inCrowd({ mode, tableHops: 0 })
    for (let i = 0; i < 6; i++) asked(lone, words(`whale ${i}`))
    lone.until(500)
    const id = lone.all('query').at(-1)!.id
    lone.hear(a, hitOf(others[20]!, { id }))
    lone.until(30_000)
    const copies = lone.sent.filter(({ message }) => message.kind === 'query' && message.id === id)
    expect(new Set(copies.map(({ to }) => to.id))).toEqual(new Set(near.map(one => one.id)))
    expect(lone.search.counters().dropped.shaped).toBeGreaterThan(0)
    expect(lone.told('ended')).toHaveLength(6)
    expect(lone.told('ended').every(({ report }) => report.ended === 'exhausted')).toBe(true)
  })
})

describe('a plain flood', () => {
  it('asks everybody at once with the full TTL, and waits for what may come', () => {
    const lone = inCrowd({ mode: 'flood', tableHops: 0 })
    asked(lone)
    expect(lone.all('query').map(({ ttl, hops }) => [ttl, hops])).toEqual(near.map(() => [SEARCH_DEFAULTS.ttl, 0]))
    expect(lone.told('ended')).toEqual([])
    lone.until(10_000)
    expect(lone.all('query')).toHaveLength(near.length)
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'exhausted', messages: near.length } }])
  })
})

describe('a dynamic query', () => {
  const ttls = (lone: Lone): number[] => lone.all('query').map(({ ttl }) => ttl)

  it('probes three neighbours with a TTL of 2 first', () => {
    const lone = inCrowd()
    asked(lone)
    expect(ttls(lone)).toEqual([2, 2, 2])
    expect(new Set(lone.to('query')).size).toBe(3)
  })

  it('that finds nothing goes on, under one id, with the TTL whose horizon holds the shoal', () => {
    const lone = inCrowd()
    asked(lone)
    lone.until(20_000)
    const rounds = (ttl: number): number => ttls(lone).filter(one => one === ttl).length
    expect([2, 3, 4, 5].map(rounds)).toEqual([3, 0, 0, 6])
    expect(Math.max(...ttls(lone))).toBeLessThan(SEARCH_DEFAULTS.ttl)
    expect(new Set(lone.all('query').map(({ id }) => id)).size).toBe(1)
    expect(lone.told('ended')).toMatchObject([{ report: { ended: 'exhausted' } }])
  })

  it('asks one neighbour at a time where results are many', () => {
    const lone = inCrowd()
    asked(lone, words('whale'), { limit: 20 })
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, results: many(18) }))
    const next: number[] = []
    for (let step = 0; step < 3; step++) {
      const before = ttls(lone).length
      while (ttls(lone).length === before) lone.until(lone.ms + 10)
      next.push(ttls(lone).length - before)
    }
    expect(next).toEqual([1, 1, 1])
  })

  it('asks a shoal in which all are neighbours once, without going further', () => {
    const lone = among(near)
    asked(lone)
    lone.until(20_000)
    expect(ttls(lone)).toEqual([2, 2, 2, 2, 2, 2])
  })

  it('does not ask, or wait for, neighbours whose tables say that there is nothing', () => {
    const lone = inCrowd()
    const [table] = [QrpTable.of(['shark'])]
    for (const neighbour of near) {
      for (const hops of [0, 1]) {
        const patches = table.patches()
        lone.hear(neighbour, {
          ...{ kind: 'route-table', id: 'e'.repeat(32) as never, ttl: 1, hops },
          ...{ bits: table.bits, part: 0, parts: 1, patch: patches[0]! }
        })
      }
    }
    lone.ask()
    lone.match()
    expect(ttls(lone)).toEqual([3, 3, 3, 3, 3, 3])
  })
})
