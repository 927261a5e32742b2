import { describe, expect, it } from 'vitest'
import { oneWay, split } from '../../../src/sim/network/network.ts'
import { DIAL_QUEUE_MAX, STREAM_BACKLOG_MAX } from '../../../src/sim/network/links.ts'
import { even, linked, links, numbers, two, upTo, violated } from './toy-world.ts'

const DIAL_TIMEOUT_MS = 5_000
const SILENCE_TIMEOUT_MAX_MS = 12_500

describe('a stream', () => {
  it('is ordered and complete under loss', () => {
    const { world, a, b } = two({ network: { loss: 0.3, duplication: 0.3 } })
    for (const value of upTo(200)) {
      world.call(a, toy => {
        toy.stream(b.contact, value)
      })
      world.run(3)
    }
    world.run(20_000)
    expect(numbers(b)).toEqual(upTo(200))
    expect(links(a)).toEqual(['up'])
    expect(links(b)).toEqual(['up'])
  })

  it('sends queued messages before those that the machine sends when the link is up', () => {
    const { world, a, b } = two()
    world.call(a, toy => {
      toy.onUp = peer => {
        toy.stream({ ...b.contact, id: peer }, 2)
      }
      toy.stream(b.contact, 0)
      toy.stream(b.contact, 1)
    })
    world.run(1_000)
    expect(numbers(b)).toEqual([0, 1, 2])
  })

  it('is one link when both dial at once, and the messages of both arrive', () => {
    const { world, a, b } = two()
    world.call(a, toy => {
      toy.stream(b.contact, 1)
    })
    world.call(b, toy => {
      toy.stream(a.contact, 2)
    })
    world.run(3_000)
    expect(world.links.opened).toBe(1)
    expect([numbers(a), numbers(b)]).toEqual([[2], [1]])
    expect([links(a), links(b)]).toEqual([['up'], ['up']])
  })

  it('to a host without a process is refused within two round trips', () => {
    const { world, a, b } = two({ network: even(10) })
    world.crash(b)
    world.call(a, toy => {
      toy.stream(b.contact, 1)
    })
    world.run(41)
    expect(links(a)).toEqual(['down'])
  })

  it('to a dead host or an unused address fails after the dial timeout', () => {
    const { world, a, b } = two()
    world.crash(b, { host: true })
    world.call(a, toy => {
      toy.stream(b.contact, 1)
    })
    world.run(DIAL_TIMEOUT_MS - 1)
    expect(links(a)).toEqual([])
    world.run(2)
    expect(links(a)).toEqual(['down'])
    world.start(b)
    world.call(a, toy => {
      toy.stream({ id: b.id, address: { host: '192.0.2.1', port: 1 } }, 1)
    })
    world.run(DIAL_TIMEOUT_MS + 1)
    expect(links(a)).toEqual(['down', 'down'])
  })

  it('to the right address of the wrong node is refused', () => {
    const { world, a, b } = two()
    const c = world.add()
    world.call(a, toy => {
      toy.stream({ id: c.id, address: b.address }, 1)
    })
    world.run(1_000)
    expect(links(a)).toEqual(['down'])
    expect(links(b)).toEqual([])
  })

  it('refuses more than DIAL_QUEUE_MAX messages for one dial', () => {
    const { world, a, b } = two()
    const flood = (): void => {
      world.call(a, toy => {
        for (let i = 0; i <= DIAL_QUEUE_MAX; i++) toy.stream(b.contact, i)
      })
    }
    expect(violated(flood)).toBe('assert')
  })
})

