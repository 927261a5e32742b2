import { describe, expect, it } from 'vitest'
import {
  DIRECT_PUSHES_BURST,
  PUSHES_BURST,
  PUSHES_MAX,
  SEARCH_DEFAULTS
} from '../../../../../src/core/search/settings.ts'
import { TTL_HARD_MAX, type Push } from '../../../../../src/wire/gnutella/search.ts'
import type { Contact } from '../../../../../src/wire/common.ts'
import { among, content, descriptor, hitOf, type Lone, me, others, queryOf, result } from '../lone.ts'

const near = others.slice(0, 4)
const [a, b, c] = near as [Contact, Contact, Contact]
const holder = others[20]!

function pushOf(fields: Partial<Push> = {}): Push {
  const header = { id: descriptor(1), ttl: 9, hops: 2 }
  return { kind: 'push', ...header, holder: me.id, content: content('a'), requester: others[30]!, ...fields }
}

function request(lone: Lone, of = holder, digit = 'a'): void {
  lone.do((search, now) => {
    search.requestPush(of.id, content(digit), now)
  })
}

describe('a requested push', () => {
  it('goes along the path of hits of the holder', () => {
    const lone = among(near)
    lone.ask()
    lone.match()
    lone.hear(c, hitOf(holder, { id: lone.all('query')[0]!.id }))
    request(lone)
    expect(lone.to('push')).toEqual([c.id])
    expect(lone.all('push')).toMatchObject([{ holder: holder.id, content: content('a'), requester: me, hops: 0 }])
    expect(lone.all('push')[0]!.ttl).toBeLessThanOrEqual(TTL_HARD_MAX)
  })

  it('goes to the holder itself when it is a neighbour', () => {
    const lone = among(near)
    request(lone, b)
    expect(lone.to('push')).toEqual([b.id])
  })

  it('looks for a path first when there is none, without events for the owner', () => {
    const lone = among(near)
    request(lone)
    lone.match([result('a')])
    expect(lone.all('push')).toEqual([])
    const { id, query } = lone.all('query')[0]!
    expect(query.content).toBe(content('a'))
    lone.hear(b, hitOf(others[21]!, { id }))
    expect(lone.all('push')).toEqual([])
    lone.hear(c, hitOf(holder, { id }))
    expect(lone.to('push')).toEqual([c.id])
    lone.until(60_000)
    expect(lone.events.filter(({ kind }) => kind === 'hit' || kind === 'ended')).toEqual([])
  })

  it('goes in a datagram when there is no path, and the second time along a path that a query finds', () => {
    const lone = among(near)
    lone.up(holder)
    request(lone)
    expect(lone.to('push')).toEqual([holder.id])
    expect(lone.channels('push')).toEqual(['datagram'])
    expect(lone.commands).toEqual([])
    request(lone)
    lone.match()
    lone.hear(c, hitOf(holder, { id: lone.all('query')[0]!.id }))
    expect(lone.to('push')).toEqual([holder.id, c.id])
    expect(lone.channels('push')).toEqual(['datagram', 'stream'])
  })

  it('looks for one holder of a content once at a time, and for a bounded number of holders', () => {
    const lone = among(near)
    for (let i = 0; i < 3; i++) request(lone)
    expect(lone.commands).toHaveLength(1)
    for (const one of others.slice(5, 39)) for (const digit of ['a', 'b', 'c']) request(lone, one, digit)
    expect(lone.search.counters().dropped.full).toBeGreaterThan(0)
    expect(lone.search.counters().dropped.full).toBe(34 * 3 - PUSHES_MAX)
    while (lone.commands.length > 0) lone.match()
    lone.until(lone.ms + 10 * SEARCH_DEFAULTS.pushMs)
    lone.commands.length = 0
    request(lone)
    expect(lone.commands).toHaveLength(1)
  })
})

describe('a push received in a datagram', () => {
  it('makes the holder dial its sender, and no other node', () => {
    const lone = among(near)
    const [member, other] = [others[30]!, others[31]!]
    lone.up(member, other)
    lone.hearDatagram(member, pushOf({ requester: member }))
    lone.hearDatagram(member, pushOf({ requester: other }))
    lone.hearDatagram(member, pushOf({ requester: member, holder: other.id }))
    expect(lone.emitted('push')).toEqual([{ kind: 'push', content: content('a'), to: member }])
    expect(lone.emitted('misbehaved')).toHaveLength(2)
  })

  it('is dropped beyond the rate for all members', () => {
    const lone = among(near)
    lone.up(others[30]!)
    for (let i = 0; i < DIRECT_PUSHES_BURST + 3; i++) lone.hearDatagram(others[30]!, pushOf())
    expect(lone.emitted('push')).toHaveLength(DIRECT_PUSHES_BURST)
    expect(lone.search.counters().dropped.rate).toBe(3)
  })
})

describe('a push received from a neighbour', () => {
  it('"may only be sent along the same path that carried the incoming QueryHit descriptor"', () => {
    const lone = among(near)
    lone.hear(a, queryOf())
    lone.hear(c, hitOf(holder))
    lone.hear(a, pushOf({ holder: holder.id }))
    expect(lone.to('push')).toEqual([c.id])
    expect(lone.all('push')).toMatchObject([{ ttl: 8, hops: 3 }])
  })

  it('is dropped without a path, as a duplicate, and when it would go back to its sender', () => {
    const lone = among(near)
    lone.hear(a, pushOf({ holder: others[25]!.id }))
    lone.hear(a, queryOf())
    lone.hear(c, hitOf(holder))
    lone.hear(c, pushOf({ holder: holder.id, id: descriptor(2) }))
    lone.hear(a, pushOf({ holder: holder.id, id: descriptor(2) }))
    expect(lone.all('push')).toEqual([])
    expect(lone.search.counters().dropped).toMatchObject({ 'no-route': 2, duplicate: 1 })
  })

  it('makes the holder dial a member at the address that the membership reports', () => {
    const lone = among(near)
    const [member, stranger] = [others[30]!, others[31]!]
    lone.up(member)
    const elsewhere = { id: member.id, address: { host: '192.0.2.1', port: 53 } }
    lone.hear(a, pushOf({ requester: elsewhere }))
    lone.hear(a, pushOf({ requester: stranger, id: descriptor(2) }))
    expect(lone.emitted('push')).toEqual([{ kind: 'push', content: content('a'), to: member }])
    expect(lone.search.counters().dropped['no-route']).toBe(1)
  })

  it('is dropped beyond the rate of pushes', () => {
    const lone = among(near)
    lone.up(others[30]!)
    for (let i = 0; i < PUSHES_BURST + 3; i++) lone.hear(a, pushOf({ id: descriptor(i) }))
    expect(lone.emitted('push')).toHaveLength(PUSHES_BURST)
    expect(lone.search.counters().dropped.rate).toBe(3)
  })
})
