import { beforeEach, describe, expect, it } from 'vitest'
import { keyOf, placeOf } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { LOOKUPS_MAX, RELAYS_MAX, RING_DEFAULTS, successorListLength } from '../../../../src/core/ring/settings.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import { PATH_NODES_MAX } from '../../../../src/wire/ring.ts'
import { contacts, joined, key, Lone } from './lone.ts'

const all = contacts(14)
/** The node under test stands in the middle, so that no arc of the tests wraps around. */
const ME = 6
const [before2, before, me, behind, behind2] = all.slice(ME - 2, ME + 3) as [
  Contact,
  Contact,
  Contact,
  Contact,
  Contact
]
let node: Lone

beforeEach(() => {
  node = joined(all, ME)
})

/** Answers the ping for the nearest member before it, which then is its predecessor. */
function settlePredecessor(by: Contact = before): void {
  const ping = node.last('ping', by)
  if (ping === undefined) throw new Error('no ping for the predecessor')
  node.hear(by, { kind: 'pong', request: ping.request, joined: true })
}

/** Answers the query that is in flight to the first successor. */
function answerStabilise(from: Contact, predecessor: Contact | undefined, list: readonly Contact[]): void {
  const ask = node.last('ask', from)
  if (ask === undefined) throw new Error('no ring query')
  node.hear(from, {
    kind: 'state',
    request: ask.request,
    predecessor: predecessor?.id,
    successors: list.map(({ id }) => id)
  })
}

describe('a lone node', () => {
  it('is a ring of one that owns every key', () => {
    const lone = new Lone(me)
    lone.do((ring, now) => {
      ring.start(now)
    })
    expect(lone.ring.owns(key('0')) && lone.ring.owns(key('f'))).toBe(true)
    const request = lone.do((ring, now) => ring.lookup(key('7'), now))
    expect(lone.events.at(-1)).toMatchObject({ kind: 'found', request, owner: me, hops: 0 })
  })

  it('is part of no ring to others: it may have started a moment ago', () => {
    const lone = new Lone(me)
    lone.do((ring, now) => {
      ring.start(now)
    })
    lone.hear(behind, { kind: 'ask', request: 7 })
    expect(lone.last('unjoined')).toEqual({ kind: 'unjoined', request: 7 })
  })
})

describe('joining', () => {
  it("takes the successor's list first and is a member then", () => {
    expect(node.ring.view().successors[0]).toEqual(behind)
    expect(node.ring.view().successors).toHaveLength(8)
    expect(node.events.some(({ kind }) => kind === 'joined')).toBe(true)
  })

  it('answers no ring query until it has joined again', () => {
    node.do((ring, now) => {
      ring.rejoin(now)
    })
    node.hear(before, { kind: 'ask', request: 1 })
    expect(node.last('unjoined', before)).toEqual({ kind: 'unjoined', request: 1 })
    node.hear(before, { kind: 'ping', request: 2 })
    expect(node.last('pong', before)).toMatchObject({ joined: false })
    node.hear(before, {
      kind: 'lookup',
      request: 3,
      origin: before.id,
      serial: 1,
      key: key('7'),
      beyond: false,
      path: [before.id]
    })
    expect(node.last('refused', before)).toMatchObject({ reason: 'unjoined' })
  })

  it('waits for membership to know whom the ring knows, but not for ever', () => {
    const stranger = { id: 'e'.repeat(64) as typeof me.id, address: me.address }
    node.do((ring, now) => {
      ring.rejoin(now)
    })
    for (let i = 0; i < 11; i++) {
      expect(node.ring.standing).toBe('joining')
      answerStabilise(behind, undefined, [stranger, behind2])
      if (node.ring.standing === 'joining') node.until(node.ms + 400)
    }
    expect(node.ring.view().successors).toEqual([behind, behind2])
  })

  it('stands up as a ring of one when all are joining for some rounds and it has the lowest id', () => {
    const [low, high] = all.slice(0, 2).sort((a, b) => (a.id < b.id ? -1 : 1)) as [Contact, Contact]
    for (const [self, other] of [
      [low, high],
      [high, low]
    ] as const) {
      const lone = new Lone(self)
      lone.do((ring, now) => {
        ring.start(now)
      })
      lone.do((ring, now) => {
        ring.memberUp(other, now)
      })
      for (let round = 0; round < RING_DEFAULTS.standUpRounds; round++) {
        expect(lone.ring.standing).toBe('joining')
        lone.hear(other, { kind: 'unjoined', request: lone.last('ask')!.request })
        lone.until(lone.ms + 2 * RING_DEFAULTS.joinRetryMs)
      }
      expect(lone.ring.standing).toBe(self === low ? 'joined' : 'joining')
    }
  })
})

