/**
 * Swarms drawn as strings. `have`: a letter per piece, `#` here, `.` missing. A source: `#` has the piece, `.` has not; all
 * pieces have four leaves unless a test says otherwise.
 */
import { describe, expect, it } from 'vitest'
import { Bitfield } from '../../../../../src/base/bitfield.ts'
import { Random } from '../../../../../src/base/random.ts'
import { HeldLeaves } from '../../../../../src/core/exchange/held-leaves.ts'
import {
  Picker,
  RANDOM_FIRST_PIECES,
  type Claim,
  type PeerCursor
} from '../../../../../src/core/exchange/picker/picker.ts'
import { LEAF_BYTES, Layout, type LeafRange, type PieceIndex } from '../../../../../src/wire/bittorrent/layout.ts'

const LEAVES = 4

function bitsOf(text: string): Bitfield {
  const bits = new Bitfield(text.length)
  ;[...text].forEach((letter, i) => letter === '#' && bits.add(i))
  return bits
}

/** Each piece with that chance. */
function drawnHas(random: Random, pieces: number, chance: number): string {
  return Array.from({ length: pieces }, () => (random.chance(chance) ? '#' : '.')).join('')
}

/** A picker past its random first pieces, unless `fresh`. */
class Drawn {
  readonly layout: Layout
  readonly holding: HeldLeaves
  readonly picker: Picker
  readonly asks: Claim[] = []

  constructor(have: string, options: { wanted?: string; fresh?: boolean; seed?: number; leaves?: string[] } = {}) {
    this.layout = new Layout(LEAVES * LEAF_BYTES, [have.length * LEAVES * LEAF_BYTES])
    const leaves = new Bitfield(this.layout.leaves)
    ;[...have].forEach((letter, piece) => {
      for (let i = 0; i < LEAVES; i++)
        if (letter === '#' || options.leaves?.[piece]?.[i] === '#') leaves.add(piece * LEAVES + i)
    })
    this.holding = new HeldLeaves(this.layout, leaves)
    const wanted = bitsOf(options.wanted ?? '#'.repeat(have.length))
    this.picker = new Picker({
      layout: this.layout,
      wanted,
      holding: this.holding,
      random: Random.from(options.seed ?? 1)
    })
    if (options.fresh !== true) Object.assign(this.picker, { beginnings: RANDOM_FIRST_PIECES })
  }

  source(has: string): PeerCursor {
    const peerCursor = this.picker.newTaker()
    this.picker.holds(peerCursor, bitsOf(has))
    return peerCursor
  }

  ask(peerCursor: PeerCursor, leavesMax = LEAVES): Claim | undefined {
    const range = this.picker.pick(peerCursor, leavesMax)
    if (range === undefined) return undefined
    const ask: Claim = { peerCursor, range, claimed: true }
    this.picker.ask(ask)
    this.picker.check()
    this.asks.push(ask)
    return ask
  }

  /** Pieces in the order in which they are picked, until nothing is left. */
  order(peerCursor: PeerCursor): string {
    let text = ''
    for (let ask = this.ask(peerCursor); ask !== undefined; ask = this.ask(peerCursor)) text += ask.range.piece
    return text
  }

  arrive(ask: Claim): void {
    for (let i = 0; i < ask.range.leafCount; i++) this.picker.written(ask.range.piece, ask.range.leafStart + i)
    this.picker.end(ask)
    this.picker.check()
  }
}

function shown({ piece, leafStart, leafCount }: LeafRange): string {
  return `${piece}:${leafStart}+${leafCount}`
}

const p = (piece: number) => piece as PieceIndex

