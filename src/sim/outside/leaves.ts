/**
 * The leaves of one content on one simulated disk. A crash may lose or tear a leaf that was written but not synced; a
 * synced leaf survives. The node's own view of its leaves is kept separately, so that a check can find wrong data.
 */
import { Bitfield } from '../../base/bitfield.ts'
import type { Random } from '../../base/random.ts'
import type { Layout, PieceIndex } from '../../wire/bittorrent/layout.ts'

const NOTHING = 0
const WRITTEN = 1
const SYNCED = 2
const TORN = 3

/** The probabilities that a crash keeps or loses an unsynced leaf. Otherwise the leaf is torn. */
const KEPT = 0.5
const LOST = 0.25

export class Leaves {
  readonly layout: Layout
  readonly wanted: Bitfield
  /** Whether the disk has the manifest. */
  manifest = false
  /** Whether the files have their final names. */
  finished = false
  readonly changed = new Set<PieceIndex>()
  /** Leaves that were recorded as synced when the process started. They must not be requested again. */
  recorded: Bitfield
  private readonly state: Uint8Array
  private losses: 'none' | 'unnoticed' | 'noticed' = 'none'

  constructor(layout: Layout, wanted: Bitfield) {
    this.layout = layout
    this.wanted = wanted
    this.state = new Uint8Array(layout.leaves)
    this.recorded = new Bitfield(layout.leaves)
  }

  /** Marks all leaves as synced and the files as finished. */
  fill(): this {
    this.state.fill(SYNCED)
    this.manifest = true
    this.finished = true
    return this
  }

  good(leaf: number): boolean {
    return this.state[leaf] === WRITTEN || this.state[leaf] === SYNCED
  }

  safe(leaf: number): boolean {
    return this.state[leaf] === SYNCED
  }

  write(leaf: number): void {
    if (this.state[leaf] !== SYNCED) this.state[leaf] = WRITTEN
  }

  /** The leaves that an fsync that begins now makes durable. */
  unsynced(): number[] {
    return [...this.state.keys()].filter(leaf => this.state[leaf] === WRITTEN)
  }

  sync(leaves: readonly number[]): void {
    for (const leaf of leaves) if (this.state[leaf] === WRITTEN) this.state[leaf] = SYNCED
  }

  crash(random: Random): void {
    for (const leaf of this.unsynced()) {
      const fate = random.unit()
      if (fate >= KEPT) this.state[leaf] = fate < KEPT + LOST ? NOTHING : TORN
    }
  }

  /** Deletes the unfinished files, as a user might. The store notices at the next write, sync or finish. */
  lose(): void {
    this.state.fill(NOTHING)
    this.recorded = new Bitfield(this.layout.leaves)
    this.losses = 'unnoticed'
  }

  get isLost(): boolean {
    return this.losses === 'unnoticed'
  }

  /** The result of `prepare`: leaves of the record, unless files were deleted, and other leaves that are intact. */
  found(synced: Bitfield | undefined): Bitfield {
    const isTrusted = this.losses === 'none'
    if (!isTrusted) this.losses = 'noticed'
    const have = new Bitfield(this.layout.leaves)
    for (let leaf = 0; leaf < this.layout.leaves; leaf++)
      if ((isTrusted && synced?.has(leaf) === true) || this.good(leaf)) have.add(leaf)
    return have
  }

  /** The first wanted leaf for which `test` is false. */
  firstWanted(test: (leaf: number) => boolean): number | undefined {
    for (const piece of this.wanted) {
      const first = this.layout.firstLeafOf(piece as PieceIndex)
      for (let i = 0; i < this.layout.leavesOf(piece as PieceIndex); i++) if (!test(first + i)) return first + i
    }
    return undefined
  }
}