describe('with fewer than s + 1 members', () => {
  it('every successor list is the whole membership in ring order', () => {
    const few = joined(all.slice(0, 5), 2)
    const ids = (list: readonly Contact[]): string[] => list.map(({ id }) => id)
    expect(ids(few.ring.view().successors)).toEqual(ids([all[3]!, all[4]!, all[0]!, all[1]!]))
    expect(few.ring.view().predecessors[0]).toEqual(all[1])
    few.do((ring, now) => {
      ring.memberDown(all[3]!.id, now)
    })
    expect(ids(few.ring.view().successors)).toEqual(ids([all[4]!, all[0]!, all[1]!]))
  })

  it('begins at nine: successor lists are max(8, 2 * ceil(log2 N)) long, at most 32', () => {
    expect([1, 9, 16, 17, 64, 256, 65_536, 1_000_000].map(successorListLength)).toEqual([8, 8, 8, 10, 12, 16, 32, 32])
  })
})

describe('stabilisation', () => {
  beforeEach(() => {
    settlePredecessor()
  })

  it('takes over the first successor and its list, and notifies it', () => {
    answerStabilise(behind, undefined, all.slice(ME + 3))
    expect(node.ring.view().successors).toEqual([behind, ...all.slice(ME + 3)].slice(0, 8))
    expect(node.last('notify', behind)).toBeDefined()
  })

  it('does not notify a successor that knows already', () => {
    answerStabilise(behind, me, all.slice(ME + 2))
    expect(node.last('notify', behind)).toBeUndefined()
  })

  it('takes over a predecessor in between only if it answers as part of the ring', () => {
    const far = joined([...all.slice(0, ME + 1), ...all.slice(ME + 2)], ME)
    node = far
    settlePredecessor()
    far.do((ring, now) => {
      ring.memberUp(behind, now)
    })
    answerStabilise(behind2, behind, all.slice(ME + 3))
    expect(far.ring.view().successors[0]).toEqual(behind2)
    const ask = far.last('ask', behind)!
    far.hear(behind, { kind: 'unjoined', request: ask.request })
    expect(far.ring.view().successors[0]).toEqual(behind2)
    const asking = (): boolean => far.sent.at(-1)?.message.kind === 'ask' && far.sent.at(-1)?.to.id === behind2.id
    // Left alone for 4 s.
    while (far.ms < 4_500 || !asking()) far.until(far.ms + 50)
    answerStabilise(behind2, behind, all.slice(ME + 3))
    answerStabilise(behind, undefined, all.slice(ME + 2))
    expect(far.ring.view().successors.slice(0, 2)).toEqual([behind, behind2])
  })

  it('asks a member that membership alone shows in between: two rings merge', () => {
    const far = joined([...all.slice(0, ME + 1), ...all.slice(ME + 2)], ME)
    node = far
    settlePredecessor()
    far.do((ring, now) => {
      ring.memberUp(behind, now)
    })
    answerStabilise(behind2, undefined, all.slice(ME + 3))
    expect(far.last('ask', behind)).toBeDefined()
  })

  it('keeps a silent first successor that is up, and freshens the list behind it', () => {
    node.until(node.ms + 400 * 15 + 1)
    const fresh = all.slice(ME + 4)
    answerStabilise(behind2, undefined, fresh)
    expect(node.ring.view().successors).toEqual([behind, behind2, ...fresh].slice(0, 8))
  })

  it('has one query in flight: others hear busy meanwhile', () => {
    expect(node.last('ask', behind)).toBeDefined()
    node.hear(before, { kind: 'ask', request: 9 })
    expect(node.last('busy', before)).toEqual({ kind: 'busy', request: 9 })
    answerStabilise(behind, me, all.slice(ME + 2))
    node.hear(before, { kind: 'ask', request: 10 })
    expect(node.last('state', before)).toMatchObject({ request: 10 })
  })

  it('drops a member declared dead from every table at once', () => {
    for (const dead of [behind, before]) {
      node.do((ring, now) => {
        ring.memberDown(dead.id, now)
      })
    }
    const { predecessors, successors, routes } = node.ring.view()
    expect(predecessors).toEqual([])
    for (const dead of [behind, before]) expect([...successors, ...routes]).not.toContainEqual(dead)
  })
})

