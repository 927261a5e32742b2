/** Several machines on a perfect network, with the real codec. */
import { describe, expect, it } from 'vitest'
import { sha256Hex, utf8 } from '../../../../src/base/bytes.ts'
import type { ContentId, NodeId } from '../../../../src/base/ids.ts'
import { wordsOf } from '../../../../src/wire/gnutella/words.ts'
import type { SearchCommand, SearchEvent, SearchOptions } from '../../../../src/core/search/contract.ts'
import { Search, type SearchSettings } from '../../../../src/core/search/search.ts'
import { Group } from '../../../../src/sim/group.ts'
import { QRP_BITS_MIN, QrpTable } from '../../../../src/wire/gnutella/qrp.ts'
import { searchMessage, type SearchMessage, type SearchResult } from '../../../../src/wire/gnutella/search.ts'
import { words } from './lone.ts'

type Shoal = Group<SearchMessage, SearchCommand, SearchEvent, Search>
/** The names of the shares of each node, by its number. */
type Shares = ReadonlyMap<number, readonly string[]>

const contentOf = (node: number, share: number): ContentId => sha256Hex(utf8(`${node}/${share}`)) as ContentId

function shoal(count: number, shares: Shares = new Map(), settings: Partial<SearchSettings> = {}): Shoal {
  const resultsOf = (index: number): SearchResult[] =>
    (shares.get(index) ?? []).map((name, i) => ({
      content: contentOf(index, i),
      name,
      path: undefined,
      bytes: 1
    }))
  const group: Shoal = new Group({
    count,
    codec: searchMessage,
    create: birth => new Search(birth, { settings }, birth.now),
    outside: {
      command: (world, node, token, { query }) => {
        const fits = ({ name, content }: SearchResult): boolean =>
          query.content === undefined
            ? query.text.split(' ').every(one => name.includes(one))
            : content === query.content
        const found = resultsOf(node.index).filter(fits)
        world.after(1, node, () => {
          world.done(node, token, { ok: true, value: found })
        })
      }
    }
  })
  for (let i = 0; i < count; i++) {
    group.call(i, (search, now) => {
      search.start(now)
      for (const { contact } of group.nodes) if (contact.id !== group.contact(i).id) search.memberUp(contact, now)
      const own = shares.get(i) ?? []
      search.indexed(
        QrpTable.of([...own.flatMap(wordsOf), ...resultsOf(i).map(({ content }) => content)], QRP_BITS_MIN),
        own.length,
        1,
        now
      )
    })
  }
  group.run(10_000)
  return group
}

function ask(group: Shoal, from: number, text: string, options: Partial<SearchOptions> = {}): SearchEvent[] {
  const before = group.events[from]!.length
  group.call(from, (search, now) => {
    search.search(words(text), { limit: 50, timeoutMs: 30_000, trace: false, ...options }, now)
  })
  group.world.runUntil(() => group.events[from]!.slice(before).some(({ kind }) => kind === 'ended'), 40_000)
  group.run(1_000)
  return group.events[from]!.slice(before)
}

const degrees = (group: Shoal): number[] => group.nodes.map(({ machine }) => machine.neighbours().length)

function component(group: Shoal): number {
  const byId = new Map(group.nodes.map(node => [node.id, node]))
  const seen = new Set<NodeId>([group.contact(0).id])
  for (const id of seen) for (const next of byId.get(id)!.machine.neighbours()) seen.add(next.id)
  return seen.size
}

function total(group: Shoal, of: (search: Search) => number): number {
  return group.nodes.reduce((sum, { machine }) => sum + of(machine), 0)
}