describe('rarest first', () => {
  it('takes what fewest sources hold', () => {
    const drawn = new Drawn('.....')
    drawn.source('##.##')
    drawn.source('#..##')
    drawn.source('#..#.')
    // Held by:     4 2 1 4 3
    expect(drawn.order(drawn.source('#####'))).toMatch(/^214[03]{2}$/)
  })

  it('takes from a source only what it holds', () => {
    const drawn = new Drawn('......')
    expect([...drawn.order(drawn.source('.#.#..'))].sort().join('')).toBe('13')
  })

  it('takes nothing that is here or not wanted', () => {
    const drawn = new Drawn('#..#..', { wanted: '.##.#.' })
    expect([...drawn.order(drawn.source('######'))].sort().join('')).toBe('124')
  })

  it('counts a source out when it is gone, or has lost a piece', () => {
    const drawn = new Drawn('..')
    const first = drawn.source('#.')
    drawn.picker.dismiss(first)
    const other = drawn.source('.#')
    const ask = drawn.ask(drawn.source('##'), 1)!
    expect(ask.range.piece).toBe(0)
    drawn.picker.end(ask)
    drawn.picker.unlearn(other, p(1))
    drawn.source('#.')
    expect(drawn.ask(drawn.source('##'), 1)?.range.piece).toBe(1)
  })

  it('hears news of a source that had nothing to give', () => {
    const drawn = new Drawn('....')
    const source = drawn.source('....')
    expect(drawn.ask(source)).toBeUndefined()
    expect(drawn.picker.learn(source, { piece: p(2), leafStart: 1, leafCount: 2 })).toBe(true)
    expect(shown(drawn.ask(source)!.range)).toBe('2:1+2')
    expect(drawn.ask(source)).toBeUndefined()
  })

  it('refuses news of leaves that are none', () => {
    const drawn = new Drawn('..')
    const source = drawn.source('..')
    expect(drawn.picker.learn(source, { piece: p(2), leafStart: 0, leafCount: 1 })).toBe(false)
    expect(drawn.picker.learn(source, { piece: p(1), leafStart: 3, leafCount: 2 })).toBe(false)
  })

  it('begins with random pieces, whatever is rarest', () => {
    const firsts = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      const drawn = new Drawn('........', { fresh: true, seed })
      drawn.source('.#######')
      firsts.add(drawn.ask(drawn.source('########'))!.range.piece)
    }
    expect(firsts.size).toBeGreaterThan(4)
  })
})

describe('pieces in parts', () => {
  it('goes on with the piece that a source has begun', () => {
    const drawn = new Drawn('......')
    const source = drawn.source('######')
    const first = drawn.ask(source, 1)!
    const rest = [1, 2, 3].map(() => drawn.ask(source, 1)!)
    expect(rest.map(({ range }) => range.piece)).toEqual([first.range.piece, first.range.piece, first.range.piece])
  })

  it('begins a new piece rather than share one', () => {
    const drawn = new Drawn('..')
    const first = drawn.ask(drawn.source('##'), 1)!
    expect(drawn.ask(drawn.source('##'), 1)!.range.piece).toBe(1 - first.range.piece)
  })

  it('shares a piece when there is no new one', () => {
    const drawn = new Drawn('.')
    drawn.ask(drawn.source('#'), 2)
    expect(shown(drawn.ask(drawn.source('#'), 4)!.range)).toBe('0:2+2')
  })

  it('asks for the missing leaves of a piece that was in parts before', () => {
    const drawn = new Drawn('.', { leaves: ['#..#'] })
    const source = drawn.source('#')
    expect(shown(drawn.ask(source)!.range)).toBe('0:1+2')
    expect(drawn.picker.endgame).toBe(true)
  })

  it('never asks for a leaf twice', () => {
    const random = Random.from('twice')
    const drawn = new Drawn('.'.repeat(12))
    const takers = Array.from({ length: 4 }, () => drawn.source(drawnHas(random, 12, 0.6)))
    const seen = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const ask = drawn.ask(random.pick(takers)!, 1 + random.below(4))
      for (let leaf = 0; leaf < (ask?.range.leafCount ?? 0); leaf++) {
        const name = `${ask!.range.piece} ${ask!.range.leafStart + leaf}`
        expect(seen).not.toContain(name)
        seen.add(name)
      }
    }
  })

  it('lists a piece again of which nothing came', () => {
    const drawn = new Drawn('.')
    const [one, other] = [drawn.source('#'), drawn.source('#')]
    drawn.picker.end(drawn.ask(one)!)
    drawn.picker.check()
    expect(shown(drawn.ask(other)!.range)).toBe('0:0+4')
    expect(drawn.ask(one)).toBeUndefined()
  })

  it('does not ask a source again for what was released from it', () => {
    const drawn = new Drawn('.')
    const slow = drawn.source('#')
    const ask = drawn.ask(slow)!
    drawn.picker.release(ask)
    expect(drawn.ask(slow)).toBeUndefined()
    expect(shown(drawn.ask(drawn.source('#'))!.range)).toBe('0:0+4')
  })

  it('names the asks that are done with when another brought the leaves', () => {
    const drawn = new Drawn('.')
    const slow = drawn.ask(drawn.source('#'))!
    drawn.picker.release(slow)
    const fast = drawn.ask(drawn.source('#'))!
    const begun = drawn.picker.begunOf(p(0))!
    drawn.arrive(fast)
    expect(drawn.picker.missingLeaves).toBe(0)
    expect(drawn.picker.redundant(begun).filter(ask => ask !== fast)).toEqual([slow])
  })

  it('takes a leaf that comes late, and counts it once', () => {
    const drawn = new Drawn('..')
    drawn.picker.written(p(1), 0)
    drawn.picker.written(p(1), 0)
    drawn.picker.check()
    expect(drawn.picker.missingLeaves).toBe(7)
  })
})

