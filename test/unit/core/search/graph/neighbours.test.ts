import { describe, expect, it } from 'vitest'
import { HANDSHAKES_BURST, SEARCH_DEFAULTS } from '../../../../../src/core/search/settings.ts'
import type { Contact } from '../../../../../src/wire/common.ts'
import { among, descriptor, idsOf, Lone, others, queryOf } from '../lone.ts'

const { degreeMax, degreeTarget, connectMs, banMs } = SEARCH_DEFAULTS
const connect = (degree: number) => ({ kind: 'connect', degree }) as const
const accept = (degree: number) => ({ kind: 'accept', degree }) as const
const size = (lone: Lone): number => lone.search.neighbours().length
const contactOf = (lone: Lone, id: string): Contact => others.find(one => one.id === id) ?? lone.search.neighbours()[0]!

describe('looking for neighbours', () => {
  it('asks random members, no more than its target', () => {
    const lone = new Lone()
    lone.start()
    lone.up(...others)
    for (let i = 0; i < 20; i++) {
      lone.until(lone.ms + 300)
      for (const { to, message } of lone.sent.splice(0)) if (message.kind === 'connect') lone.hear(to, accept(3))
    }
    expect(size(lone)).toBe(degreeTarget)
    expect(idsOf(lone.search.neighbours())).not.toEqual(idsOf(others.slice(0, degreeTarget)))
  })

  it('makes all members neighbours when there are fewer than its target', () => {
    const lone = new Lone()
    lone.start()
    lone.up(...others.slice(0, 4))
    for (let i = 0; i < 10; i++) {
      lone.until(lone.ms + 300)
      for (const { to, message } of lone.sent.splice(0)) if (message.kind === 'connect') lone.hear(to, accept(3))
    }
    expect(size(lone)).toBe(4)
    expect(lone.all('connect')).toHaveLength(0)
  })

  it('asks another member after the deadline, and not the same one again at once', () => {
    const lone = new Lone()
    lone.start()
    lone.up(...others.slice(0, 3))
    lone.until(connectMs - 100)
    const first = lone.to('connect')
    expect(first).toHaveLength(2)
    lone.until(2 * connectMs)
    expect(lone.to('connect')).toHaveLength(3)
    expect(new Set(lone.to('connect')).size).toBe(3)
  })

  it('pauses longer after each refusal, and has a bounded number of open connects', () => {
    const lone = new Lone()
    lone.start()
    lone.up(...others)
    const perMinute: number[] = []
    for (let minute = 0; minute < 3; minute++) {
      const before = lone.all('connect').length
      for (let i = 0; i < 600; i++) {
        lone.until(lone.ms + 100)
        const open = lone.sent.filter(({ message }) => message.kind === 'connect').slice(before)
        for (const { to } of open.slice(-2)) lone.hear(to, { kind: 'refuse', degree: 8 })
      }
      perMinute.push(lone.all('connect').length - before)
    }
    expect(perMinute[0]).toBeGreaterThan(10)
    expect(perMinute[2]).toBeLessThan(120)
  })

  it('asks the same member less and less often', () => {
    const lone = new Lone()
    lone.start()
    lone.up(others[0]!)
    const asked: number[] = []
    for (let minute = 0; minute < 30; minute++) {
      const before = lone.all('connect').length
      lone.until(lone.ms + 60_000)
      asked.push(lone.all('connect').length - before)
    }
    expect(asked[0]).toBeGreaterThanOrEqual(2)
    const late = asked.slice(-10).reduce((sum, one) => sum + one)
    // Every 30 s plus the deadline of the answer; at first, the pause was 10 s.
    expect(late).toBeGreaterThanOrEqual(12)
    expect(late).toBeLessThanOrEqual(20)
  })

  it('is a neighbour as soon as an asked member sends a connect', () => {
    const lone = new Lone()
    lone.start()
    lone.up(others[0]!)
    lone.until(1_000)
    expect(lone.to('connect')).toEqual([others[0]!.id])
    lone.hear(others[0]!, connect(0))
    expect(size(lone)).toBe(1)
    lone.hear(others[0]!, accept(1))
    expect(size(lone)).toBe(1)
    expect(lone.all('bye')).toHaveLength(0)
  })

  it('sends bye to a member that accepts too late', () => {
    const lone = new Lone()
    lone.start()
    lone.up(others[0]!)
    lone.until(connectMs + 1_000)
    lone.hear(others[0]!, accept(1))
    expect(size(lone)).toBe(0)
    expect(lone.to('bye')).toEqual([others[0]!.id])
  })
})