describe('a shoal', () => {
  it('is one graph of 5 to 8 neighbours each, by mutual consent', () => {
    const group = shoal(60)
    expect(Math.min(...degrees(group))).toBeGreaterThanOrEqual(5)
    expect(Math.max(...degrees(group))).toBeLessThanOrEqual(8)
    expect(component(group)).toBe(60)
    for (const { machine, id } of group.nodes) {
      for (const other of machine.neighbours()) {
        const back = group.world.nodeOf(other.id)!.machine.neighbours()
        expect(back.some(one => one.id === id)).toBe(true)
      }
    }
  })

  it('of six nodes makes all of them neighbours', () => {
    expect(degrees(shoal(6))).toEqual([5, 5, 5, 5, 5, 5])
  })

  it('accepts a tenth node when nine are full', () => {
    const group = shoal(9, new Map(), { degreeTarget: 8 })
    expect(new Set(degrees(group))).toEqual(new Set([8]))
    const late = group.world.add()
    group.world.start(late)
    group.world.call(late, (search, now) => {
      search.start(now)
      for (const { contact } of group.nodes) search.memberUp(contact, now)
    })
    group.run(10_000)
    expect(late.machine.neighbours().length).toBeGreaterThanOrEqual(5)
    expect(Math.min(...degrees(group))).toBeGreaterThanOrEqual(5)
  })

  it('processes a plain flood once at every node, and drops the other copies', () => {
    const group = shoal(60, new Map(), { mode: 'flood', tableHops: 0 })
    ask(group, 7, 'whale')
    expect(total(group, search => search.counters().queries)).toBe(59)
    const sent = total(group, search => search.counters().sent.query)
    const dropped = total(group, search => search.counters().dropped.duplicate)
    expect(sent).toBe(59 + dropped + total(group, search => search.counters().widened))
  })

  it('finds the only holder with fewer messages than a flood', () => {
    const shares = new Map([[42, ['the white whale']]])
    const group = shoal(60, shares)
    const events = ask(group, 7, 'whale')
    expect(events.filter(({ kind }) => kind === 'hit')).toMatchObject([
      { hit: { holder: group.contact(42), results: [{ name: 'the white whale' }] } }
    ])
    expect(events.at(-1)).toMatchObject({ kind: 'ended', report: { ended: 'exhausted', results: 1 } })
    const flood = shoal(60, shares, { mode: 'flood', tableHops: 0 })
    ask(flood, 7, 'whale')
    const sent = (one: Shoal): number => total(one, search => search.counters().sent.query)
    expect(sent(group)).toBeLessThan(0.8 * sent(flood))
  })

  it('reports every node that a traced query reached, and the path of each hit', () => {
    const group = shoal(30, new Map([[20, ['the white whale']]]), { tableHops: 0 })
    const before = total(group, search => search.counters().sent.query)
    const events = ask(group, 7, 'whale', { trace: true })
    const reached = events.filter(event => event.kind === 'reached')
    expect(new Set(reached.map(({ node }) => node)).size).toBe(29)
    for (const { path, hops } of reached) expect(path).toHaveLength(hops - 1)
    const sent = total(group, search => search.counters().sent.query) - before
    expect(events.at(-1)).toMatchObject({ kind: 'ended', report: { nodes: 29, messages: sent } })
  })

  it('reaches a holder with a push along the path of its hit, and finds a path where there was none', () => {
    const shares = new Map([[20, ['the white whale']]])
    const group = shoal(30, shares)
    const push = (from: number): void => {
      group.call(from, (search, now) => {
        search.requestPush(group.contact(20).id, contentOf(20, 0), now)
      })
      group.run(2_000)
    }
    ask(group, 7, 'whale')
    push(7)
    const told = (): SearchEvent[] => group.events[20]!.filter(({ kind }) => kind === 'push')
    expect(told()).toMatchObject([{ content: contentOf(20, 0), to: group.contact(7) }])
    const seeker = [3, 4, 5].find(
      one =>
        !group
          .machine(one)
          .neighbours()
          .some(({ id }) => id === group.contact(20).id)
    )!
    group.run(300_000)
    push(seeker)
    expect(told()).toMatchObject([{}, { to: group.contact(seeker) }])
  })

  it('has no node that misbehaves', () => {
    const group = shoal(40)
    group.run(300_000)
    expect(group.events.flat().filter(({ kind }) => kind === 'misbehaved')).toEqual([])
  })
})
