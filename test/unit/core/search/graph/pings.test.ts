import { describe, expect, it } from 'vitest'
import { PINGS_BURST, PONGS_PER_PING_MAX, SEARCH_DEFAULTS } from '../../../../../src/core/search/settings.ts'
import type { Contact } from '../../../../../src/wire/common.ts'
import { QrpTable } from '../../../../../src/wire/gnutella/qrp.ts'
import type { Ping, Pong } from '../../../../../src/wire/gnutella/search.ts'
import { among, at, descriptor, idsOf, type Lone, me, others } from '../lone.ts'

const near = others.slice(0, 4)
const [a, b, c] = near as [Contact, Contact, Contact]
const ping = (number: number, ttl = 7, hops = 0): Ping => ({ kind: 'ping', id: descriptor(number), ttl, hops })

function pongOf(peer: Contact, fields: Partial<Pong> = {}): Pong {
  return { kind: 'pong', id: descriptor(1), ttl: 1, hops: 0, peer, files: 10, kilobytes: 100, ...fields }
}

/** The neighbour answers the last ping with pongs of itself and of nodes behind it. */
function answered(lone: Lone, by: Contact, behind: readonly Contact[] = []): void {
  const { id } = lone.all('ping', by).at(-1)!
  lone.hear(by, pongOf(by, { id }), ...behind.map((peer, i) => pongOf(peer, { id, hops: i + 1, ttl: 1 })))
}

describe('a ping', () => {
  it('goes to a new neighbour at once, and to all neighbours periodically', () => {
    const lone = among([])
    lone.hear(a, { kind: 'connect', degree: 6 })
    expect(lone.all('ping', a)).toMatchObject([{ ttl: 1, hops: 0 }])
    lone.until(2 * SEARCH_DEFAULTS.pingMs * SEARCH_DEFAULTS.wideEvery)
    const ttls = lone.all('ping', a).map(({ ttl }) => ttl)
    expect(ttls.length).toBeGreaterThanOrEqual(9)
    expect(ttls.length).toBeLessThanOrEqual(17)
    expect(ttls.filter(ttl => ttl === SEARCH_DEFAULTS.ttl).length).toBeGreaterThan(0)
  })

  it('is answered along its path by a pong with what this node shares', () => {
    const lone = among(near)
    lone.do((search, now) => {
      search.indexed(QrpTable.of([]), 7, 5 << 10, now)
    })
    lone.hear(a, ping(1, 5, 2))
    expect(lone.to('pong')).toEqual([a.id])
    expect(lone.all('pong')).toMatchObject([{ ttl: 3, hops: 0, peer: me, files: 7, kilobytes: 5 }])
  })

  it('is dropped when it is a duplicate, and beyond its rate', () => {
    const lone = among(near)
    lone.hear(a, ping(1))
    lone.hear(b, ping(1))
    expect(lone.all('pong')).toHaveLength(1)
    for (let i = 2; i < PINGS_BURST + 4; i++) lone.hear(a, ping(i))
    expect(lone.search.counters().dropped).toMatchObject({ duplicate: 1, rate: 3 })
  })
})

describe('with the cache', () => {
  it('a ping for all is not forwarded, and is answered with pongs of other nodes', () => {
    const lone = among(near)
    lone.until(SEARCH_DEFAULTS.pingMs * 2)
    answered(lone, b, [others[20]!, others[21]!])
    lone.hear(a, ping(1))
    expect(lone.all('ping').filter(({ id }) => id === descriptor(1))).toEqual([])
    const pongs = lone.all('pong', a)
    expect(pongs.map(({ peer }) => peer.id).sort()).toEqual(idsOf([me, b, others[20]!, others[21]!]).sort())
    // One hop further than from this node.
    expect(pongs.find(({ peer }) => peer.id === others[21]!.id)).toMatchObject({ hops: 3, id: descriptor(1) })
  })

  it('a ping for this node alone is not answered with pongs of other nodes', () => {
    const lone = among(near)
    lone.until(SEARCH_DEFAULTS.pingMs * 2)
    answered(lone, b, [others[20]!])
    lone.hear(a, ping(1, 1))
    expect(lone.all('pong', a)).toHaveLength(1)
  })

  it('answers with no pong older than three seconds, nor with the pong of the asker', () => {
    const lone = among(near)
    lone.until(SEARCH_DEFAULTS.pingMs * 2)
    answered(lone, b, [a])
    lone.hear(a, ping(1))
    expect(
      lone
        .all('pong', a)
        .map(({ peer }) => peer.id)
        .sort()
    ).toEqual(idsOf([me, b]).sort())
    lone.ms += SEARCH_DEFAULTS.pongFreshMs + 1
    lone.hear(a, ping(2))
    expect(lone.all('pong', a).slice(2)).toMatchObject([{ peer: me }])
  })

  it('answers with at most ten pongs', () => {
    const lone = among(near)
    lone.until(SEARCH_DEFAULTS.pingMs * 2)
    answered(lone, b, others.slice(10, 16))
    answered(lone, c, others.slice(16, 22))
    lone.hear(a, ping(1))
    expect(lone.all('pong', a)).toHaveLength(1 + PONGS_PER_PING_MAX)
  })
})

describe('without the cache', () => {
  it('a ping floods, and pongs are sent "along the same path that carried the incoming Ping descriptor"', () => {
    const lone = among(near, { pongCache: false })
    lone.hear(a, ping(1, 5, 2))
    const onward = lone.sent.filter(({ message }) => message.kind === 'ping' && message.id === descriptor(1))
    expect(onward.map(({ to }) => to.id)).toEqual(idsOf(near.slice(1)))
    expect(onward[0]!.message).toMatchObject({ ttl: 4, hops: 3 })
    lone.sent.length = 0
    lone.hear(c, pongOf(others[20]!, { ttl: 4, hops: 1 }), pongOf(others[20]!, { id: descriptor(8) }))
    expect(lone.sent.map(({ to, message }) => [to.id, message])).toEqual([
      [a.id, pongOf(others[20]!, { ttl: 3, hops: 2 })]
    ])
    expect(lone.search.counters().dropped['no-route']).toBe(1)
  })
})

describe('the reach that pongs report', () => {
  it('counts nodes and files until their pongs are too old', () => {
    const lone = among(near)
    lone.until(SEARCH_DEFAULTS.pingMs * 2)
    answered(lone, b, [others[20]!])
    answered(lone, c, [others[20]!])
    expect(lone.search.reach(at(lone.ms))).toEqual({ nodes: 4, files: 30, kilobytes: 300 })
    expect(lone.search.reach(at(lone.ms + 3_600_000))).toEqual({ nodes: 1, files: 0, kilobytes: 0 })
  })
})
