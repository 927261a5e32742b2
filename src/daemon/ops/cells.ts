/** A bitfield of pieces as a row of levels, for a bar. */
import type { Bitfield } from '../../base/bitfield.ts'
import { TOP_CELLS, TOP_LEVELS } from '../../wire/control/top.ts'

/** Pieces looked at for one cell: a content of a million pieces costs no more than one of some thousand. */
const SAMPLES_MAX = 64

/** Only a cell whose pieces are all here is at the highest level, and only one with none of them at 0. */
export function cellsOf(pieces: Bitfield): number[] {
  if (pieces.length === 0) return []
  return Array.from({ length: TOP_CELLS }, (_, cell) => {
    const first = Math.floor((cell * pieces.length) / TOP_CELLS)
    const end = Math.max(first + 1, Math.floor(((cell + 1) * pieces.length) / TOP_CELLS))
    const step = Math.max(1, Math.ceil((end - first) / SAMPLES_MAX))
    let looked = 0
    let held = 0
    for (let piece = first; piece < end; piece += step) {
      looked++
      if (pieces.has(piece)) held++
    }
    if (held === 0) return 0
    return held === looked
      ? TOP_LEVELS
      : Math.max(1, Math.min(TOP_LEVELS - 1, Math.floor((held / looked) * TOP_LEVELS)))
  })
}
