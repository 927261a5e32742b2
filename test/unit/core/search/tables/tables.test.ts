import { describe, expect, it } from 'vitest'
import type { ContentId } from '../../../../../src/base/ids.ts'
import { SEARCH_DEFAULTS, TABLE_PARTS_BURST } from '../../../../../src/core/search/settings.ts'
import type { Contact } from '../../../../../src/wire/common.ts'
import { QRP_BITS_MIN, QrpTable } from '../../../../../src/wire/gnutella/qrp.ts'
import { NO_RESULTS, type RouteTable } from '../../../../../src/wire/gnutella/search.ts'
import type { Lone } from '../lone.ts'
import { among, descriptor, idsOf, others, queryOf, result, words } from '../lone.ts'

const near = others.slice(0, 4)
const [a, b, c, d] = near as [Contact, Contact, Contact, Contact]

function tableOf(list: readonly string[], hops = 0): RouteTable {
  const table = QrpTable.of(list, QRP_BITS_MIN)
  const [patch] = table.patches()
  const header = { id: descriptor(77), ttl: 1, hops }
  return { kind: 'route-table', ...header, bits: table.bits, part: 0, parts: 1, patch: patch! }
}

function tableIn({ bits, patch }: RouteTable): QrpTable {
  return QrpTable.fromPatches(bits, [patch])!
}

function indexed(lone: Lone, list: readonly string[]): void {
  lone.do((search, now) => {
    search.indexed(QrpTable.of(list, QRP_BITS_MIN), list.length, 1_024, now)
  })
}

describe('the own table', () => {
  it('is sent to each neighbour, also to later ones, and not again while it is unchanged', () => {
    const lone = among(near.slice(0, 2))
    indexed(lone, ['whale'])
    lone.until(2_000)
    expect(lone.to('route-table')).toEqual(idsOf([a, b]))
    expect(lone.all('route-table')[0]).toMatchObject({ ttl: 1, hops: 0 })
    expect(tableIn(lone.all('route-table')[0]!).has('whale')).toBe(true)
    lone.hear(c, { kind: 'connect', degree: 6 })
    indexed(lone, ['whale'])
    lone.until(4_000)
    expect(lone.to('route-table')).toEqual(idsOf([a, b, c]))
  })

  it('that changes often is sent at a bounded rate', () => {
    const lone = among([a])
    for (let i = 0; i < 50; i++) {
      indexed(lone, [`word${i}`])
      lone.until(lone.ms + 10)
    }
    lone.until(3_000)
    expect(lone.all('route-table').length).toBeLessThan(3)
    expect(tableIn(lone.all('route-table').at(-1)!).has('word49')).toBe(true)
  })

  it('keeps queries without a match from the index', () => {
    const lone = among(near)
    indexed(lone, ['shark'])
    lone.hear(a, queryOf({ trace: true }))
    expect(lone.commands).toEqual([])
    expect(lone.all('query-hit')).toMatchObject([{ page: NO_RESULTS, trace: { forwarded: 3 } }])
  })
})

