/**
 * The commands that the exchange gives to io, and the events that it reports to its owner. The machine decides which
 * leaves to request from which peer and which peers to serve; io (or the simulator) transfers, checks and writes the
 * bytes.
 *
 * How a block travels:
 *   1. The downloader's machine emits the command `expect` and sends the message `request` on the stream.
 *   2. The uploader's machine queues the request. When it is its turn, the machine emits the command `upload`.
 *   3. The uploader's io reads the leaves and sends them over the block stream.
 *   4. The downloader's io checks each leaf against the leaf hashes of its piece, and writes it. `done` ends `expect`.
 * io drops and counts leaves that match no `expect`.
 */
import type { Bitfield } from '../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { BanReason } from '../../wire/exchange.ts'
import type { Layout, LeafRange, PieceIndex } from '../../wire/bittorrent/layout.ts'

/** A number of 32 bits that the downloader assigns. It is unique for each peer. */
export type RequestId = number & { readonly brand: 'RequestId' }

export type ExchangeCommand =
  /** Fetch the manifest from a peer and store it. Failures: `ManifestFailure`. */
  | { kind: 'manifest'; content: ContentId; peer: Contact }
  /**
   * Prepare the target files and determine which leaves they hold: `value` is `Prepared`. `synced` has the leaves of
   * the content that were fsynced before a restart; undefined at the first start. Failures: `DiskFailure`, 'conflict',
   * and 'no-manifest' when the manifest is not stored here. The first `prepare` precedes any request for the manifest.
   */
  | { kind: 'prepare'; content: ContentId; synced: Bitfield | undefined }
  /**
   * Accept the leaves of this request from this peer. Ends ok when all are checked and written. Fails with 'bad-leaf'
   * when a leaf does not match its hash, with `DiskFailure` or 'lost' when a write fails, with 'forgotten' after
   * `forget`, and with 'link' when the link ends. The leaves written before a failure are in `value`, a `Partial`.
   */
  | { kind: 'expect'; peer: NodeId; request: RequestId; content: ContentId; range: LeafRange }
  /** End an `expect`: it fails with 'forgotten'. */
  | { kind: 'forget'; peer: NodeId; request: RequestId }
  /**
   * Read the leaves and send them; with `hashes`, send the leaf hashes of the whole piece first. Ends ok when the last
   * byte is passed to the stream. Failures: 'changed' (the file differs from the one that was shared), 'disk', 'link',
   * 'stopped'.
   */
  | { kind: 'upload'; peer: NodeId; request: RequestId; content: ContentId; range: LeafRange; hashes: boolean }
  | { kind: 'stop-upload'; peer: NodeId; request: RequestId }
  /** fsync all leaves written so far. Failures: `DiskFailure`, 'lost'. */
  | { kind: 'sync'; content: ContentId }
  /**
   * Rename the files to their final names, after all wanted pieces are synced. Ends ok once that would survive a crash.
   * Failures: 'conflict', `DiskFailure`, 'lost'.
   */
  | { kind: 'finish'; content: ContentId }
  /** Close the files of the content. All other commands for it have ended. */
  | { kind: 'close'; content: ContentId }

export type ManifestFailure = 'not-held' | 'bad-manifest' | 'link' | DiskFailure
/**
 * A failure 'lost' beside these means that a file was deleted or truncated. `prepare` determines which leaves remain.
 */
export type DiskFailure = 'disk-full' | 'disk'

export interface Prepared {
  readonly layout: Layout
  /** Pieces that the user wants. */
  readonly wanted: Bitfield
  /** Leaves of the content that are on disk and match their hashes. */
  readonly have: Bitfield
}

export interface Partial {
  /** Leaves that were checked and written, counted from the start of the range. */
  readonly written: Bitfield
}

export type PauseReason = 'user' | 'disk-full' | 'conflict' | 'disk'

export type ExchangeEvent =
  /** Look up holders in the records. Repeated with a growing pause while there are too few sources. */
  | { kind: 'wanted-providers'; content: ContentId }
  /** A peer that may hold it did not answer. It may accept no connections and have to dial. Emitted at each attempt. */
  | { kind: 'unreachable'; content: ContentId; peer: NodeId }
  /** Announce in the records that this node holds all, part or nothing of it. */
  | { kind: 'announce'; content: ContentId; held: 'none' | 'part' | 'all' }
  | { kind: 'progress'; content: ContentId; progress: Progress }
  | { kind: 'complete'; content: ContentId; progress: Progress }
  | { kind: 'paused'; content: ContentId; reason: PauseReason }
  | { kind: 'resumed'; content: ContentId }
  | { kind: 'banned'; content: ContentId; peer: NodeId; everywhere: boolean }
  /**
   * io could not read a shared piece, and the machine withdrew it. The owner finds out why, and may restore it.
   */
  | { kind: 'changed'; content: ContentId; piece: PieceIndex }
  /** A peer banned this node for the reason given. */
  | { kind: 'accused'; content: ContentId; peer: NodeId; reason: BanReason }
  /** A peer violated the protocol. For counting and logs. */
  | { kind: 'misbehaved'; peer: NodeId; what: string }

/** Why a download makes no progress: no open source offers a missing piece. */
export interface Shortage {
  /** The first of the missing pieces, SHORTAGE_PIECES_MAX at most. Empty when even the manifest is missing. */
  readonly pieces: readonly PieceIndex[]
  readonly pieceCount: number
  /** Sources that announced that they no longer hold some of these pieces. */
  readonly withdrawnBy: readonly NodeId[]
  /** Sources that did not answer, or that hold nothing. */
  readonly silent: readonly NodeId[]
  /** A source is being asked, or has not failed so far and will be asked. */
  readonly isAsking: boolean
}

export interface Progress {
  readonly state: 'finding' | 'preparing' | 'fetching' | 'finishing' | 'complete' | 'paused'
  readonly wantedBytes: number
  readonly haveBytes: number
  /** Bytes fetched from peers in this run of the download, and wanted bytes that were on disk before. */
  readonly fetchedBytes: number
  readonly reusedBytes: number
  /** Bytes from each source in this run. */
  readonly sources: ReadonlyArray<{ readonly peer: NodeId; readonly bytes: number }>
  /** Average over the last 4.5 to 5 seconds. */
  readonly rateBytesPerSecond: number
}
