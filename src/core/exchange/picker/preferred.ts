/** The leaves that readers need next, in order, with a fast test of membership. */
import { assert } from '../../../base/assert.ts'
import type { Layout, LeafRange } from '../../../wire/bittorrent/layout.ts'

export class Preferred {
  private readonly layout: Layout
  private order: readonly LeafRange[] = []
  /** Leaf indexes, counted through the content. */
  private readonly leaves = new Set<number>()

  constructor(layout: Layout) {
    this.layout = layout
  }

  set(ranges: readonly LeafRange[]): void {
    this.order = ranges
    this.leaves.clear()
    for (const range of ranges) {
      assert(this.layout.holds(range), 'the range that a reader needs lies in the content')
      const first = this.layout.firstLeafOf(range.piece) + range.leafStart
      for (let i = 0; i < range.leafCount; i++) this.leaves.add(first + i)
    }
  }

  get ranges(): readonly LeafRange[] {
    return this.order
  }

  /** Whether a reader needs any leaf of the range. */
  has(range: LeafRange): boolean {
    if (this.leaves.size === 0) return false
    const first = this.layout.firstLeafOf(range.piece) + range.leafStart
    for (let i = 0; i < range.leafCount; i++) if (this.leaves.has(first + i)) return true
    return false
  }
}
