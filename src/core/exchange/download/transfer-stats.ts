/** The byte counts of one download for display: wanted, held, reused, fetched, by source, and the rate. */
import type { Bitfield } from '../../../base/bitfield.ts'
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import { LEAF_BYTES } from '../../../wire/bittorrent/layout.ts'
import type { Progress } from '../contract.ts'
import type { HeldLeaves } from '../held-leaves.ts'
import { Meter } from '../meter.ts'
import { allPieces } from '../picker/pieces.ts'

/** Sources with a count of their own. Bytes of further sources count in the total only. */
const SOURCES_REPORTED_MAX = 1_024

export class TransferStats {
  private readonly meter: Meter
  private readonly sourceBytes = new Map<NodeId, number>()
  private wantedBytes = 0
  private haveBytes = 0
  private reusedBytes = 0
  private fetchedBytes = 0

  constructor(start: Instant) {
    this.meter = new Meter(start)
  }

  /** Counts all wanted and held bytes. Held bytes that were not fetched count as reused. */
  measure(holding: HeldLeaves, wanted: Bitfield): void {
    this.wantedBytes = 0
    this.haveBytes = 0
    for (const { piece, firstLeaf, leafCount, bytes } of allPieces(holding.layout)) {
      if (!wanted.has(piece)) continue
      this.wantedBytes += bytes
      if (holding.hasPiece(piece)) this.haveBytes += bytes
      else {
        for (let i = 0; i < leafCount; i++) {
          if (holding.hasLeaf(firstLeaf + i)) this.haveBytes += Math.min(LEAF_BYTES, bytes - i * LEAF_BYTES)
        }
      }
    }
    this.reusedBytes = Math.max(0, this.haveBytes - this.fetchedBytes)
  }

  fetched(peer: NodeId, bytes: number, now: Instant): void {
    const before = this.sourceBytes.get(peer)
    if (before !== undefined || this.sourceBytes.size < SOURCES_REPORTED_MAX) {
      this.sourceBytes.set(peer, (before ?? 0) + bytes)
    }
    this.fetchedBytes += bytes
    this.haveBytes += bytes
    this.meter.add(bytes, now)
  }

  progress(state: Progress['state'], now: Instant): Progress {
    return {
      state,
      wantedBytes: this.wantedBytes,
      haveBytes: this.haveBytes,
      fetchedBytes: this.fetchedBytes,
      reusedBytes: this.reusedBytes,
      sources: [...this.sourceBytes].map(([peer, bytes]) => ({ peer, bytes })),
      rateBytesPerSecond: this.meter.bytesPerSecond(now)
    }
  }
}