describe('the books of the picker', () => {
  it('balance through anything', () => {
    const random = Random.from('anything')
    const drawn = new Drawn('.'.repeat(40), { fresh: true })
    let takers = [drawn.source('#'.repeat(40)), drawn.source('.'.repeat(40))]
    for (let i = 0; i < 2_000; i++) {
      const peerCursor = random.pick(takers)!
      const ask = random.pick(drawn.asks)
      const deed = random.below(7)
      if (deed <= 1) drawn.ask(peerCursor, 1 + random.below(4))
      else if (deed === 2)
        drawn.picker.learn(peerCursor, {
          piece: p(random.below(40)),
          leafStart: random.below(2),
          leafCount: 1 + random.below(2)
        })
      else if (deed === 3) drawn.picker.unlearn(peerCursor, p(random.below(40)))
      else if (ask !== undefined) {
        if (deed === 4) drawn.picker.release(ask)
        else {
          if (deed === 5 && random.chance(0.3)) drawn.arrive(ask)
          else drawn.picker.end(ask)
          drawn.asks.splice(drawn.asks.indexOf(ask), 1)
        }
      }
      if (random.chance(0.02)) takers = [...takers, drawn.source(drawnHas(random, 40, 0.5))]
      drawn.picker.check()
    }
  })

  it('sweep a content of 100,000 pieces for the one that a source holds', () => {
    const layout = new Layout(LEAF_BYTES, [100_000 * LEAF_BYTES])
    const holding = new HeldLeaves(layout, new Bitfield(layout.leaves))
    const picker = new Picker({ layout, wanted: new Bitfield(layout.pieces).fill(), holding, random: Random.from(1) })
    const crowd = picker.newTaker()
    const half = new Bitfield(layout.pieces)
    for (let i = 0; i < layout.pieces; i += 2) half.add(i)
    picker.holds(crowd, half)
    const one = picker.newTaker()
    const bits = new Bitfield(layout.pieces)
    bits.add(77_777)
    picker.holds(one, bits)
    picker.holds(picker.newTaker(), bits.clone())
    let found: number | undefined
    for (let i = 0; i < 8 && found === undefined; i++) found = picker.pick(one, 1)?.piece
    expect(found).toBe(77_777)
  })
})
