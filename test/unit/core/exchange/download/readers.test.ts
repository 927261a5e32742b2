/** Readers of a content that is being fetched: the order of their leaves, the choice of source, cancelled requests. */
import { describe, expect, it } from 'vitest'
import { Bitfield } from '../../../../../src/base/bitfield.ts'
import { Random } from '../../../../../src/base/random.ts'
import { HeldLeaves } from '../../../../../src/core/exchange/held-leaves.ts'
import { Picker } from '../../../../../src/core/exchange/picker/picker.ts'
import { Readers, type ReaderId } from '../../../../../src/core/exchange/download/readers.ts'
import { PRESSING_LEAVES, READ_AHEAD_LEAVES_MAX, READERS_MAX } from '../../../../../src/core/exchange/settings.ts'
import { REQUEST_LEAVES_MAX } from '../../../../../src/wire/exchange.ts'
import { LEAF_BYTES, Layout, type LeafRange, type PieceIndex } from '../../../../../src/wire/bittorrent/layout.ts'
import { Swarm } from '../../../../simulation/swarm.ts'

const reader = (number: number): ReaderId => number as ReaderId
const range = (piece: number, leafStart: number, leafCount: number): LeafRange => ({
  ...{ piece: piece as PieceIndex, leafStart, leafCount }
})
const shown = ({ piece, leafStart, leafCount }: LeafRange): string => `${piece}:${leafStart}+${leafCount}`

describe('several readers', () => {
  it('take turns of one request each', () => {
    const readers = new Readers()
    readers.set(reader(1), [range(0, 0, 40)])
    readers.set(reader(2), [range(9, 4, 2), range(10, 0, 8)])
    expect(readers.order().map(shown)).toEqual(['0:0+16', '9:4+2', '0:16+16', '10:0+8', '0:32+8'])
    expect(readers.delete(reader(1))).toBe(true)
    expect(readers.order().map(shown)).toEqual(['9:4+2', '10:0+8'])
    expect(readers.delete(reader(1))).toBe(false)
  })

  it('have only their first leaves treated as urgent', () => {
    const readers = new Readers()
    readers.set(reader(1), [range(0, 30, 10), range(1, 0, 40)])
    expect(readers.pressing().map(shown)).toEqual(['0:30+10', `1:0+${PRESSING_LEAVES - 10}`])
  })

  it('are limited in number, and in the leaves that each can request ahead', () => {
    const readers = new Readers()
    for (let i = 0; i < READERS_MAX; i++) expect(readers.set(reader(i), [])).toBe(true)
    expect(readers.set(reader(READERS_MAX), [])).toBe(false)
    expect(readers.set(reader(0), [range(0, 0, READ_AHEAD_LEAVES_MAX + 1), range(1, 0, 5)])).toBe(true)
    const leaves = readers.order().reduce((sum, { leafCount }) => sum + leafCount, 0)
    expect(leaves).toBe(READ_AHEAD_LEAVES_MAX)
    expect(Math.max(...readers.order().map(({ leafCount }) => leafCount))).toBe(REQUEST_LEAVES_MAX)
  })
})

describe('the picker', () => {
  const layout = new Layout(4 * LEAF_BYTES, [32 * LEAF_BYTES])
  const make = (have: readonly number[] = [], wanted = new Bitfield(8).fill()) => {
    const leaves = new Bitfield(layout.leaves)
    for (const leaf of have) leaves.add(leaf)
    const picker = new Picker({ layout, wanted, holding: new HeldLeaves(layout, leaves), random: Random.from(1) })
    const peerCursor = picker.newCursor()
    picker.holds(peerCursor, undefined)
    const take = (leavesMax = 4): string | undefined => {
      const picked = picker.pick(peerCursor, leavesMax)
      if (picked === undefined) return undefined
      picker.claim({ peerCursor, range: picked, released: false })
      picker.check()
      return shown(picked)
    }
    return { picker, peerCursor, take }
  }

  it('picks the leaves that readers need first, in their order, then all others', () => {
    const { picker, take } = make()
    picker.preferred.set([range(5, 2, 2), range(6, 0, 4), range(1, 0, 1)])
    expect([take(), take(2), take(), take()]).toEqual(['5:2+2', '6:0+2', '6:2+2', '1:0+1'])
    expect(take(), 'continues the piece that was activated last').toBe('1:1+3')
    let rest = 0
    while (take() !== undefined) rest++
    expect([rest, picker.endgame]).toEqual([6, true])
  })

  it('picks no needed leaf twice, and none that is held or not wanted', () => {
    const wanted = new Bitfield(8).fill()
    wanted.delete(3)
    const { picker, take } = make([4, 5], wanted)
    picker.preferred.set([range(1, 0, 4), range(3, 0, 4)])
    expect(take()).toBe('1:2+2')
    expect(take()).not.toMatch(/^[13]:/)
  })

  it('picks only needed leaves that the source holds and that suit it', () => {
    const { picker } = make()
    const other = picker.newCursor()
    picker.holds(other, new Bitfield(8))
    picker.learn(other, range(2, 3, 1))
    picker.preferred.set([range(2, 0, 4)])
    expect(shown(picker.pick(other, 4)!)).toBe('2:3+1')
    const { picker: second, peerCursor } = make()
    second.preferred.set([range(2, 0, 4)])
    for (let i = 0; i < 5; i++) expect(second.pick(peerCursor, 4, () => false)?.piece).not.toBe(2)
  })
})

