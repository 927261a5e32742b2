import { describe, expect, it } from 'vitest'
import type { ToyEvent } from '../../simulation/toy.ts'
import { toyGroup, toyWorld, two, violated } from './toy-world.ts'

describe('the driver', () => {
  it('refuses a datagram over the limit, and sends one at the limit', () => {
    const { world, a, b } = two()
    // A tag, two bytes of length.
    const send = (length: number) => () => {
      world.call(a, toy => {
        toy.blob(b.contact, 'datagram', length)
      })
    }
    expect(violated(send(1_097))).toBeUndefined()
    expect(violated(send(1_098))).toBe('assert')
  })

  it('refuses a message over the limit of a stream', () => {
    const { world, a, b } = two()
    const send = (length: number) => () => {
      world.call(a, toy => {
        toy.blob(b.contact, 'stream', length)
      })
    }
    expect(violated(send((1 << 20) - 4))).toBeUndefined()
    expect(violated(send((1 << 20) - 3))).toBe('assert')
  })

  it('detects a machine that always asks for the same wake', () => {
    const { world, a } = two()
    world.call(a, (toy, now) => {
      toy.pingEvery(0, [], now)
    })
    expect(
      violated(() => {
        world.run(1)
      })
    ).toBe('livelock')
  })

  it('detects an endless exchange of messages without delay', () => {
    const world = toyWorld({
      outside: {
        command: (its, node, token) => {
          its.done(node, token, { ok: true })
        }
      }
    })
    const [a] = world.startMany(1)
    world.call(a!, toy => {
      toy.onDone = () => {
        toy.work(1)
      }
      toy.work(1)
    })
    expect(
      violated(() => {
        world.run(1)
      })
    ).toBe('livelock')
  })

  it('reports an exception of a machine with its stack', () => {
    const { world, a } = two()
    const act = (): void => {
      world.call(a, () => {
        throw new TypeError('no such thing')
      })
    }
    expect(violated(act)).toBe('throw')
    expect(act).toThrow(/n0: TypeError: no such thing\n +at /)
  })

  it('passes commands to the outside, whose timers are cancelled when the process ends', () => {
    let ended = 0
    const world = toyWorld({
      outside: {
        command: (its, node, token, { amount }) => {
          its.after(amount, node, () => {
            ended++
            its.done(node, token, { ok: true, value: amount })
          })
        }
      }
    })
    const [a, b] = world.startMany(2)
    for (const node of [a!, b!])
      world.call(node, toy => {
        toy.work(100)
      })
    world.run(50)
    world.crash(b!)
    world.start(b!)
    world.run(100)
    expect(ended).toBe(1)
    expect(a!.machine.results).toEqual([{ ok: true, value: 100 }])
    expect(b!.machine.results).toEqual([])
  })

  it('runs calls of an event handler after the current call of the machine', () => {
    const order: string[] = []
    const world = toyWorld({
      onEvent: (its, node, event: ToyEvent) => {
        order.push(event.kind)
        its.call(node, () => {
          order.push('called')
        })
        order.push('after')
      }
    })
    const [a] = world.startMany(1)
    world.call(a!, toy => {
      toy.save()
    })
    world.run(100)
    expect(order).toEqual(['saved', 'after', 'called'])
  })

  it('gives every receiver a message of its own', () => {
    const { world, a, b } = two({ network: { duplication: 1 } })
    world.call(a, toy => {
      toy.ping(b.contact)
    })
    world.run(1_000)
    expect(b.machine.received).toHaveLength(2)
    expect(b.machine.received[0]).toEqual(b.machine.received[1])
    expect(b.machine.received[0]).not.toBe(b.machine.received[1])
  })
})

describe('checkers', () => {
  it('are called for calls, events, starts, ends, at intervals, and at the end of the run', () => {
    const seen = new Map<string, number>()
    const see = (what: string): undefined => {
      seen.set(what, (seen.get(what) ?? 0) + 1)
    }
    const world = toyWorld({
      checkers: [
        {
          everyMs: 100,
          afterEvent: () => see('call'),
          emitted: () => see('event'),
          started: () => see('start'),
          ended: () => see('ended'),
          periodically: () => see('tick'),
          atEnd: () => see('end')
        }
      ]
    })
    const [a] = world.startMany(1)
    world.call(a!, toy => {
      toy.save()
    })
    world.run(1_000)
    world.crash(a!)
    world.end()
    expect(Object.fromEntries(seen)).toEqual({ start: 1, call: 3, event: 1, tick: 10, ended: 1, end: 1 })
  })

  it('end the run with their violation', () => {
    const world = toyWorld({
      checkers: [{ atEnd: () => ({ property: 'never-holds', detail: 'as was to be shown' }) }]
    })
    expect(
      violated(() => {
        world.end()
      })
    ).toBe('never-holds')
  })
})

describe('signatures', () => {
  it('verify only for their signer, domain and claim', () => {
    const { world, a, b } = two()
    const claim = Uint8Array.of(1, 2, 3)
    const signed = a.machine.birth.signer.sign('shoal/test', claim)
    expect(signed).toHaveLength(64)
    expect(world.notary.verify(a.id, 'shoal/test', claim, signed)).toBe(true)
    expect(world.notary.verify(b.id, 'shoal/test', claim, signed)).toBe(false)
    expect(world.notary.verify(a.id, 'shoal/other', claim, signed)).toBe(false)
    expect(world.notary.verify(a.id, 'shoal/test', Uint8Array.of(1, 2, 4), signed)).toBe(false)
  })
})

describe('a group', () => {
  it('delivers messages in transit, and jumps to the next wake', () => {
    const group = toyGroup(3)
    group.call(0, toy => {
      toy.stream(group.contact(1), 7)
    })
    expect(group.deliver()).toBe(true)
    expect(group.machine(1).diary.at(-1)).toMatchObject({ kind: 'number', value: 7 })
    expect(group.jump()).toBe(false)
    group.call(2, (toy, now) => {
      toy.pingEvery(1_000, [group.contact(0)], now)
    })
    group.jump()
    const atMs = group.world.timeMs
    group.jump()
    expect(group.world.timeMs - atMs).toBeCloseTo(1_000)
    expect(group.machine(2).wokenAt).toHaveLength(2)
  })

  it('keeps the events of every node', () => {
    const group = toyGroup(2)
    group.call(1, toy => {
      toy.save()
    })
    group.deliver()
    expect(group.events).toEqual([[], [{ kind: 'saved', count: 1 }]])
  })
})
