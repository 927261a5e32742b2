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

/** A node among a thousand members, whose neighbours have degree six. */
function inCrowd(settings: Parameters<typeof among>[1] = {}): Lone {
  const lone = among(near, settings)
  lone.up(...crowd)
  return lone
}

/** Starts a search; the own index answers without results. */
function asked(lone: Lone, ...args: Parameters<Lone['ask']>): void {
  lone.ask(...args)
  lone.match()
}

describe('a search', () => {
  it('asks the own index first, and no neighbour when that is enough', () => {
    const lone = inCrowd()
    lone.ask(words('whale'), { limit: 2 })
    lone.match(many(2))
    expect(lone.emitted('hit')).toMatchObject([{ hit: { holder: me, hops: 0, results: many(2) } }])
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'limit', messages: 0, results: 2 } }])
    expect(lone.all('query')).toEqual([])
  })

  it('asks neighbours after a short wait for the own index', () => {
    const lone = inCrowd()
    lone.ask()
    lone.until(100)
    expect(lone.all('query').length).toBeGreaterThan(0)
  })

  it('reports hits as they arrive, with their hops', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, hops: 2 }))
    expect(lone.emitted('hit')).toMatchObject([{ hit: { holder: others[20], hops: 3, results: [result('a')] } }])
  })

  it('reports each result of a holder once', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id }), hitOf(others[20]!, { id }), hitOf(others[21]!, { id }))
    expect(lone.emitted('hit').map(({ hit }) => hit.holder)).toEqual([others[20], others[21]])
    // A hit without new results is not verified.
    expect(lone.verified).toBe(2)
  })

  it('reports only the new results of a hit', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, results: many(2) }), hitOf(others[20]!, { id, results: many(3) }))
    expect(lone.emitted('hit').map(({ hit }) => hit.results.length)).toEqual([2, 1])
  })

  it('drops a hit that its holder did not sign, and reports the neighbour that sent it', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    const changed = { ...hitOf(others[20]!, { id }), page: pageOf([result('b')]) }
    const ofAnother = { ...hitOf(others[20]!, { id, results: [result('c')] }), holder: others[21]! }
    const replayed = { ...hitOf(others[20]!), id }
    lone.hear(a, changed, ofAnother, replayed)
    expect(lone.emitted('hit')).toEqual([])
    expect(lone.emitted('misbehaved')).toHaveLength(3)
    expect(lone.emitted('misbehaved')[0]).toMatchObject({ peer: a.id })
    expect(lone.search.counters().dropped.forged).toBe(3)
  })

  it('drops a signed hit that cannot be decoded, without blaming the neighbour that forwarded it', () => {
    const lone = inCrowd()
    asked(lone)
    const { id } = lone.all('query')[0]!
    const rubbish = { count: 1, bytes: new Uint8Array(12) }
    lone.hear(a, hitOf(others[20]!, { id, page: rubbish }))
    expect(lone.emitted('hit')).toEqual([])
    expect(lone.emitted('misbehaved')).toEqual([])
    expect(lone.search.counters().dropped.unreadable).toBe(1)
    lone.hear(a, { ...hitOf(others[20]!, { id }), page: rubbish })
    expect(lone.emitted('misbehaved')).toHaveLength(1)
    expect(lone.search.counters().dropped.forged).toBe(1)
  })

  it('ends at its limit, and emits nothing after that', () => {
    const lone = inCrowd()
    asked(lone, words('whale'), { limit: 3 })
    const { id } = lone.all('query')[0]!
    lone.hear(a, hitOf(others[20]!, { id, results: many(3) }))
    const sent = lone.all('query').length
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'limit', results: 3, messages: sent } }])
    lone.hear(a, hitOf(others[21]!, { id }))
    lone.until(60_000)
    expect(lone.emitted('hit')).toHaveLength(1)
    expect(lone.emitted('ended')).toHaveLength(1)
    expect(lone.all('query')).toHaveLength(sent)
    expect(lone.search.counters().dropped.late).toBe(1)
  })

  it('ends when it is cancelled, and asks no further neighbour', () => {
    const lone = inCrowd()
    const search = lone.ask()
    lone.match()
    const sent = lone.all('query').length
    lone.do((machine, now) => {
      machine.cancel(search, now)
      machine.cancel(search, now)
    })
    lone.until(60_000)
    expect(lone.emitted('ended')).toMatchObject([{ search, report: { ended: 'cancelled' } }])
    expect(lone.all('query')).toHaveLength(sent)
  })

  it('ends at its timeout, which is at most a minute', () => {
    const lone = inCrowd({ hopMsMax: 1e6, hopMsMin: 1e6 })
    asked(lone, words('whale'), { timeoutMs: 3_000 })
    asked(lone, words('shark'), { timeoutMs: 1e9 })
    lone.until(2 * SEARCH_TIMEOUT_MS_MAX)
    const reports = lone.emitted('ended').map(({ report }) => report)
    expect(reports.map(({ ended, elapsedMs }) => [ended, elapsedMs])).toEqual([
      ['timeout', 3_000],
      ['timeout', SEARCH_TIMEOUT_MS_MAX]
    ])
  })

  it('ends without results only after it has waited for busy indexes', () => {
    const lone = inCrowd({ hopMsMax: 30 })
    asked(lone)
    lone.until(lone.ms + SILENCE_MS)
    expect(lone.all('query').length).toBeGreaterThan(0)
    expect(lone.emitted('ended')).toEqual([])
    lone.hear(a, hitOf(others[20]!, { id: lone.all('query')[0]!.id }))
    lone.until(lone.ms + SILENCE_MS)
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'exhausted', results: 1 } }])
  })

  it('asks neighbours later whose rate was used up', () => {
    const lone = inCrowd({ ownPerSecond: 2, ownBurst: 2 })
    for (let i = 0; i < 3; i++) asked(lone)
    const before = lone.all('query').length
    lone.until(lone.ms + HELD_MS / 2)
    expect(lone.emitted('ended')).toEqual([])
    lone.until(lone.ms + 5 * HELD_MS)
    expect(lone.all('query').length).toBeGreaterThan(before)
    const ids = new Set(lone.all('query').map(({ id }) => id))
    expect(ids.size).toBe(3)
  })

  it('of a lone node ends when its own index answers', () => {
    const lone = new Lone()
    lone.start()
    lone.ask()
    lone.match([result('a')])
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'exhausted', results: 1 } }])
  })

  it('ends also when its own index never answers', () => {
    const lone = new Lone()
    lone.ask()
    lone.until(10_000)
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'exhausted', results: 0 } }])
  })

  it('of a new node waits for the first neighbour for a bounded time', () => {
    const lone = new Lone()
    lone.start()
    lone.up(...near)
    asked(lone)
    lone.until(500)
    expect(lone.emitted('ended')).toEqual([])
    lone.hear(a, { kind: 'connect', degree: 0 })
    lone.until(700)
    expect(lone.to('query')).toEqual([a.id])
    const alone = new Lone()
    alone.up(...near)
    asked(alone)
    alone.until(10_000)
    expect(alone.emitted('ended')).toMatchObject([{ report: { ended: 'exhausted' } }])
  })

  it('beyond the limit of active searches ends at once', () => {
    const lone = inCrowd()
    for (let i = 0; i < SEARCHES_MAX; i++) lone.ask()
    expect(lone.emitted('ended')).toEqual([])
    const search = lone.ask()
    expect(lone.emitted('ended')).toMatchObject([{ search, report: { ended: 'cancelled' } }])
  })

  it('that is traced reports every node that the query reached, and the sum of their copies', () => {
    const lone = inCrowd()
    asked(lone, words('whale'), { trace: true })
    const { id, trace } = lone.all('query')[0]!
    const sent = lone.all('query').length
    expect(trace).toBe(true)
    const path = [others[21]!.id]
    lone.hear(a, hitOf(others[20]!, { id, hops: 1, results: [], trace: { forwarded: 4, path } }))
    lone.hear(a, hitOf(others[20]!, { id, hops: 1, results: [], trace: { forwarded: 2, path } }))
    expect(lone.emitted('reached')).toMatchObject([{ node: others[20]!.id, hops: 2, forwarded: 4, path }])
    expect(lone.emitted('hit')).toEqual([])
    lone.hear(a, hitOf(others[22]!, { id, hops: 1, results: many(20), trace: { forwarded: 0, path } }))
    expect(lone.emitted('hit')).toMatchObject([{ hit: { path } }])
    expect(lone.emitted('ended')).toMatchObject([{ report: { messages: sent + 6, nodes: 2, results: 20 } }])
  })
})

