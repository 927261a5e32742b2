import { describe, expect, it } from 'vitest'
import type { ToyEvent } from '../../simulation/toy.ts'
import { toyGroup, toyWorld, two, violated } from './toy-world.ts'

describe('the driver', () => {
  it('refuses a datagram over the limit, and takes one at it', () => {
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

  it('finds a machine that asks for the same wake for ever', () => {
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

  it('finds a circle that takes no time', () => {
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

  it('reports what a machine throws with its stack', () => {
    const { world, a } = two()
    const act = (): void => {
      world.call(a, () => {
        throw new TypeError('no such thing')
      })
    }
    expect(violated(act)).toBe('throw')
    expect(act).toThrow(/n0: TypeError: no such thing\n +at /)
  })

  it('hands commands to the outside, whose timers die with the process', () => {
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

  it('never calls a machine within a call: what an owner does about an event comes after', () => {
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
  it('see every call, every event, every so often, and the end', () => {
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

  it('end the run with what they found', () => {
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
  it('hold for their signer, domain and claim alone', () => {
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
  it('delivers what is under way, and jumps to the next wake', () => {
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
