/** One peer that has said what it holds of a content, as a download sees it: what it is asked for, and how fast it is. */
import { Bitfield } from '../../../base/bitfield.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { PieceIndex } from '../../../wire/bittorrent/layout.ts'
import type { Now } from '../../machine.ts'
import type { RequestId } from '../contract.ts'
import { Pace, type Mark } from './pace.ts'
import type { Claim, PeerCursor } from '../picker/picker.ts'

export interface Request extends Claim {
  readonly id: RequestId
  readonly source: OpenSource
  readonly bytes: number
  readonly hashes: boolean
  readonly mark: Mark
  /** Another source was asked for it before. */
  readonly borrowed: boolean
  dropped: boolean
}

/** A source that has said what it holds. */
export class OpenSource {
  readonly contact: Contact
  readonly peerCursor: PeerCursor
  readonly pace = new Pace()
  readonly requests = new Map<RequestId, Request>()
  choked = true
  snubbed = false
  /** Nothing is asked of it before. */
  busyUntil: Instant
  /** The last time that something arrived, or that it was asked after it had nothing to do. */
  movedAt: Instant
  /** The last time that a request was answered in full, or the opening. */
  arrivedAt: Instant
  inFlightBytes = 0
  borrowed = 0
  /** Pieces that it said it no longer holds. Made with the first. */
  withdrawn: Bitfield | undefined

  constructor(contact: Contact, peerCursor: PeerCursor, now: Now) {
    this.contact = contact
    this.peerCursor = peerCursor
    this.busyUntil = now.mono
    this.movedAt = now.mono
    this.arrivedAt = now.mono
  }

  /** It no longer holds this piece. Nothing happens when the content has fewer pieces. */
  withdrew(piece: PieceIndex, pieces: number): void {
    if (piece < pieces) (this.withdrawn ??= new Bitfield(pieces)).add(piece)
  }

  /** When its last request will have arrived; Infinity while it has shown no speed. */
  get drainMs(): number {
    const rate = this.snubbed ? 0 : this.pace.rateBytesPerSecond
    return rate === 0 ? Infinity : (this.inFlightBytes / rate) * 1_000
  }
}
