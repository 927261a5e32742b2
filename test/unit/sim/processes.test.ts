import { describe, expect, it } from 'vitest'
import { after } from '../../../src/base/time.ts'
import { oneWay } from '../../../src/sim/network/network.ts'
import { PAUSED_DATAGRAMS_MAX } from '../../../src/sim/driver.ts'
import { even, pinging, toyWorld, two } from './toy-world.ts'

describe('datagrams', () => {
  it('are cut in one direction by a one-way cut', () => {
    const world = pinging(2)
    const [a, b] = [world.node(0), world.node(1)]
    const partition = world.network.partition(oneWay([a.index], [b.index]))
    world.run(1_000)
    expect(b.machine.pings.size).toBe(0)
    expect(a.machine.pings.get(b.id)).toBeGreaterThan(90)
    partition.end()
    world.run(1_000)
    expect(b.machine.pings.get(a.id)).toBeGreaterThan(90)
  })

  it('are lost and duplicated in the configured shares', () => {
    const world = pinging(2, { network: { loss: 0.3, duplication: 0.2 } })
    world.run(100_000)
    const sent = 10_000
    const heard = world.node(1).machine.pings.get(world.node(0).id) ?? 0
    // 0.7 of them arrive, 1.2 times each; the tolerance is four standard deviations.
    expect(Math.abs(heard / sent - 0.84)).toBeLessThan(4 * 0.0065)
  })

  it('may arrive out of order', () => {
    const world = pinging(2, { network: { latencyMinMs: 100, latencyMaxMs: 100, jitter: 1 } })
    world.run(5_000)
    const counts = world.node(1).machine.pingCounts
    expect(counts.some((count, index) => index > 0 && count < counts[index - 1]!)).toBe(true)
  })

  it('are lost at the address of another node, and when the node moves while they are in transit', () => {
    const { world, a, b } = two()
    const c = world.add()
    world.call(a, toy => toy.ping({ id: c.id, address: b.address }))
    world.run(1_000)
    expect(b.machine.received).toEqual([])
    world.call(a, toy => toy.ping(b.contact))
    world.crash(b)
    world.start(b, { move: true })
    world.run(1_000)
    expect(b.machine.received).toEqual([])
  })

  it('reach a process that started after they were sent to its address', () => {
    const { world, a, b } = two()
    world.call(a, toy => toy.ping(b.contact))
    world.crash(b)
    world.start(b)
    world.run(1_000)
    expect(b.machine.received).toHaveLength(1)
  })

  it('to a node that moved or died are lost; the node can send from its new address', () => {
    const { world, a, b } = two()
    const old = b.contact
    world.crash(b)
    world.start(b, { move: true })
    world.call(a, toy => {
      toy.ping(old)
    })
    world.run(1_000)
    expect(b.machine.pings.size).toBe(0)
    world.call(b, toy => {
      toy.ping(a.contact)
    })
    world.run(1_000)
    expect(a.machine.sources.map(({ address }) => address)).toEqual([b.address])
    expect(b.address).not.toEqual(old.address)
  })
})

describe('a disk', () => {
  it('keeps completed writes in a crash, and may lose pending ones', () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 20; seed++) {
      const { world, a } = two({ seed })
      world.call(a, toy => {
        toy.save()
      })
      world.run(100)
      expect(a.machine.safeSaves).toBe(1)
      world.call(a, toy => {
        toy.save()
      })
      world.crash(a)
      world.start(a)
      kept.add(a.machine.saves)
    }
    expect([...kept].sort()).toEqual([1, 2])
  })

  it('keeps all writes when the process exits normally', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { world, a } = two({ seed })
      world.call(a, toy => {
        toy.save()
      })
      world.stop(a)
      world.start(a)
      expect(a.machine.saves).toBe(1)
    }
  })

  it('that is full refuses a write and keeps the old value', () => {
    const { world, a } = two()
    a.disk.full = true
    world.call(a, toy => {
      toy.save()
    })
    world.run(100)
    expect(a.machine.results).toEqual([{ ok: false, reason: 'disk-full' }])
    expect(a.disk.contents().size).toBe(0)
  })

  it('ends writes in the order in which they began', () => {
    const { world, a } = two({ disk: { syncMinMs: 1, syncMaxMs: 100 } })
    for (let i = 0; i < 20; i++)
      world.call(a, toy => {
        toy.save()
      })
    world.run(3_000)
    expect(a.machine.safeSaves).toBe(20)
    expect(a.machine.savedInOrder).toBe(true)
  })
})

describe('a paused process', () => {
  it('receives nothing until it is resumed, and then the datagrams in its socket buffer', () => {
    const { world, a, b } = two({ network: even(1) })
    world.pause(b)
    const sent = PAUSED_DATAGRAMS_MAX + 50
    for (let i = 0; i < sent; i++)
      world.call(a, toy => {
        toy.ping(b.contact)
      })
    world.run(1_000)
    expect(b.machine.pings.size).toBe(0)
    world.resume(b)
    expect(b.machine.pings.get(a.id)).toBe(PAUSED_DATAGRAMS_MAX)
  })

  it('wakes late, with the current time', () => {
    const world = pinging(2, { clock: { driftMax: 0, wallOffsetMaxMs: 0, timerLateMaxMs: 0 } })
    world.run(100)
    const a = world.node(0)
    const before = a.machine.wokenAt.length
    world.pause(a)
    world.run(500)
    expect(a.machine.wokenAt.length).toBe(before)
    world.resume(a)
    world.run(0)
    const late = a.machine.wokenAt.slice(before)
    expect(late.length).toBeGreaterThanOrEqual(50)
    expect(Math.round(late[0]! - a.machine.wokenAt[before - 1]!)).toBe(500)
  })

  it('gets the result of a write when it is resumed, and loses the result when it is killed', () => {
    const { world, a, b } = two()
    for (const node of [a, b]) {
      world.call(node, toy => {
        toy.save()
      })
      world.pause(node)
    }
    world.run(100)
    world.resume(a)
    expect(a.machine.safeSaves).toBe(1)
    world.crash(b)
    world.start(b)
    expect(b.machine.saves).toBe(1)
  })
})

describe('clocks', () => {
  it('have their own origins and rates, and never go back', () => {
    const world = toyWorld({ clock: { driftMax: 0.01 } })
    const [a, b] = [world.add(), world.add()]
    a.clock.boot(0)
    b.clock.boot(0)
    const span = ({ clock }: typeof a): number => -(clock.now(0).mono - clock.now(100_000).mono)
    const spans = [span(a), span(b)]
    expect(spans[0]).not.toBe(spans[1])
    for (const ms of spans) expect(Math.abs(ms - 100_000)).toBeLessThanOrEqual(1_000)
    expect(a.clock.now(50_000).mono).toBe(a.clock.now(100_000).mono)
  })

  it('show at least the time of a timer that has fired, despite rounding', () => {
    const { a } = two()
    const { mono } = a.clock.now(10)
    a.clock.reach(after(mono, 0.001))
    expect(a.clock.now(10).mono).toBe(mono + 0.001)
  })

  it('wake a machine at or after the requested time', () => {
    for (const timerLateMaxMs of [0, 1]) {
      const world = pinging(5, { clock: { driftMax: 0.01, timerLateMaxMs } })
      world.run(10_000)
      for (const { machine } of world.nodes) {
        expect(machine.earlyWakes).toBe(0)
        expect(machine.wokenAt.length).toBeGreaterThan(900)
      }
    }
  })
})