describe('a link', () => {
  it('goes down at the peers at once when a process dies', () => {
    const { world, a, b } = linked({ network: even(10) })
    world.crash(b)
    world.run(11)
    expect(links(a)).toEqual(['up', 'down'])
  })

  it('goes down at the peers after the silence timeout when a host dies', () => {
    const { world, a, b } = linked()
    world.crash(b, { host: true })
    world.run(9_999)
    expect(links(a)).toEqual(['up'])
    world.run(SILENCE_TIMEOUT_MAX_MS - 9_999)
    expect(links(a)).toEqual(['up', 'down'])
  })

  it('is half open after a host died and restarted, until a peer sends', () => {
    const { world, a, b } = linked({ network: even(10) })
    world.crash(b, { host: true })
    world.start(b)
    world.run(1_000)
    expect(links(a)).toEqual(['up'])
    world.call(a, toy => {
      toy.stream(b.contact, 1)
    })
    world.run(21)
    expect(links(a)).toEqual(['up', 'down'])
    expect(numbers(b)).toEqual([])
  })

  it('survives a short cut, and delivers messages sent during the cut', () => {
    const { world, a, b } = linked()
    const partition = world.network.partition(split([a.index], [b.index]))
    for (const value of [1, 2, 3])
      world.call(a, toy => {
        toy.stream(b.contact, value)
      })
    world.run(5_000)
    world.call(b, toy => toy.stream(a.contact, 4))
    expect(numbers(b)).toEqual([0])
    partition.end()
    world.run(1_000)
    expect(numbers(b)).toEqual([0, 1, 2, 3])
    expect(numbers(a)).toEqual([4])
    expect(links(b)).toEqual(['up'])
  })

  it('goes down at both ends when one direction remains cut', () => {
    const { world, a, b } = linked()
    world.network.partition(oneWay([a.index], [b.index]))
    world.call(b, toy => {
      toy.stream(a.contact, 9)
    })
    world.run(SILENCE_TIMEOUT_MAX_MS)
    expect(numbers(a)).toEqual([9])
    expect([links(a).at(-1), links(b).at(-1)]).toEqual(['down', 'down'])
  })

  it('loses messages in transit when it breaks, and can be opened again', () => {
    const { world, a, b } = linked({ network: even(10) })
    world.call(a, toy => {
      toy.stream(b.contact, 1)
    })
    expect(world.links.break(a, b.id)).toBe(true)
    world.run(100)
    expect([links(a), links(b)]).toEqual([
      ['up', 'down'],
      ['up', 'down']
    ])
    world.call(a, toy => {
      toy.stream(b.contact, 2)
    })
    world.run(1_000)
    expect(numbers(b)).toEqual([0, 2])
  })

  it('breaks when the backlog of a paused process exceeds its limit', () => {
    const { world, a, b } = linked()
    world.pause(b)
    for (let i = 1; i <= STREAM_BACKLOG_MAX + 10; i++) {
      world.call(a, toy => {
        toy.stream(b.contact, i)
      })
      world.run(0.1)
    }
    world.run(1_000)
    expect(b.backlog.length).toBeLessThanOrEqual(STREAM_BACKLOG_MAX + 1)
    world.resume(b)
    world.run(1_000)
    expect(links(b).at(-1)).toBe('down')
    expect(numbers(b)).toEqual(upTo(STREAM_BACKLOG_MAX + 1))
  })
})

describe('bulk', () => {
  it('is sent one after the other on the uplink of its sender', () => {
    const { world, a, b } = linked({ network: even(10) })
    a.uplinkBytesPerSecond = 1_000
    const arrivals: number[] = []
    const startMs = world.timeMs
    for (let i = 0; i < 3; i++) world.transfer(a, b.id, 100, () => arrivals.push(Math.round(world.timeMs - startMs)))
    world.run(1_000)
    expect(arrivals).toEqual([110, 210, 310])
  })

  it('requires a link, and is lost when the link breaks', () => {
    const { world, a, b } = two()
    let arrived = 0
    expect(world.transfer(a, b.id, 100, () => arrived++)).toBe(false)
    world.call(a, toy => {
      toy.stream(b.contact, 0)
    })
    world.run(1_000)
    expect(world.transfer(a, b.id, 20_000_000, () => arrived++)).toBe(true)
    world.links.break(a, b.id)
    world.run(10_000)
    expect(arrived).toBe(0)
  })
})