describe('being asked', () => {
  const full = (): Lone => {
    const lone = new Lone()
    for (const one of others.slice(0, degreeMax)) lone.hear(one, connect(7))
    lone.sent.length = 0
    return lone
  }

  it('accepts before it sends any descriptor', () => {
    const lone = new Lone()
    lone.hear(others[0]!, connect(3))
    expect(lone.sent[0]!.message).toEqual(accept(1))
  })

  it('refuses a ninth neighbour that has enough', () => {
    const lone = full()
    lone.hear(others[8]!, connect(5))
    expect(lone.sent).toEqual([{ to: others[8], channel: 'stream', message: { kind: 'refuse', degree: degreeMax } }])
    expect(size(lone)).toBe(degreeMax)
  })

  it('accepts a node that has too few, in place of the neighbour with the highest degree', () => {
    const lone = full()
    lone.hear(others[3]!, accept(8))
    lone.hear(others[8]!, connect(4))
    expect(lone.to('bye')).toEqual([others[3]!.id])
    expect(lone.to('accept')).toEqual([others[8]!.id])
    expect(size(lone)).toBe(degreeMax)
  })

  it('refuses a node that has too few when no neighbour has more than enough', () => {
    const lone = full()
    for (const one of others.slice(0, degreeMax)) lone.hear(one, accept(5))
    lone.hear(others[8]!, connect(0))
    expect(lone.to('refuse')).toEqual([others[8]!.id])
    expect(lone.all('bye')).toHaveLength(0)
  })

  it('accepts a connect from a neighbour that lost its state as a new one', () => {
    const lone = among(others.slice(0, 3))
    lone.hear(others[0]!, connect(0))
    expect(size(lone)).toBe(3)
    expect(lone.to('accept')).toEqual([others[0]!.id])
  })
})

describe('a peer that floods handshake messages', () => {
  it('is answered at a bounded rate', () => {
    const lone = new Lone()
    for (let i = 0; i < 1_000; i++) lone.hear(others[0]!, connect(0))
    expect(lone.all('accept')).toHaveLength(HANDSHAKES_BURST)
    expect(lone.search.counters().dropped.rate).toBe(1_000 - HANDSHAKES_BURST)
  })
})

describe('the end of a neighbour', () => {
  it.each(['bye', 'link', 'member'] as const)('follows at once from %s', how => {
    const lone = among(others.slice(0, 2))
    lone.do((search, now) => {
      if (how === 'bye') search.receive(others[0]!, 'stream', { kind: 'bye' }, now)
      else if (how === 'link') search.link(others[0]!.id, 'down', now)
      else search.memberDown(others[0]!.id, now)
    })
    expect(idsOf(lone.search.neighbours())).toEqual([others[1]!.id])
    expect(lone.emitted('neighbours').at(-1)).toEqual({ kind: 'neighbours', count: 1 })
    lone.hear(others[1]!, queryOf())
    expect(lone.to('query')).toEqual([])
  })

  it('makes the node ask another member', () => {
    const lone = among(others.slice(0, 6))
    lone.start()
    lone.up(...others)
    lone.until(1_000)
    lone.sent.length = 0
    lone.do((search, now) => {
      search.link(others[0]!.id, 'down', now)
    })
    lone.until(2_000)
    expect(lone.to('connect')).toHaveLength(1)
    expect(lone.to('connect')).not.toContain(others[0]!.id)
  })

  it('excuses descriptors that it sent before it knew, and not those of a stranger', () => {
    const lone = among(others.slice(0, 2))
    lone.hear(others[0]!, { kind: 'bye' }, queryOf())
    expect(lone.emitted('misbehaved')).toEqual([])
    expect(lone.search.counters().dropped.former).toBe(1)
    lone.hear(others[5]!, queryOf({ id: descriptor(2) }))
    expect(lone.emitted('misbehaved')).toMatchObject([{ peer: others[5]!.id }])
    expect(lone.to('bye')).toEqual([others[5]!.id])
    expect(lone.all('query')).toEqual([])
  })
})

describe('rewiring', () => {
  it('replaces one neighbour by a random member periodically', () => {
    const lone = among(others.slice(0, 6))
    lone.start()
    lone.up(...others)
    let rounds = 0
    for (; rounds < 400 && lone.all('connect').length === 0; rounds++) lone.until(lone.ms + 1_000)
    const [asked] = lone.to('connect')
    lone.hear(contactOf(lone, asked!), accept(6))
    expect(size(lone)).toBe(6)
    expect(lone.all('bye')).toHaveLength(1)
    expect(idsOf(lone.search.neighbours())).toContain(asked)
  })
})

describe('a ban', () => {
  it('refuses a neighbour that was cut off until the ban ends', () => {
    const lone = among(others.slice(0, 3))
    for (let i = 0; i < 400; i++) {
      lone.ms += 10
      lone.hear(others[0]!, queryOf({ id: descriptor(i) }))
    }
    expect(idsOf(lone.search.neighbours())).not.toContain(others[0]!.id)
    lone.hear(others[0]!, connect(0))
    expect(lone.to('refuse')).toEqual([others[0]!.id])
    lone.ms = banMs * 1.5
    lone.hear(others[0]!, connect(0))
    expect(idsOf(lone.search.neighbours())).toContain(others[0]!.id)
  })

  it('makes wakes rare when no member is left to ask', () => {
    const lone = among(others.slice(0, 3))
    lone.start()
    for (let i = 0; i < 400; i++) {
      lone.ms += 10
      lone.hear(others[0]!, queryOf({ id: descriptor(i) }))
    }
    let wakes = 0
    for (const until = lone.ms + 60_000; lone.ms < until; wakes++) lone.until(lone.search.nextWake() ?? until)
    expect(wakes).toBeLessThan(120)
  })
})