describe('the tables of neighbours', () => {
  it('are merged into the table of the words one hop further', () => {
    const lone = among(near)
    lone.hear(a, tableOf(['whale']))
    lone.hear(b, tableOf(['shark']))
    lone.until(3_000)
    const beyond = lone.all('route-table', c).filter(({ hops }) => hops === 1)
    expect(beyond).toHaveLength(1)
    expect(['whale', 'shark', 'eel'].map(word => tableIn(beyond[0]!).has(word))).toEqual([true, true, false])
  })

  it('are deleted with the neighbour', () => {
    const lone = among(near)
    lone.hear(a, tableOf(['whale']))
    lone.hear(b, tableOf(['shark']))
    lone.until(3_000)
    lone.hear(a, { kind: 'bye' })
    lone.until(6_000)
    const beyond = lone.all('route-table', c).filter(({ hops }) => hops === 1)
    expect(beyond).toHaveLength(2)
    expect(tableIn(beyond[1]!).has('whale')).toBe(false)
  })

  it('decide on the last hop: a query goes where a match is possible', () => {
    const lone = among(near)
    lone.hear(b, tableOf(['whale', 'white']), tableOf([], 1))
    lone.hear(c, tableOf(['shark']), tableOf(['whale'], 1))
    lone.hear(a, queryOf({ ttl: 2 }))
    // The table of d is unknown.
    expect(lone.to('query')).toEqual(idsOf([b, d]))
    expect(lone.search.counters().pruned).toBe(1)
  })

  it('decide on the hop before the last by both tables of the neighbour', () => {
    const lone = among(near)
    lone.hear(b, tableOf(['shark']), tableOf(['shark'], 1))
    lone.hear(c, tableOf(['shark']), tableOf(['whale'], 1))
    lone.hear(d, tableOf(['whale']), tableOf(['shark'], 1))
    lone.hear(a, queryOf({ ttl: 3 }))
    expect(lone.to('query')).toEqual(idsOf([c, d]))
    lone.ms += 1_000
    lone.hear(a, queryOf({ ttl: 4, id: descriptor(2) }))
    expect(lone.to('query').slice(2)).toEqual(idsOf([b, c, d]))
  })

  it('decide on the last hop only when they cover one hop', () => {
    const lone = among(near, { tableHops: 1 })
    lone.hear(b, tableOf(['shark']), tableOf(['shark'], 1))
    lone.hear(a, queryOf({ ttl: 3 }))
    expect(lone.to('query')).toContain(b.id)
    lone.ms += 1_000
    lone.hear(a, queryOf({ ttl: 2, id: descriptor(2) }))
    expect(lone.to('query').slice(3)).toEqual(idsOf([c, d]))
  })

  it('match prefixes of words, require all words, and match a content by its digits', () => {
    const [known, unknown] = ['0123456789abcdef', 'fedcba9876543201'].map(digits => digits.repeat(4) as ContentId)
    const lone = among([a, b])
    lone.hear(b, tableOf(['whale', 'white', known!]))
    const goes = (query: ReturnType<typeof words>): boolean => {
      const id = descriptor(Math.floor((lone.ms += 1_000)) + 100)
      lone.hear(a, queryOf({ ttl: 2, id, query }))
      return lone.all('query', b).some(one => one.id === id)
    }
    expect(['wha', 'WHITE whale', 'whale shark', 'whales', ''].map(text => goes(words(text)))).toEqual([
      true,
      true,
      false,
      false,
      true
    ])
    expect([known, unknown].map(one => goes({ ...words('eel'), content: one }))).toEqual([true, false])
  })
})

describe('a received table', () => {
  const large = QrpTable.of(Array.from({ length: 40_000 }, (_, i) => `${i}w`))
  const header = { kind: 'route-table', id: descriptor(5), ttl: 1, hops: 0 } as const
  const parts = large
    .patches()
    .map((patch, part, all): RouteTable => ({ ...header, bits: large.bits, part, parts: all.length, patch }))

  it('is used once all its parts have arrived', () => {
    const lone = among([a, b])
    lone.hear(b, tableOf(['whale']))
    expect(parts.length).toBeGreaterThan(1)
    lone.hear(b, ...parts.slice(0, -1))
    lone.hear(a, queryOf({ ttl: 2 }))
    expect(lone.to('query')).toEqual([b.id])
    lone.hear(b, parts.at(-1)!)
    const absent = Array.from({ length: 50 }, (_, i) => `zebra${i}zz`).find(word => !large.has(word))
    lone.hear(a, queryOf({ ttl: 2, id: descriptor(2), query: words(absent!) }))
    expect(lone.to('query')).toEqual([b.id])
  })

  it('is refused when its parts are out of order, its hops too many, or its bytes malformed', () => {
    const lone = among([a, b])
    const odd = QrpTable.of(['x'])
    const thin: RouteTable = { ...tableOf([]), bits: 16, patch: odd.patches()[0]! }
    lone.hear(b, parts[1]!)
    lone.hear(b, tableOf(['whale'], 2))
    lone.hear(b, { ...tableOf(['whale']), ttl: 7 })
    lone.hear(b, thin)
    expect(lone.emitted('misbehaved').map(({ peer }) => peer)).toEqual(idsOf([b, b, b, b]))
    lone.hear(a, queryOf({ ttl: 2 }))
    expect(lone.to('query')).toEqual([b.id])
  })

  it('is dropped beyond the rate of table parts', () => {
    const lone = among([a, b])
    for (let i = 0; i < TABLE_PARTS_BURST + 5; i++) lone.hear(b, tableOf([`word${i}`]))
    expect(lone.search.counters().dropped.rate).toBe(5)
  })

  it('is neither used nor sent when tables are off', () => {
    const lone = among([a, b], { tableHops: 0 })
    indexed(lone, ['shark'])
    lone.hear(b, tableOf(['shark']))
    lone.until(5_000)
    lone.hear(a, queryOf({ ttl: 2 }))
    lone.match([result('a')])
    expect(lone.all('route-table')).toEqual([])
    expect(lone.to('query')).toEqual([b.id])
    expect(lone.to('query-hit')).toEqual([a.id])
    expect(SEARCH_DEFAULTS.tableHops).toBe(2)
  })
})
