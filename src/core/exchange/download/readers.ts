/**
 * The readers of a content that is being fetched, and the ranges that each needs next. `order` merges these: readers
 * take turns of one request each, so that no reader waits for the read-ahead of another one.
 */
import { expectDefined } from '../../../base/assert.ts'
import { REQUEST_LEAVES_MAX } from '../../../wire/exchange.ts'
import type { LeafRange } from '../../../wire/bittorrent/layout.ts'
import { PRESSING_LEAVES, READ_AHEAD_LEAVES_MAX, READERS_MAX } from '../settings.ts'

/** A number that the owner assigns. It is unique for each content. */
export type ReaderId = number & { readonly brand: 'ReaderId' }

export class Readers {
  private readonly needs = new Map<ReaderId, readonly LeafRange[]>()

  get size(): number {
    return this.needs.size
  }

  /** Adds a reader or replaces its ranges. False when there are READERS_MAX others. */
  set(reader: ReaderId, ranges: readonly LeafRange[]): boolean {
    if (!this.needs.has(reader) && this.needs.size >= READERS_MAX) return false
    this.needs.set(reader, first(ranges, READ_AHEAD_LEAVES_MAX))
    return true
  }

  delete(reader: ReaderId): boolean {
    return this.needs.delete(reader)
  }

  /** The ranges of all readers, each at most one request long. */
  order(): LeafRange[] {
    const queues = [...this.needs.values()].map(parts)
    const longest = queues.reduce((most, { length }) => Math.max(most, length), 0)
    const order: LeafRange[] = []
    for (let turn = 0; turn < longest; turn++) {
      for (const queue of queues)
        if (turn < queue.length) order.push(expectDefined(queue[turn], 'the turn is below the length'))
    }
    return order
  }

  /** The first PRESSING_LEAVES leaves that each reader needs. */
  pressing(): LeafRange[] {
    return [...this.needs.values()].flatMap(ranges => parts(first(ranges, PRESSING_LEAVES)))
  }
}

function first(ranges: readonly LeafRange[], leavesMax: number): LeafRange[] {
  const kept: LeafRange[] = []
  let left = leavesMax
  for (const range of ranges) {
    if (left === 0) break
    const leafCount = Math.min(left, range.leafCount)
    kept.push({ ...range, leafCount })
    left -= leafCount
  }
  return kept
}

function parts(ranges: readonly LeafRange[]): LeafRange[] {
  const cut: LeafRange[] = []
  for (const { piece, leafStart, leafCount } of ranges) {
    for (let at = 0; at < leafCount; at += REQUEST_LEAVES_MAX) {
      cut.push({ piece, leafStart: leafStart + at, leafCount: Math.min(REQUEST_LEAVES_MAX, leafCount - at) })
    }
  }
  return cut
}
