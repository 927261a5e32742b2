/** A source of one download that announced what it holds: its open requests and its rate. */
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
  /** The leaves were first requested from another source. */
  readonly borrowed: boolean
  /** It was cancelled. io may not have ended it yet. */
  dropped: boolean
}

export class OpenSource {
  readonly contact: Contact
  readonly peerCursor: PeerCursor
  readonly pace = new Pace()
  readonly requests = new Map<RequestId, Request>()
  choked = true
  snubbed = false
  /** No request is sent before this time. */
  busyUntil: Instant
  /** When a request last arrived, or the first one was sent to the idle source. */
  movedAt: Instant
  /** When a request last arrived in full; at first, when the source opened. */
  arrivedAt: Instant
  inFlightBytes = 0
  borrowed = 0
  /** Pieces that the source announced it no longer holds. Undefined until the first. */
  withdrawn: Bitfield | undefined

  constructor(contact: Contact, peerCursor: PeerCursor, now: Now) {
    this.contact = contact
    this.peerCursor = peerCursor
    this.busyUntil = now.mono
    this.movedAt = now.mono
    this.arrivedAt = now.mono
  }

  /** Records that the source no longer holds a piece. Ignores pieces outside the content. */
  withdrew(piece: PieceIndex, pieces: number): void {
    if (piece < pieces) (this.withdrawn ??= new Bitfield(pieces)).add(piece)
  }

  /** Expected time until its last request arrives. Infinity while it is snubbed or its rate is unknown. */
  get drainMs(): number {
    const rate = this.snubbed ? 0 : this.pace.rateBytesPerSecond
    return rate === 0 ? Infinity : (this.inFlightBytes / rate) * 1_000
  }
}
