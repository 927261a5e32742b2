/**
 * How a content's bytes are numbered (BEP 52): files in the order of the dictionary, each cut into pieces of its own (the
 * last one of a file may be short), pieces cut into leaves of 16 KiB. Pieces and leaves are numbered through all files;
 * an empty file has none. Counts, not bytes, so that machines and simulations can reason without any file.
 */
import { assert } from '../../base/assert.ts'

export const LEAF_BYTES = 16_384
/** BEP 52: a power of two, at least one leaf. The upper limit is ours (libtorrent's is the same 128 MiB order; nobody uses more). */
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
  /** All files together. */
  readonly bytes: number
  readonly pieces: number
  /** All pieces together. */
  readonly leaves: number
  /** The first piece of every file, and one past the last. */
  private readonly firstPiece: Uint32Array
  /** The first leaf of every file. */
  private readonly firstLeaf: Float64Array

  /** Lengths must be whole, safe and within the limits above: wire/bittorrent/metainfo.ts has checked them. */
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
    // The last file whose first piece is at or before this one; files without pieces share their number with the next.
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
   * Whether the hash of the piece is that of its one leaf. Not so of the short last piece of a file of several: BEP 52 fills that one up
   * with zeros.
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

  /** Bytes of a range of leaves. */
  rangeBytes(range: LeafRange): number {
    const start = range.leafStart * LEAF_BYTES
    return Math.min(this.pieceBytes(range.piece), start + range.leafCount * LEAF_BYTES) - start
  }

  /** Whether the range lies in this content: for what peers ask. */
  holds(range: LeafRange): boolean {
    if (range.piece < 0 || range.piece >= this.pieces || range.leafStart < 0 || range.leafCount < 1) return false
    return range.leafStart + range.leafCount <= this.leavesOf(range.piece)
  }
}