describe('a download with a reader', () => {
  const MIB = 1 << 20
  const layout = new Layout(8 * LEAF_BYTES, [16 * MIB])
  const scene = (uplinks: readonly number[]) => {
    const swarm = new Swarm({
      ...{ seed: 1, uplinkBytesPerSecond: MIB, network: { latencyMinMs: 1, latencyMaxMs: 1, jitter: 0 } }
    })
    const content = swarm.content('film', layout)
    const seeds = swarm.world.startMany(uplinks.length)
    const getter = swarm.world.startMany(1)[0]!
    seeds.forEach((seed, i) => {
      swarm.seed(seed, content)
      swarm.blocks.bench(seed).uplinkBytesPerSecond = uplinks[i]!
    })
    swarm.get(getter, content)
    const has = (leaf: number): boolean => swarm.blocks.leaves(getter, content).good(leaf)
    const need = (first: number, leaves: number): void => {
      const ranges = Array.from({ length: Math.ceil(leaves / 8) }, (_, i) => range(Math.floor(first / 8) + i, 0, 8))
      swarm.world.call(getter, (machine, now) => {
        expect(machine.reading(content, reader(1), ranges, now)).toBe(true)
      })
    }
    const come = (first: number, leaves: number, limitMs: number): boolean =>
      swarm.world.settle(() => Array.from({ length: leaves }, (_, i) => has(first + i)).every(Boolean), {
        ...{ everyMs: 5, limitMs }
      })
    return { swarm, content, seeds, getter, has, need, come }
  }
  /** The first leaf of the first piece, from `from` on, of which no leaf is held. */
  const untouched = (has: (leaf: number) => boolean, from: number): number => {
    for (let piece = from; ; piece++)
      if (Array.from({ length: 8 }, (_, i) => !has(piece * 8 + i)).every(Boolean)) return piece * 8
  }

  it('fetches the leaves after a jump before the ones that were requested earlier', () => {
    const { swarm, has, need, come } = scene([MIB])
    swarm.world.run(3_000)
    const leaf = untouched(has, 64)
    need(leaf, 8)
    expect(come(leaf, 8, 400)).toBe(true)
  })

  it('requests them from another source as soon as their source becomes slow', () => {
    const { swarm, seeds, has, need, come } = scene([MIB, MIB])
    swarm.world.run(3_000)
    swarm.world.pause(seeds[0]!)
    const leaf = untouched(has, 64)
    need(leaf, 32)
    // A snub is detected after two seconds.
    expect(come(leaf, PRESSING_LEAVES, 1_900)).toBe(true)
  })

  it('serves a reader from the start of the download', () => {
    const { need, come } = scene([MIB])
    need(96, 16)
    expect(come(96, 16, 1_000)).toBe(true)
  })

  it('refuses a reader of a content that is not being fetched', () => {
    const { swarm, seeds, content } = scene([MIB])
    swarm.world.call(seeds[0]!, (machine, now) => {
      expect(machine.reading(content, reader(1), [range(0, 0, 1)], now)).toBe(false)
      machine.stopReading(content, reader(1), now)
    })
  })
})
