import { beforeEach, describe, expect, it } from 'vitest'
import { placeOf } from '../../../../src/base/ids.ts'
import { add } from '../../../../src/base/ring.ts'
import { FINDS_MAX } from '../../../../src/core/records/settings.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import { GOT_RECORDS_MAX } from '../../../../src/wire/records.ts'
import { contacts, copyOf, HOUR_MS, key, Lone, notary, recordOf } from './lone.ts'

const [me, a, b, c] = contacts as [Contact, Contact, Contact, Contact]
let node: Lone

beforeEach(() => {
  node = new Lone(me)
})

describe('a put', () => {
  const put = (node: Lone, ...copies: Array<ReturnType<typeof copyOf>>): void => {
    node.hear(a, { kind: 'put', request: 1, copies })
  }

  it('is acked only when all of it is on disk', () => {
    node.owns()
    put(node, copyOf(recordOf(b)), copyOf(recordOf(c)))
    expect(node.last('stored')).toBeUndefined()
    node.sync()
    expect(node.last('stored')?.outcomes).toEqual([
      { verdict: 'stored', sequence: 1 },
      { verdict: 'stored', sequence: 1 }
    ])
  })

  it('of what is on its way to the disk already waits for that too', () => {
    node.owns()
    put(node, copyOf(recordOf(b)))
    put(node, copyOf(recordOf(b)))
    expect(node.writes).toHaveLength(1)
    expect(node.last('stored')).toBeUndefined()
    node.sync()
    expect(node.sent.filter(({ message }) => message.kind === 'stored')).toHaveLength(2)
  })

  it('is no ack when the disk is full', () => {
    node.owns()
    put(node, copyOf(recordOf(b)))
    node.sync(false)
    expect(node.last('stored')?.outcomes).toEqual([{ verdict: 'full', sequence: 0 }])
    expect(node.records.holds(key('1'), b.id, 1)).toBe(false)
  })

  it('of a key that this node is no replica of is refused', () => {
    put(node, copyOf(recordOf(b)))
    expect(node.last('stored')?.outcomes).toEqual([{ verdict: 'not-mine', sequence: 0 }])
    const from = add(placeOf(me.id), -1n)
    node.owns([me, a, b], { replicated: from, accepted: from })
    put(node, copyOf(recordOf(b)))
    expect(node.last('stored')?.outcomes).toEqual([{ verdict: 'not-mine', sequence: 0 }])
  })

  it('of a lower sequence is stale, and of the same one changes nothing', () => {
    node.owns()
    put(node, copyOf(recordOf(b, { sequence: 5 })))
    node.sync()
    put(node, copyOf(recordOf(b, { sequence: 4 })), copyOf(recordOf(b, { sequence: 5 })))
    expect(node.last('stored')?.outcomes).toEqual([
      { verdict: 'stale', sequence: 5 },
      { verdict: 'stored', sequence: 5 }
    ])
    expect(node.writes).toHaveLength(0)
  })

  it('costs a verification only where it would change something', () => {
    node.owns()
    put(node, copyOf(recordOf(b, { sequence: 5 })))
    expect(node.verified).toBe(1)
    put(node, copyOf(recordOf(b, { sequence: 4 })), copyOf(recordOf(b, { sequence: 5 })))
    expect(node.verified).toBe(1)
  })

  it('that its provider did not sign is refused and reported', () => {
    node.owns()
    put(node, copyOf({ ...recordOf(b), held: 'part' }))
    expect(node.last('stored')?.outcomes).toEqual([{ verdict: 'bad', sequence: 0 }])
    expect(node.events.at(-1)).toMatchObject({ kind: 'misbehaved', peer: a.id })
    expect(node.records.stored()).toBe(0)
  })

  it('is refused beyond the limits of a key, of a provider and of the node', () => {
    for (const limit of ['recordsPerKeyMax', 'recordsPerProviderMax', 'recordsMax'] as const) {
      const small = new Lone(me, { [limit]: 2 })
      small.owns()
      const records = {
        recordsPerKeyMax: [a, b, c].map(provider => recordOf(provider)),
        recordsPerProviderMax: ['1', '2', '3'].map(digit => recordOf(b, { key: key(digit) })),
        recordsMax: [recordOf(a), recordOf(b, { key: key('2') }), recordOf(c, { key: key('3') })]
      }
      put(small, ...records[limit].map(record => copyOf(record)))
      small.sync()
      expect(small.last('stored')?.outcomes.map(({ verdict }) => verdict)).toEqual(['stored', 'stored', 'full'])
    }
  })

  it('lives no longer than is left of it', () => {
    node.owns()
    put(node, copyOf(recordOf(b), HOUR_MS), copyOf(recordOf(c), 1_000 * HOUR_MS), copyOf(recordOf(a), 0))
    node.sync()
    expect(node.last('stored')?.outcomes[2]).toEqual({ verdict: 'stale', sequence: 1 })
    node.until(2 * HOUR_MS)
    expect(node.records.holds(key('1'), b.id, 1)).toBe(false)
    expect(node.records.holds(key('1'), c.id, 1)).toBe(true)
    node.sync()
    node.until(49 * HOUR_MS)
    expect(node.records.stored()).toBe(0)
  })
})