describe('rectify', () => {
  it('takes the notifier where there is no predecessor', () => {
    settlePredecessor()
    answerStabilise(behind, me, all.slice(ME + 2))
    node.do((ring, now) => {
      ring.memberDown(before.id, now)
    })
    const ping = node.last('ping', before2)!
    node.hear(before2, { kind: 'pong', request: ping.request, joined: false })
    node.hear(all[1]!, { kind: 'notify' })
    expect(node.ring.view().predecessors[0]).toEqual(all[1])
  })

  it('takes a notifier that lies between', () => {
    settlePredecessor()
    answerStabilise(behind, me, all.slice(ME + 2))
    node.do((ring, now) => {
      ring.memberDown(before.id, now)
      ring.receive(before2, 'datagram', { kind: 'notify' }, now)
      ring.memberUp(before, now)
    })
    node.hear(before2, { kind: 'pong', request: node.last('ping', before2)!.request, joined: true })
    expect(node.ring.view().predecessors[0]).toEqual(before2)
    node.hear(before, { kind: 'notify' })
    expect(node.ring.view().predecessors[0]).toEqual(before)
  })

  it('pings the present one for a notifier that does not, and keeps it while it is alive', () => {
    settlePredecessor()
    answerStabilise(behind, me, all.slice(ME + 2))
    for (const [alive, then] of [
      [true, before],
      [false, before2]
    ] as const) {
      node.hear(before2, { kind: 'notify' })
      const ping = node.last('ping', before)!
      node.hear(before, { kind: 'pong', request: ping.request, joined: alive })
      expect(node.ring.view().predecessors[0]).toEqual(then)
    }
  })
})

