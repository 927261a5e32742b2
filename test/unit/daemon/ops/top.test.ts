import { describe, expect, it } from 'vitest'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { cellsOf } from '../../../../src/daemon/ops/cells.ts'
import { Rates } from '../../../../src/daemon/ops/rates.ts'
import { TOP_CELLS, TOP_LEVELS } from '../../../../src/wire/control/top.ts'

function field(length: number, held: (piece: number) => boolean): Bitfield {
  const pieces = new Bitfield(length)
  for (let piece = 0; piece < length; piece++) if (held(piece)) pieces.add(piece)
  return pieces
}

describe('the cells of a bar', () => {
  it.each([1, 3, TOP_CELLS, TOP_CELLS + 1, 100_000])('are all full or all empty for %d pieces that are', length => {
    expect(cellsOf(field(length, () => true))).toEqual(new Array<number>(TOP_CELLS).fill(TOP_LEVELS))
    expect(cellsOf(field(length, () => false))).toEqual(new Array<number>(TOP_CELLS).fill(0))
  })

  it('are neither while a piece of theirs is missing', () => {
    const cells = cellsOf(field(TOP_CELLS * 16, piece => piece % 16 !== 0))
    expect(new Set(cells)).toEqual(new Set([TOP_LEVELS - 1]))
    expect(new Set(cellsOf(field(TOP_CELLS * 16, piece => piece % 16 === 0)))).toEqual(new Set([1]))
  })

  it('stand in the order of the pieces', () => {
    const cells = cellsOf(field(1_000, piece => piece < 500))
    expect(cells.slice(0, TOP_CELLS / 2 - 1)).toEqual(new Array<number>(TOP_CELLS / 2 - 1).fill(TOP_LEVELS))
    expect(cells.slice(TOP_CELLS / 2 + 1)).toEqual(new Array<number>(TOP_CELLS / 2 - 1).fill(0))
  })

  it('are none for nothing', () => {
    expect(cellsOf(new Bitfield(0))).toEqual([])
  })
})

describe('rates', () => {
  it('are of the time between two looks', () => {
    const rates = new Rates()
    rates.begin(1_000)
    expect(rates.of('a', 5_000)).toBe(0)
    rates.begin(3_000)
    expect([rates.of('a', 9_000), rates.of('b', 77)]).toEqual([2_000, 0])
    rates.begin(4_000)
    expect(rates.of('b', 177)).toBe(100)
  })

  it('are none where a total began anew, or was not looked at', () => {
    const rates = new Rates()
    rates.begin(0)
    rates.of('a', 5_000)
    rates.begin(1_000)
    expect(rates.of('a', 10)).toBe(0)
    rates.begin(2_000)
    rates.begin(3_000)
    expect(rates.of('a', 5_000)).toBe(0)
  })
})