describe('after a restart', () => {
  it('a record lives for what was left of it when it was last written', () => {
    node.owns()
    node.hear(a, { kind: 'put', request: 1, copies: [copyOf(recordOf(b))] })
    node.sync()
    node.until(20 * HOUR_MS)
    node.sync()
    const again = new Lone(me, {}, node.disk)
    expect(again.records.holds(key('1'), b.id, 1)).toBe(true)
    again.until(27 * HOUR_MS)
    expect(again.records.stored()).toBe(1)
    again.sync()
    again.until(36 * HOUR_MS)
    expect(again.records.stored()).toBe(0)
  })

  it('a provider claims anew what it published, above the sequence of before', () => {
    node.owns([me, a])
    node.do((records, now) => {
      records.publish(key('1'), 'all', now)
    })
    node.sync()
    const again = new Lone(me, {}, node.disk)
    again.owns([me, a])
    again.until(6_000)
    again.sync()
    again.locate([a, me])
    expect(again.last('put', a)?.copies[0]?.record).toMatchObject({ sequence: 2, held: 'all' })
  })

  it('what does not decode is dropped', () => {
    const torn = new Lone(
      me,
      {},
      new Map([
        ['records/x', Uint8Array.of(1)],
        ['published/x', Uint8Array.of(1)]
      ])
    )
    torn.sync()
    expect(torn.disk.size).toBe(0)
  })
})

describe('publishing', () => {
  const publish = (held: 'part' | 'all' = 'all'): void => {
    node.do((records, now) => {
      records.publish(key('1'), held, now)
    })
  }
  const published = (): unknown[] => node.events.filter(({ kind }) => kind === 'published')

  beforeEach(() => {
    node.owns([me, a, b])
  })

  it('sends nothing before its sequence is on disk', () => {
    publish()
    expect(node.events.some(({ kind }) => kind === 'locate')).toBe(false)
    node.sync()
    expect(node.events.some(({ kind }) => kind === 'locate')).toBe(true)
  })

  it('is done when every replica has it on disk, this node too where it is one', () => {
    publish()
    node.sync()
    node.locate([me, a, b])
    node.ack(a)
    node.ack(b)
    expect(published()).toHaveLength(0)
    node.sync()
    expect(published()).toEqual([{ kind: 'published', key: key('1'), held: 'all', sequence: 1, acks: 3, of: 3 }])
  })

  it('is not done by an owner that knows fewer members than this node', () => {
    publish()
    node.sync()
    node.locate([a])
    node.ack(a)
    expect(published()).toHaveLength(0)
    node.until(node.ms + 1_000)
    node.locate([a, b, c])
    for (const replica of [a, b, c]) node.ack(replica)
    expect(published()).toMatchObject([{ acks: 3, of: 3 }])
  })

  it('looks up again when a replica refuses, is silent or goes down', () => {
    publish()
    node.sync()
    const lookups = (): number => node.events.filter(({ kind }) => kind === 'locate').length
    node.locate([a, b, c])
    const { request } = node.last('put', a)!
    node.hear(a, { kind: 'stored', request, outcomes: [{ verdict: 'not-mine', sequence: 0 }] })
    node.until(node.ms + 1_000)
    expect(lookups()).toBe(1)
    node.locate([a, b, c])
    node.do((records, now) => {
      records.memberDown(b.id, now)
    })
    node.until(node.ms + 2_000)
    expect(lookups()).toBe(1)
    node.locate([a, b, c])
    // 0.5 + 1 + 2 + 4 s for four sends, and the pause.
    node.until(node.ms + 12_000)
    expect(lookups()).toBe(1)
  })

  it('takes along what lies in the same arc', () => {
    for (const digit of ['1', '2', '3']) {
      node.do((records, now) => {
        records.publish(key(digit), 'all', now)
      })
    }
    node.sync()
    node.locate([a, b, c], { from: placeOf(a.id), to: placeOf(a.id) })
    expect(node.last('put', b)?.copies.length).toBe(3)
  })

  it('says something new above what it said before', () => {
    publish('part')
    publish('all')
    node.sync()
    node.locate([a, b, c])
    expect(node.last('put', a)?.copies[0]?.record).toMatchObject({ sequence: 2, held: 'all' })
  })

  it('goes on above what the replicas know when the disk was lost', () => {
    publish()
    node.sync()
    node.locate([a, b, c])
    const { request } = node.last('put', a)!
    node.hear(a, { kind: 'stored', request, outcomes: [{ verdict: 'stale', sequence: 57 }] })
    node.until(node.ms + 1_000)
    node.sync()
    node.locate([a, b, c])
    expect(node.last('put', a)?.copies[0]?.record.sequence).toBe(58)
  })

  it('is refreshed before half of its time to live, by a higher sequence', () => {
    publish()
    node.sync()
    node.locate([a, b, c])
    for (const replica of [a, b, c]) node.ack(replica)
    node.until(12 * HOUR_MS)
    expect(node.writes).toHaveLength(0)
    node.until(22 * HOUR_MS)
    node.sync()
    node.locate([a, b, c])
    expect(node.last('put', a)?.copies[0]?.record.sequence).toBe(2)
  })

  it('ends with a tombstone that lives as long as the record would have', () => {
    publish()
    node.do((records, now) => {
      records.withdraw(key('1'), now)
    })
    node.sync()
    node.locate([a, b, c])
    expect(node.last('put', a)?.copies[0]).toMatchObject({
      record: { held: 'none', sequence: 2 },
      leftMs: 48 * HOUR_MS
    })
    for (const replica of [a, b, c]) node.ack(replica)
    expect(published()).toMatchObject([{ held: 'none', acks: 3 }])
    node.until(49 * HOUR_MS)
    node.sync()
    expect([...node.disk.keys()]).toEqual([])
  })

  it('is refused beyond its limit', () => {
    const small = new Lone(me, { publicationsMax: 1 })
    for (const digit of ['1', '2']) {
      small.do((records, now) => {
        records.publish(key(digit), 'all', now)
      })
    }
    expect(small.events).toEqual([{ kind: 'unpublished', key: key('2'), reason: 'limit' }])
  })
})

