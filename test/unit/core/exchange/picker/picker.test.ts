/**
 * Swarms drawn as strings, one letter for each piece: `#` is held, `.` is missing, both for `have` and for sources.
 * Pieces have four leaves.
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

/** Each piece is held with probability `chance`. */
function drawnHas(random: Random, pieces: number, chance: number): string {
  return Array.from({ length: pieces }, () => (random.chance(chance) ? '#' : '.')).join('')
}

/** A picker that has picked its random first pieces, unless `fresh`. */
class Drawn {
  readonly layout: Layout
  readonly holding: HeldLeaves
  readonly picker: Picker
  readonly claims: Claim[] = []

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
    if (options.fresh !== true) Object.assign(this.picker, { startedCount: RANDOM_FIRST_PIECES })
  }

  source(has: string): PeerCursor {
    const peerCursor = this.picker.newCursor()
    this.picker.holds(peerCursor, bitsOf(has))
    return peerCursor
  }

  ask(peerCursor: PeerCursor, leavesMax = LEAVES): Claim | undefined {
    const range = this.picker.pick(peerCursor, leavesMax)
    if (range === undefined) return undefined
    const claim: Claim = { peerCursor, range, released: false }
    this.picker.claim(claim)
    this.picker.check()
    this.claims.push(claim)
    return claim
  }

  /** Pieces in the order in which they are picked, until nothing is left. */
  order(peerCursor: PeerCursor): string {
    let text = ''
    for (let claim = this.ask(peerCursor); claim !== undefined; claim = this.ask(peerCursor)) text += claim.range.piece
    return text
  }

  arrive(claim: Claim): void {
    for (let i = 0; i < claim.range.leafCount; i++) this.picker.written(claim.range.piece, claim.range.leafStart + i)
    this.picker.end(claim)
    this.picker.check()
  }
}

function shown({ piece, leafStart, leafCount }: LeafRange): string {
  return `${piece}:${leafStart}+${leafCount}`
}

const p = (piece: number) => piece as PieceIndex

describe('rarest first', () => {
  it('picks the pieces that the fewest sources hold', () => {
    const drawn = new Drawn('.....')
    drawn.source('##.##')
    drawn.source('#..##')
    drawn.source('#..#.')
    // Held by:     4 2 1 4 3
    expect(drawn.order(drawn.source('#####'))).toMatch(/^214[03]{2}$/)
  })

  it('picks only pieces that the source holds', () => {
    const drawn = new Drawn('......')
    expect([...drawn.order(drawn.source('.#.#..'))].sort().join('')).toBe('13')
  })

  it('picks no piece that is held or not wanted', () => {
    const drawn = new Drawn('#..#..', { wanted: '.##.#.' })
    expect([...drawn.order(drawn.source('######'))].sort().join('')).toBe('124')
  })

  it('no longer counts a source that left or lost a piece', () => {
    const drawn = new Drawn('..')
    const first = drawn.source('#.')
    drawn.picker.dismiss(first)
    const other = drawn.source('.#')
    const claim = drawn.ask(drawn.source('##'), 1)!
    expect(claim.range.piece).toBe(0)
    drawn.picker.end(claim)
    drawn.picker.unlearn(other, p(1))
    drawn.source('#.')
    expect(drawn.ask(drawn.source('##'), 1)?.range.piece).toBe(1)
  })

  it('picks leaves that a source announced after it had none', () => {
    const drawn = new Drawn('....')
    const source = drawn.source('....')
    expect(drawn.ask(source)).toBeUndefined()
    expect(drawn.picker.learn(source, { piece: p(2), leafStart: 1, leafCount: 2 })).toBe(true)
    expect(shown(drawn.ask(source)!.range)).toBe('2:1+2')
    expect(drawn.ask(source)).toBeUndefined()
  })

  it('refuses announced leaves outside the content', () => {
    const drawn = new Drawn('..')
    const source = drawn.source('..')
    expect(drawn.picker.learn(source, { piece: p(2), leafStart: 0, leafCount: 1 })).toBe(false)
    expect(drawn.picker.learn(source, { piece: p(1), leafStart: 3, leafCount: 2 })).toBe(false)
  })

  it('picks the first pieces at random, regardless of rarity', () => {
    const firsts = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      const drawn = new Drawn('........', { fresh: true, seed })
      drawn.source('.#######')
      firsts.add(drawn.ask(drawn.source('########'))!.range.piece)
    }
    expect(firsts.size).toBeGreaterThan(4)
  })
})

