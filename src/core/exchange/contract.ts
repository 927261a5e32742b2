/**
 * What the exchange asks of the outside, and what it tells its owner. The machine decides which leaves to ask of whom and
 * whom to serve; io (or the simulator) moves, hashes and writes the bytes.
 *
 * The way of a block: the downloader's machine emits the command `expect` and sends the message `request` on the stream;
 * the uploader's machine receives it, decides, and emits the command `upload`; the uploader's io reads the leaves and sends
 * them over the block stream; the downloader's io checks every leaf on arrival against the piece's leaf hashes, writes it,
 * and answers `expect` with `done`. Leaves that nobody expects are dropped by io and counted.
 */
import type { Bitfield } from '../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { BanReason } from '../../wire/exchange.ts'
import type { Layout, LeafRange, PieceIndex } from '../../wire/bittorrent/layout.ts'

/** Numbered by the downloader, never used twice towards one peer. 32 bits. */
export type RequestId = number & { readonly brand: 'RequestId' }

export type ExchangeCommand =
  /** Get and keep the manifest from a peer. Failures: `ManifestFailure`. */
  | { kind: 'manifest'; content: ContentId; peer: Contact }
  /**
   * Make the target ready and find out what of it is there: `value` is `Prepared`. `synced` are the leaves (numbered
   * through the content) that were fsynced before a restart; undefined at the first start. Failures: `DiskFailure`, 'conflict',
   * and 'no-manifest' when it is not kept here: it is tried before any peer is asked for the manifest.
   */
  | { kind: 'prepare'; content: ContentId; synced: Bitfield | undefined }
  /**
   * Leaves of this request from this peer may arrive now. Answered when all are checked and written (ok), or the first
   * time that one is wrong ('bad-leaf'), the disk refuses (`DiskFailure`, 'lost'), or `forget` or the end of the link ends it
   * ('forgotten', 'link'): leaves written before that are in `value`, a `Partial`.
   */
  | { kind: 'expect'; peer: NodeId; request: RequestId; content: ContentId; range: LeafRange }
  | { kind: 'forget'; peer: NodeId; request: RequestId }
  /**
   * Read the leaves and send them; `hashes` first sends the leaf hashes of the whole piece. Answered when the last byte
   * was handed to the stream (ok), or: 'changed' (the file on disk is no longer what was shared), 'disk', 'link', 'stopped'.
   */
  | { kind: 'upload'; peer: NodeId; request: RequestId; content: ContentId; range: LeafRange; hashes: boolean }
  | { kind: 'stop-upload'; peer: NodeId; request: RequestId }
  /** fsync all that was written so far. Ok once it is safe, or `DiskFailure`, or 'lost'. */
  | { kind: 'sync'; content: ContentId }
  /** All wanted pieces are there and synced: give the files their final names. Ok once safe, 'conflict', `DiskFailure`, 'lost'. */
  | { kind: 'finish'; content: ContentId }
  /** Close the files of the content; nothing about it is under way any more. */
  | { kind: 'close'; content: ContentId }

export type ManifestFailure = 'not-held' | 'bad-manifest' | 'link' | DiskFailure
/** 'lost': what was written before is gone, somebody deleted or cut a file. `prepare` finds out what is left. */
export type DiskFailure = 'disk-full' | 'disk'

export interface Prepared {
  readonly layout: Layout
  /** Pieces that the user wants. */
  readonly wanted: Bitfield
  /** Leaves, numbered through the content, that are on disk and right. */
  readonly have: Bitfield
}

export interface Partial {
  /** Leaves of the range, counted from its start, that were checked and written. */
  readonly written: Bitfield
}

export type PauseReason = 'user' | 'disk-full' | 'conflict' | 'disk'

export type ExchangeEvent =
  /** Ask the records who has it. Repeated, with a growing pause, while there are too few sources. */
  | { kind: 'wanted-providers'; content: ContentId }
  /** A peer that should have it did not answer: it may be one that has to dial. Told again at each try. */
  | { kind: 'unreachable'; content: ContentId; peer: NodeId }
  /** Tell the records that this node holds (part of) it, or no longer does. */
  | { kind: 'announce'; content: ContentId; held: 'none' | 'part' | 'all' }
  | { kind: 'progress'; content: ContentId; progress: Progress }
  | { kind: 'complete'; content: ContentId; progress: Progress }
  | { kind: 'paused'; content: ContentId; reason: PauseReason }
  | { kind: 'resumed'; content: ContentId }
  | { kind: 'banned'; content: ContentId; peer: NodeId; everywhere: boolean }
  /**
   * io could not read a piece that is shared, and the piece was withdrawn. The owner finds out why, and may restore it.
   */
  | { kind: 'changed'; content: ContentId; piece: PieceIndex }
  /** A peer says that this node sent it wrong bytes. */
  | { kind: 'accused'; content: ContentId; peer: NodeId; reason: BanReason }
  /** A peer broke the protocol; counted, never fatal. */
  | { kind: 'misbehaved'; peer: NodeId; what: string }

/** Why a download stands still although sources answer: nobody offers what it misses. */
export interface Shortage {
  /** The first of the missing pieces, SHORTAGE_PIECES_MAX at most. Empty when even the manifest is missing. */
  readonly pieces: readonly PieceIndex[]
  readonly pieceCount: number
  /** Sources that said that they no longer hold some of these pieces. */
  readonly withdrawnBy: readonly NodeId[]
  /** Sources that did not answer, or answered that they hold nothing. */
  readonly silent: readonly NodeId[]
  /** A source is being asked, or will be asked for the first time. */
  readonly isAsking: boolean
}

export interface Progress {
  readonly state: 'finding' | 'preparing' | 'fetching' | 'finishing' | 'complete' | 'paused'
  readonly wantedBytes: number
  readonly haveBytes: number
  /** Fetched over the network by this run of the download, and what was there before. */
  readonly fetchedBytes: number
  readonly reusedBytes: number
  /** Bytes by source, in this run. */
  readonly sources: ReadonlyArray<{ readonly peer: NodeId; readonly bytes: number }>
  /** Bytes a second over the last seconds. */
  readonly rateBytesPerSecond: number
}