describe('finding', () => {
  const find = (): void => {
    node.do((records, now) => {
      records.find(key('1'), now)
    })
  }
  const answer = (from: Contact, records: ReturnType<typeof recordOf>[], mine = true): void => {
    const { request } = node.last('get', from)!
    node.hear(from, { kind: 'got', request, mine, total: records.length, records })
  }

  it('gathers from all replicas, the highest sequence of each provider', () => {
    find()
    node.locate([a, b, c])
    answer(a, [recordOf(a, { sequence: 1, held: 'part' }), recordOf(b)])
    answer(b, [recordOf(a, { sequence: 2, held: 'all' })])
    answer(c, [recordOf(b, { sequence: 2, held: 'none' })])
    const providers = [{ provider: a.id, held: 'all' }]
    expect(node.events).toMatchObject([{ kind: 'providers', key: key('1'), providers, complete: true }])
  })

  it('is complete only when most of the replicas answered as such', () => {
    find()
    node.locate([a, b, c])
    answer(a, [recordOf(a)])
    answer(b, [recordOf(a)], false)
    node.do((records, now) => {
      records.memberDown(c.id, now)
    })
    expect(node.events).toMatchObject([{ kind: 'providers', complete: false, providers: [{ provider: a.id }] }])
  })

  it('names no provider that did not sign', () => {
    find()
    node.locate([a, b])
    answer(a, [{ ...recordOf(c), sequence: 9 }, recordOf(c, { key: key('2') })])
    answer(b, [])
    expect(node.events.filter(({ kind }) => kind === 'misbehaved')).toHaveLength(2)
    expect(node.events.at(-1)).toMatchObject({ kind: 'providers', providers: [] })
  })

  it('ends by its deadline though nobody answers', () => {
    find()
    node.until(10_000)
    expect(node.events.at(-1)).toMatchObject({ kind: 'providers', complete: false })
  })

  it('is refused at once beyond its limit', () => {
    for (let i = 0; i <= FINDS_MAX; i++) find()
    expect(node.events.filter(({ kind }) => kind === 'providers')).toHaveLength(1)
  })

  it('is answered by a sample where there are more than an answer holds', () => {
    node.owns()
    const many = Array.from({ length: GOT_RECORDS_MAX + 1 }, (_, i) => {
      const id = key((i % 10).toString()).replace(/^.{4}/, i.toString(16).padStart(4, '0')) as typeof me.id
      return copyOf(recordOf({ id, address: me.address }))
    })
    node.hear(a, { kind: 'put', request: 1, copies: many })
    node.sync()
    node.hear(a, { kind: 'get', request: 2, key: key('1') })
    const got = node.last('got')!
    expect(got.total).toBe(GOT_RECORDS_MAX + 1)
    expect(new Set(got.records.map(({ provider }) => provider)).size).toBe(GOT_RECORDS_MAX)
    expect(node.sent.at(-1)?.channel).toBe('stream')
  })
})