describe('partial pieces', () => {
  it('continues the active piece of the source', () => {
    const drawn = new Drawn('......')
    const source = drawn.source('######')
    const first = drawn.ask(source, 1)!
    const rest = [1, 2, 3].map(() => drawn.ask(source, 1)!)
    expect(rest.map(({ range }) => range.piece)).toEqual([first.range.piece, first.range.piece, first.range.piece])
  })

  it('activates a new piece before it shares an active one', () => {
    const drawn = new Drawn('..')
    const first = drawn.ask(drawn.source('##'), 1)!
    expect(drawn.ask(drawn.source('##'), 1)!.range.piece).toBe(1 - first.range.piece)
  })

  it('shares an active piece when no piece is listed', () => {
    const drawn = new Drawn('.')
    drawn.ask(drawn.source('#'), 2)
    expect(shown(drawn.ask(drawn.source('#'), 4)!.range)).toBe('0:2+2')
  })

  it('picks the missing leaves of a piece that was partial at the start', () => {
    const drawn = new Drawn('.', { leaves: ['#..#'] })
    const source = drawn.source('#')
    expect(shown(drawn.ask(source)!.range)).toBe('0:1+2')
    expect(drawn.picker.endgame).toBe(true)
  })

  it('never picks a claimed leaf', () => {
    const random = Random.from('twice')
    const drawn = new Drawn('.'.repeat(12))
    const cursors = Array.from({ length: 4 }, () => drawn.source(drawnHas(random, 12, 0.6)))
    const seen = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const claim = drawn.ask(random.pick(cursors)!, 1 + random.below(4))
      for (let leaf = 0; leaf < (claim?.range.leafCount ?? 0); leaf++) {
        const name = `${claim!.range.piece} ${claim!.range.leafStart + leaf}`
        expect(seen).not.toContain(name)
        seen.add(name)
      }
    }
  })

  it('lists a piece again when its only claim ends without a leaf', () => {
    const drawn = new Drawn('.')
    const [one, other] = [drawn.source('#'), drawn.source('#')]
    drawn.picker.end(drawn.ask(one)!)
    drawn.picker.check()
    expect(shown(drawn.ask(other)!.range)).toBe('0:0+4')
    expect(drawn.ask(one)).toBeUndefined()
  })

  it('does not pick released leaves for the same source again', () => {
    const drawn = new Drawn('.')
    const slow = drawn.source('#')
    const claim = drawn.ask(slow)!
    drawn.picker.release(claim)
    expect(drawn.ask(slow)).toBeUndefined()
    expect(shown(drawn.ask(drawn.source('#'))!.range)).toBe('0:0+4')
  })

  it('returns the claims whose leaves another source delivered', () => {
    const drawn = new Drawn('.')
    const slow = drawn.ask(drawn.source('#'))!
    drawn.picker.release(slow)
    const fast = drawn.ask(drawn.source('#'))!
    const activePiece = drawn.picker.activePieceOf(p(0))!
    drawn.arrive(fast)
    expect(drawn.picker.missingLeaves).toBe(0)
    expect(drawn.picker.redundant(activePiece).filter(claim => claim !== fast)).toEqual([slow])
  })

  it('accepts an unclaimed leaf, and counts it once', () => {
    const drawn = new Drawn('..')
    drawn.picker.written(p(1), 0)
    drawn.picker.written(p(1), 0)
    drawn.picker.check()
    expect(drawn.picker.missingLeaves).toBe(7)
  })
})

describe('the state of the picker', () => {
  it('stays consistent through 2,000 random actions', () => {
    const random = Random.from('anything')
    const drawn = new Drawn('.'.repeat(40), { fresh: true })
    let cursors = [drawn.source('#'.repeat(40)), drawn.source('.'.repeat(40))]
    for (let i = 0; i < 2_000; i++) {
      const peerCursor = random.pick(cursors)!
      const claim = random.pick(drawn.claims)
      const action = random.below(7)
      if (action <= 1) drawn.ask(peerCursor, 1 + random.below(4))
      else if (action === 2)
        drawn.picker.learn(peerCursor, {
          piece: p(random.below(40)),
          leafStart: random.below(2),
          leafCount: 1 + random.below(2)
        })
      else if (action === 3) drawn.picker.unlearn(peerCursor, p(random.below(40)))
      else if (claim !== undefined) {
        if (action === 4) drawn.picker.release(claim)
        else {
          if (action === 5 && random.chance(0.3)) drawn.arrive(claim)
          else drawn.picker.end(claim)
          drawn.claims.splice(drawn.claims.indexOf(claim), 1)
        }
      }
      if (random.chance(0.02)) cursors = [...cursors, drawn.source(drawnHas(random, 40, 0.5))]
      drawn.picker.check()
    }
  })

  it('finds the only piece of a source among 100,000 by sweeping', () => {
    const layout = new Layout(LEAF_BYTES, [100_000 * LEAF_BYTES])
    const holding = new HeldLeaves(layout, new Bitfield(layout.leaves))
    const picker = new Picker({ layout, wanted: new Bitfield(layout.pieces).fill(), holding, random: Random.from(1) })
    const crowd = picker.newCursor()
    const half = new Bitfield(layout.pieces)
    for (let i = 0; i < layout.pieces; i += 2) half.add(i)
    picker.holds(crowd, half)
    const one = picker.newCursor()
    const bits = new Bitfield(layout.pieces)
    bits.add(77_777)
    picker.holds(one, bits)
    picker.holds(picker.newCursor(), bits.clone())
    let found: number | undefined
    for (let i = 0; i < 8 && found === undefined; i++) found = picker.pick(one, 1)?.piece
    expect(found).toBe(77_777)
  })
})
