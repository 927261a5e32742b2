/**
 * The shortage of a stalled download: the missing pieces that no open source offers, and the sources that announced
 * that they no longer hold them.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { PieceIndex } from '../../../wire/bittorrent/layout.ts'
import type { Shortage } from '../contract.ts'
import type { Picker } from '../picker/picker.ts'
import { SHORTAGE_PIECES_MAX } from '../settings.ts'
import type { OpenSource } from './source.ts'
import type { Known } from './sources.ts'

/** Undefined when an open source offers a missing leaf. `picker` is undefined before the manifest is fetched. */
export function shortageOf(standings: Iterable<Known>, picker: Picker | undefined): Shortage | undefined {
  const open: OpenSource[] = []
  const silent: NodeId[] = []
  const withdrawnBy = new Set<NodeId>()
  let isAsking = false
  for (const { standing, contact, failures, hasDropped } of standings) {
    if (hasDropped) withdrawnBy.add(contact.id)
    else if (standing.kind === 'open') open.push(standing.source)
    else if (standing.kind === 'asking' || failures === 0) isAsking = true
    else silent.push(contact.id)
  }
  if (picker === undefined) return { pieces: [], pieceCount: 0, withdrawnBy: [...withdrawnBy], silent, isAsking }
  const pieces: PieceIndex[] = []
  let pieceCount = 0
  for (const piece of picker.missingPieces()) {
    if (open.some(({ peerCursor }) => picker.offers(peerCursor, piece))) return undefined
    pieceCount++
    if (pieces.length < SHORTAGE_PIECES_MAX) pieces.push(piece)
    for (const { withdrawn, contact } of open) if (withdrawn?.has(piece) === true) withdrawnBy.add(contact.id)
  }
  if (pieceCount === 0) return undefined
  return { pieces, pieceCount, withdrawnBy: [...withdrawnBy], silent, isAsking }
}