describe('a lookup', () => {
  const path = [before.id]
  const ask = { kind: 'lookup', origin: before.id, serial: 5, beyond: false, path } as const

  beforeEach(() => {
    settlePredecessor()
    answerStabilise(behind, me, all.slice(ME + 2))
  })

  it('is answered by the owner itself, which vouches for its arc', () => {
    node.hear(before, { ...ask, request: 1, key: placeOf(me.id), beyond: true })
    expect(node.last('took', before)).toEqual({ kind: 'took', request: 1 })
    const replicas = [me.id, behind.id, behind2.id]
    expect(node.last('found', before)).toEqual({
      kind: 'found',
      serial: 5,
      key: placeOf(me.id),
      from: placeOf(before.id),
      replicas,
      path: [before.id, me.id]
    })
  })

  it('goes to the owner that the successor list shows', () => {
    node.hear(before, { ...ask, request: 1, key: placeOf(all[ME + 3]!.id) })
    expect(node.last('lookup', all[ME + 3])).toMatchObject({ beyond: true, path: [before.id, me.id] })
  })

  it('is taken once: a copy is answered and not passed on', () => {
    for (let i = 0; i < 2; i++) node.hear(before, { ...ask, request: 1, key: placeOf(behind2.id) })
    expect(node.sent.filter(({ message }) => message.kind === 'lookup')).toHaveLength(1)
    expect(node.sent.filter(({ message }) => message.kind === 'took')).toHaveLength(2)
  })

  it('goes to the next best neighbour when one is silent or refuses', () => {
    node.hear(before, { ...ask, request: 1, key: placeOf(behind2.id) })
    expect(node.last('lookup', behind2)).toBeDefined()
    node.until(node.ms + 1_300)
    const second = node.sent.findLast(({ message, to }) => message.kind === 'lookup' && to.id !== behind2.id)!
    expect(second.message).toMatchObject({ kind: 'lookup', key: placeOf(behind2.id) })
    if (second.message.kind === 'lookup') {
      node.hear(second.to, { kind: 'refused', request: second.message.request, reason: 'no-progress' })
    }
    const tried = node.sent.filter(({ message }) => message.kind === 'lookup').map(({ to }) => to.id)
    expect(new Set(tried).size).toBe(3)
  })

  it('is refused where it would not come closer to the key', () => {
    node.hear(behind, { ...ask, request: 1, key: placeOf(behind2.id), origin: before.id, path: [before.id, behind.id] })
    expect(node.last('refused', behind)).toMatchObject({ reason: 'no-progress' })
    node.hear(before, {
      ...ask,
      request: 2,
      key: placeOf(behind2.id),
      origin: before2.id,
      path: [before2.id, me.id, before.id]
    })
    expect(node.last('refused', before)).toMatchObject({ reason: 'no-progress' })
  })

  it('is refused after as many nodes as a path holds', () => {
    const long = [...Array.from({ length: PATH_NODES_MAX - 1 }, () => before2.id), before.id]
    node.hear(before, { ...ask, origin: before2.id, request: 1, key: placeOf(behind2.id), path: long })
    expect(node.last('refused', before)).toMatchObject({ reason: 'too-long' })
  })

  it('is answered to members only, at the address that membership knows', () => {
    const stranger = key('e') as string as typeof me.id
    node.hear(before, { ...ask, origin: stranger, request: 1, key: placeOf(me.id), path: [stranger, before.id] })
    expect(node.last('refused', before)).toMatchObject({ reason: 'unknown-origin' })
    expect(node.last('found')).toBeUndefined()
  })

  it('of others is refused beyond what a node may care for', () => {
    const random = Random.from(2)
    const place = placeOf(behind2.id)
    for (let i = 0; i <= RELAYS_MAX; i++) {
      node.hear(before, { ...ask, request: random.u32(), key: place })
    }
    expect(node.last('refused', before)).toMatchObject({ reason: 'overloaded' })
  })

  it('ends with one event by its deadline though nobody answers', () => {
    const requests = Array.from({ length: LOOKUPS_MAX + 1 }, () =>
      node.do((ring, now) => ring.lookup(placeOf(before2.id), now))
    )
    const ended = (): number[] => node.events.flatMap(event => (event.kind === 'lost' ? [event.request] : []))
    expect(ended()).toEqual([requests.at(-1)])
    node.until(node.ms + 10_000)
    expect(ended().sort((a, b) => a - b)).toEqual(requests)
  })

  it('believes an owner only for the arc that it vouches for, and only itself', () => {
    const wanted = placeOf(before2.id)
    const serial = node.do((ring, now) => ring.lookup(wanted, now))
    const lies: Array<[Contact, { from: typeof wanted; replicas: string[]; path: string[] }]> = [
      [before, { from: wanted, replicas: [before.id], path: [me.id, before.id] }],
      [before, { from: key('0'), replicas: [before2.id], path: [me.id, before.id] }],
      [before2, { from: key('0'), replicas: [before2.id], path: [before2.id] }]
    ]
    for (const [from, lie] of lies) node.hear(from, { kind: 'found', serial, key: wanted, ...lie } as never)
    expect(node.events.filter(({ kind }) => kind === 'misbehaved')).toHaveLength(3)
    expect(node.events.filter(({ kind }) => kind === 'found')).toHaveLength(0)
    const truth = { from: placeOf(all[ME - 3]!.id), replicas: [before2.id, before.id], path: [me.id, before2.id] }
    node.hear(before2, { kind: 'found', serial, key: wanted, ...truth })
    expect(node.events.at(-1)).toMatchObject({
      kind: 'found',
      owner: before2,
      replicas: [before2, before],
      hops: 1,
      missing: 0
    })
  })
})

describe('the ranges', () => {
  it('are told when the predecessor or the replicas change, and not otherwise', () => {
    settlePredecessor()
    const told = () => node.events.filter(event => event.kind === 'ranges').map(({ ranges }) => ranges)
    const range = { from: placeOf(before.id), to: placeOf(me.id) }
    expect(told().at(-1)?.owned).toEqual([{ ...range, replicas: [me, behind, behind2] }])
    expect(told().at(-1)).toEqual(node.ring.ranges())
    const count = told().length
    answerStabilise(behind, me, all.slice(ME + 2))
    expect(told()).toHaveLength(count)
  })

  it('say who owns a key, where its copies are and where a lookup goes', () => {
    settlePredecessor()
    const [own, next] = [placeOf(me.id), placeOf(behind.id)]
    expect([node.ring.owns(own), node.ring.owner(own)]).toEqual([true, me])
    expect([node.ring.owns(next), node.ring.owner(next)]).toEqual([false, behind])
    expect(node.ring.replicas(own)).toEqual([me, behind, behind2])
    expect(node.ring.replicas(next)).toEqual([])
    expect(node.ring.nextHop(own)).toBeUndefined()
    expect(node.ring.nextHop(next)).toEqual(behind)
    expect(node.ring.owns(keyOf(new Uint8Array(32)))).toBe(false)
    expect(node.ring.owner(placeOf(before.id))).toBeUndefined()
  })
})