describe('comparing an arc', () => {
  it('brings both sides what they lack, page by page', () => {
    const owner = node
    const replica = new Lone(a)
    replica.owns([a])
    const record = (i: number) => {
      const place = notary.signer(me.id).sign('x', Uint8Array.of(i >> 8, i & 255))
      return recordOf(b, { key: Buffer.from(place.subarray(0, 32)).toString('hex') as ReturnType<typeof key> })
    }
    owner.owns([me])
    for (let i = 0; i < 1_300; i++) {
      const holders = i % 13 === 0 ? [owner] : i % 17 === 0 ? [replica] : [owner, replica]
      for (const holder of holders) {
        holder.hear(c, { kind: 'put', request: i, copies: [copyOf(record(i))] })
        holder.sync()
      }
    }
    owner.owns([me, a])
    owner.until(500)
    const seen = { owner: owner.sent.length - 1, replica: replica.sent.length }
    const pump = (from: Lone, to: Lone, side: 'owner' | 'replica'): boolean => {
      const fresh = from.sent.slice(seen[side]).filter(one => one.to.id === to.self.id)
      seen[side] = from.sent.length
      for (const { message } of fresh) to.hear(from.self, message)
      to.sync()
      return fresh.length > 0
    }
    while (pump(owner, replica, 'owner') || pump(replica, owner, 'replica')) if (owner.sent.length > 10_000) break
    expect(owner.records.stored()).toBe(1_300)
    expect(replica.records.stored()).toBe(1_300)
    const inventories = replica.sent.filter(({ message }) => message.kind === 'inventory')
    expect(inventories).toHaveLength(3)
    owner.until(3_000)
    pump(owner, replica, 'owner')
    expect(replica.last('same')).toBeDefined()
  })
})

describe('handing over', () => {
  /** The node holds a record, and by its membership it is no replica of its key any more. */
  const stray = (): void => {
    node.owns()
    node.hear(a, { kind: 'put', request: 1, copies: [copyOf(recordOf(b))] })
    node.sync()
    leave()
  }
  const leave = (): void => {
    const from = add(placeOf(me.id), -1n)
    node.owns([me, a, b], { replicated: from, accepted: from })
  }
  const deliverTo = (replicas: readonly Contact[]): void => {
    node.locate(replicas)
    for (const replica of replicas) if (replica.id !== me.id) node.ack(replica)
  }

  it('drops a record only some time after all replicas of its key have it', () => {
    stray()
    node.until(1_000)
    deliverTo([a, b])
    node.until(20_000)
    expect(node.records.stored()).toBe(1)
    deliverTo([a, b, c])
    expect(node.records.stored()).toBe(1)
    node.until(120_000)
    expect(node.records.stored()).toBe(0)
  })

  it('goes on while the ring, being behind the membership, still names this node as a replica', () => {
    stray()
    // It takes records of the whole ring, so that its own ack counts too.
    node.owns([me, a, b], { replicated: add(placeOf(me.id), -1n) })
    node.until(1_000)
    deliverTo([me, a, b])
    leave()
    node.until(30_000)
    expect(node.events).toContainEqual(expect.objectContaining({ kind: 'locate', key: key('1') }))
    node.until(120_000)
    expect(node.records.stored()).toBe(1)
    deliverTo([a, b, c])
    node.until(240_000)
    expect(node.records.stored()).toBe(0)
  })

  it('begins again when others have counted on this node since', () => {
    stray()
    node.owns([me, a, b], { replicated: add(placeOf(me.id), -1n) })
    node.until(1_000)
    deliverTo([a, b, c])
    node.until(10_000)
    node.hear(c, { kind: 'put', request: 2, copies: [copyOf(recordOf(b))] })
    expect(node.last('stored')?.outcomes).toEqual([{ verdict: 'stored', sequence: 1 }])
    leave()
    node.until(120_000)
    expect(node.records.stored()).toBe(1)
    deliverTo([a, b, c])
    node.until(240_000)
    expect(node.records.stored()).toBe(0)
  })

  it("ends when the record is this node's again", () => {
    stray()
    node.until(1_000)
    node.locate([a, b, c])
    node.owns([me, a, b])
    node.until(30_000)
    node.events.length = 0
    node.until(60_000)
    expect(node.events).toEqual([])
    expect(node.records.stored()).toBe(1)
  })
})
