/**
 * The contract of core/machine.ts for drivers, held by a strict machine: the simulator's driver and the daemon's pass the
 * same claims, so that what is simulated is what runs.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import { nodeId } from '../../../../src/base/ids.ts'
import { Driver, type Outside } from '../../../../src/daemon/node/driver.ts'
import { World } from '../../../../src/sim/world.ts'
import { encode } from '../../../../src/wire/codec/codec.ts'
import { toyMessage, type ToyCommand, type ToyEvent, type ToyMessage } from '../../../simulation/toy.ts'
import { notingCodec, StrictMachine } from './strict-machine.ts'

const SEEDS = Array.from({ length: 40 }, (_, seed) => seed)
const self = { id: nodeId(new Uint8Array(32).fill(1)), address: { host: '10.0.0.1', port: 1 } }
const peer = { id: nodeId(new Uint8Array(32).fill(2)), address: { host: '10.0.0.2', port: 2 } }

interface Rig {
  readonly machine: StrictMachine
  /** Effects as the outside saw them. */
  readonly carried: string[]
  act(): void
  /** A message, a link, or nothing but time. */
  message(): void
  link(): void
  run(ms: number): Promise<void>
  /** What the driver reported; a throw of the machine is among it. */
  readonly faults: unknown[]
}

function simulated(seed: number): Rig {
  const carried: string[] = []
  const world = new World<ToyMessage, ToyCommand, ToyEvent, StrictMachine>({
    ...{ seed, codec: notingCodec(carried), network: { loss: 0, duplication: 0 } },
    create: () => new StrictMachine(seed, peer),
    onEvent: (_world, _node, event) => {
      if (event.kind === 'saved') carried.push(`emit ${event.count}`)
    },
    outside: {
      command: (its, node, token, { amount }) => {
        carried.push(`command ${amount}`)
        if (amount % 3 === 0) its.done(node, token, { ok: true })
        else its.after(amount % 20, node, () => its.done(node, token, { ok: false, reason: 'disk' }))
      }
    }
  })
  const note = world.note.bind(world)
  world.note = (kind, ...rest) => {
    if (kind === 'persist') carried.push(`persist ${String(rest.at(-1)).slice('key '.length)}`)
    note(kind, ...rest)
  }
  const [node] = world.startMany(1)
  const feed = (act: (machine: StrictMachine, now: Parameters<StrictMachine['act']>[0]) => void): void => {
    world.call(node!, act)
  }
  return {
    ...{ machine: node!.machine, carried, faults: [] },
    act: () => {
      feed((machine, now) => machine.act(now))
    },
    message: () => {
      feed((machine, now) => {
        machine.receive(peer, 'datagram', { kind: 'ping', count: 1 }, now)
      })
    },
    link: () => {
      feed((machine, now) => {
        machine.link(peer.id, 'up', now)
      })
    },
    run: async ms => {
      world.run(ms)
    }
  }
}

function real(seed: number): Rig {
  const carried: string[] = []
  const faults: unknown[] = []
  const machine = new StrictMachine(seed, peer)
  const outside: Outside<ToyCommand, ToyEvent> = {
    now: () => ({ mono: instant(performance.now()), wall: wallMs(Date.now()) }),
    send: () => undefined,
    persist: (key, _value) => {
      const number = Number(key.slice('key '.length))
      carried.push(`persist ${number}`)
      return new Promise(resolve => {
        setTimeout(() => resolve({ ok: true }), number % 8)
      })
    },
    execute: (token, { amount }) => {
      carried.push(`command ${amount}`)
      // Within the command, and later.
      if (amount % 3 === 0) driver.done(token, { ok: true })
      else setTimeout(() => driver.done(token, { ok: false, reason: 'disk' }), amount % 20)
    },
    emitted: event => {
      if (event.kind === 'saved') carried.push(`emit ${event.count}`)
      // An input during the drain waits for its end.
      if (event.kind === 'saved' && event.count % 5 === 0) driver.link(peer.id, 'down')
    },
    malformed: (_from, _via, problem) => faults.push(problem),
    unsendable: (_to, _channel, problem) => faults.push(problem),
    stalled: () => undefined,
    failed: (_effect, error) => faults.push(error),
    fault: error => faults.push(error)
  }
  const driver = new Driver(machine, notingCodec(carried), outside)
  return {
    ...{ machine, carried, faults },
    act: () => driver.call(now => machine.act(now)),
    message: () => {
      driver.message(self, 'datagram', encode(toyMessage, { kind: 'ping', count: 1 }))
    },
    link: () => {
      driver.link(peer.id, 'up')
    },
    run: async ms => {
      await vi.advanceTimersByTimeAsync(ms)
    }
  }
}

describe.each([
  ['the simulator', simulated],
  ['the daemon', real]
])('the driver of %s', (_, rig) => {
  beforeEach(() => {
    vi.useFakeTimers()
  })

  afterEach(() => {
    vi.useRealTimers()
  })

  it.each(SEEDS)('carries out all effects in order, and answers each token once (seed %i)', async seed => {
    const its = rig(seed)
    const { machine, carried, faults } = its
    const random = Random.from(`script ${seed}`)
    const acts: Array<() => void | Promise<void>> = [
      () => {
        its.act()
      },
      () => {
        its.message()
      },
      () => {
        its.link()
      },
      () => its.run(random.below(40))
    ]
    for (let step = 0; step < 60; step++) {
      const act = random.pick(acts)!
      await act()
    }
    await its.run(60_000)
    expect(faults).toEqual([])
    expect(machine.decided.length).toBeGreaterThan(30)
    expect(carried).toEqual(machine.decided)
    expect(machine.unanswered).toEqual(new Set())
    expect(machine.answered).toBeGreaterThan(5)
    expect(machine.wakes).toBeGreaterThan(0)
    expect(machine.nextWake()).toBeUndefined()
  })
})