describe.each(['dynamic', 'flood'] as const)('a search after many others (%s)', mode => {
  it('waits for neighbours whose rate is used up, and asks all of them, regardless of its results', () => {
    const lone = inCrowd({ mode, tableHops: 0 })
    for (let i = 0; i < 6; i++) asked(lone, words(`whale ${i}`))
    lone.until(500)
    const id = lone.all('query').at(-1)!.id
    lone.hear(a, hitOf(others[20]!, { id }))
    lone.until(30_000)
    const copies = lone.sent.filter(({ message }) => message.kind === 'query' && message.id === id)
    expect(new Set(copies.map(({ to }) => to.id))).toEqual(new Set(near.map(one => one.id)))
    expect(lone.search.counters().dropped.shaped).toBeGreaterThan(0)
    expect(lone.emitted('ended')).toHaveLength(6)
    expect(lone.emitted('ended').every(({ report }) => report.ended === 'exhausted')).toBe(true)
  })
})

describe('a plain flood', () => {
  it('asks all neighbours at once with the full TTL, and waits for hits', () => {
    const lone = inCrowd({ mode: 'flood', tableHops: 0 })
    asked(lone)
    expect(lone.all('query').map(({ ttl, hops }) => [ttl, hops])).toEqual(near.map(() => [SEARCH_DEFAULTS.ttl, 0]))
    expect(lone.emitted('ended')).toEqual([])
    lone.until(10_000)
    expect(lone.all('query')).toHaveLength(near.length)
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'exhausted', messages: near.length } }])
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

  it('without results continues, under one id, with the TTL whose horizon holds all nodes', () => {
    const lone = inCrowd()
    asked(lone)
    lone.until(20_000)
    const rounds = (ttl: number): number => ttls(lone).filter(one => one === ttl).length
    expect([2, 3, 4, 5].map(rounds)).toEqual([3, 0, 0, 6])
    expect(Math.max(...ttls(lone))).toBeLessThan(SEARCH_DEFAULTS.ttl)
    expect(new Set(lone.all('query').map(({ id }) => id)).size).toBe(1)
    expect(lone.emitted('ended')).toMatchObject([{ report: { ended: 'exhausted' } }])
  })

  it('asks one neighbour at a time when there are many results', () => {
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

  it('asks once, and no further, where all nodes are neighbours', () => {
    const lone = among(near)
    asked(lone)
    lone.until(20_000)
    expect(ttls(lone)).toEqual([2, 2, 2, 2, 2, 2])
  })

  it('neither asks nor waits for neighbours whose tables exclude a match', () => {
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
