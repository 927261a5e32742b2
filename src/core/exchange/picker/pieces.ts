/** Iterates over all pieces in order. To ask the layout about each piece would search its file each time. */
import { LEAF_BYTES, type Layout, type PieceIndex } from '../../../wire/bittorrent/layout.ts'

export interface PieceOf {
  readonly piece: PieceIndex
  /** Index among all leaves of the content. */
  readonly firstLeaf: number
  readonly leafCount: number
  readonly bytes: number
}

/** Yields the same object for every piece: callers must not keep it. */
export function* allPieces(layout: Layout): Generator<PieceOf> {
  const of = { piece: 0 as PieceIndex, firstLeaf: 0, leafCount: 0, bytes: 0 }
  let leaf = 0
  let piece = 0
  for (const length of layout.fileLengths) {
    for (let offset = 0; offset < length; offset += layout.pieceLengthBytes) {
      of.piece = piece++ as PieceIndex
      of.bytes = Math.min(layout.pieceLengthBytes, length - offset)
      of.leafCount = Math.ceil(of.bytes / LEAF_BYTES)
      of.firstLeaf = leaf
      leaf += of.leafCount
      yield of
    }
  }
}
