/** How long the pieces of a content are. */
import { LEAF_BYTES } from '../../wire/bittorrent/layout.ts'

/** A piece's hash in the list that the sizes below were balanced against: SHA-1's 20 bytes. */
const HASH_BYTES = 20
const PIECE_LENGTH_BYTES_LARGEST = 16 << 20

/**
 * As libtorrent's create_torrent.cpp chooses, so that the same folder gets the same ID: the least power of two P from 16 KiB
 * to 16 MiB with bytes <= (2 P / 20)^2, which holds for a list of hashes about twice the root of the size.
 */
export function pieceLengthFor(bytes: number): number {
  let length = LEAF_BYTES
  while (length < PIECE_LENGTH_BYTES_LARGEST && bytes > Math.round(((2 * length) / HASH_BYTES) ** 2)) length *= 2
  return length
}
