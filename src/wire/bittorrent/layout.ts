/**
 * How the pieces and leaves of a content are numbered (BEP 52). Files are in the order of the dictionary. Each file
 * is cut into pieces of its own, of which the last may be short, and pieces are cut into leaves of 16 KiB. Numbers
 * run through all files; an empty file has no pieces. A layout needs only lengths, so machines and simulations can
 * use it without files.
 */
import { assert } from '../../base/assert.ts'

export const LEAF_BYTES = 16_384
/** BEP 52 requires a power of two of at least 16 KiB. The upper limit is ours (libtorrent's is 128 MiB). */
export const PIECE_LENGTH_BYTES_MAX = 64 << 20
/** Files of one content. */
export const FILES_MAX = 1_000_000
/** Pieces of one content, over all files. */
export const PIECES_MAX = 4_000_000

export type PieceIndex = number & { readonly brand: 'PieceIndex' }

/** `leafCount` leaves of a piece from leaf `leafStart` on, counted inside the piece. */
export interface LeafRange {
  readonly piece: PieceIndex
  readonly leafStart: number
  readonly leafCount: number
}

export class Layout {
  readonly pieceLengthBytes: number
  readonly fileLengths: readonly number[]
  /** The sum of the lengths of all files. */
  readonly bytes: number
  readonly pieces: number
  /** The number of leaves of all pieces. */
  readonly leaves: number
  /** The first piece of every file, then the number of all pieces. */
  private readonly firstPiece: Uint32Array
  /** The first leaf of every file, then the number of all leaves. */
  private readonly firstLeaf: Float64Array

  /** Lengths must be safe integers within the limits above. metainfo.ts checks them. */
  constructor(pieceLengthBytes: number, fileLengths: readonly number[]) {
    assert(pieceLengthBytes >= LEAF_BYTES && Number.isInteger(Math.log2(pieceLengthBytes)), 'a piece is a power of two')
    this.pieceLengthBytes = pieceLengthBytes
    this.fileLengths = fileLengths
    this.firstPiece = new Uint32Array(fileLengths.length + 1)
    this.firstLeaf = new Float64Array(fileLengths.length + 1)
    let bytes = 0
    let pieces = 0
    let leaves = 0
    fileLengths.forEach((length, file) => {
      this.firstPiece[file] = pieces
      this.firstLeaf[file] = leaves
      bytes += length
      pieces += Math.ceil(length / pieceLengthBytes)
      leaves += Math.ceil(length / LEAF_BYTES)
    })
    this.firstPiece[fileLengths.length] = pieces
    this.firstLeaf[fileLengths.length] = leaves
    this.bytes = bytes
    this.pieces = pieces
    this.leaves = leaves
  }

  /** Leaves of a whole piece. */
  get leavesPerPiece(): number {
    return this.pieceLengthBytes / LEAF_BYTES
  }

  /** The pieces of a file: from `first` to before `end`. */
  piecesOf(file: number): { first: PieceIndex; end: PieceIndex } {
    return { first: this.firstPiece[file] as PieceIndex, end: this.firstPiece[file + 1] as PieceIndex }
  }

  /** The file that a piece belongs to. */
  fileOf(piece: PieceIndex): number {
    assert(piece >= 0 && piece < this.pieces, 'a piece of this content')
    let low = 0
    let high = this.fileLengths.length
    // Finds the last file whose first piece is at or before `piece`. An empty file has the same first piece as the
    // next one.
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((this.firstPiece[middle] ?? 0) <= piece) low = middle
      else high = middle
    }
    return low
  }

  /** Where the piece begins in its file, in bytes. */
  offsetInFile(piece: PieceIndex): number {
    return (piece - (this.firstPiece[this.fileOf(piece)] ?? 0)) * this.pieceLengthBytes
  }

  /** 1 to pieceLengthBytes. */
  pieceBytes(piece: PieceIndex): number {
    const length = this.fileLengths[this.fileOf(piece)] ?? 0
    return Math.min(this.pieceLengthBytes, length - this.offsetInFile(piece))
  }

  /** 1 to leavesPerPiece. */
  leavesOf(piece: PieceIndex): number {
    return Math.ceil(this.pieceBytes(piece) / LEAF_BYTES)
  }

  /**
   * Whether the hash of the piece is the hash of its only leaf. This is false for a short last piece of a file of
   * several pieces, because BEP 52 pads that piece with zero hashes.
   */
  isOwnHash(piece: PieceIndex): boolean {
    if (this.leavesOf(piece) > 1) return false
    const { first, end } = this.piecesOf(this.fileOf(piece))
    return this.leavesPerPiece === 1 || end - first === 1
  }

  /** The number of the piece's first leaf among all leaves. */
  firstLeafOf(piece: PieceIndex): number {
    const file = this.fileOf(piece)
    return (this.firstLeaf[file] ?? 0) + (piece - (this.firstPiece[file] ?? 0)) * this.leavesPerPiece
  }

  /** 1 to 16,384. */
  leafBytes(piece: PieceIndex, leaf: number): number {
    return Math.min(LEAF_BYTES, this.pieceBytes(piece) - leaf * LEAF_BYTES)
  }

  /** The size of a range of leaves in bytes. */
  rangeBytes(range: LeafRange): number {
    const start = range.leafStart * LEAF_BYTES
    return Math.min(this.pieceBytes(range.piece), start + range.leafCount * LEAF_BYTES) - start
  }

  /** Whether the range lies in this content. Requests of peers must be checked with this. */
  holds(range: LeafRange): boolean {
    if (range.piece < 0 || range.piece >= this.pieces || range.leafStart < 0 || range.leafCount < 1) return false
    return range.leafStart + range.leafCount <= this.leavesOf(range.piece)
  }
}
