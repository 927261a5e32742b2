/**
 * The record of synced leaves: under `synced/<content>`, the number of leaves and a bit for each. Its bits are copied
 * when the sync starts and persisted when the sync has ended, so that it never has more leaves than the disk.
 */
import { Bitfield } from '../../../base/bitfield.ts'
import type { ContentId } from '../../../base/ids.ts'
import { bytes, encode, struct, tryDecode, varint } from '../../../wire/codec/codec.ts'
import { SYNC_INTERVAL_MS } from '../settings.ts'

/** A bit for each leaf of 8 TiB. Larger contents have no record and are checked again after a restart. */
export const SYNCED_BYTES_MAX = 64 << 20
/** Highest rate at which records are written. A large record is written less often. */
const RECORD_BYTES_PER_SECOND = 512 << 10

const record = struct({ leaves: varint, bits: bytes(SYNCED_BYTES_MAX) })

export function syncedKey(content: ContentId): string {
  return `synced/${content}`
}

/** Undefined when the content is larger than SYNCED_BYTES_MAX allows. */
export function encodeSynced(leaves: number, bits: Uint8Array): Uint8Array | undefined {
  return bits.length > SYNCED_BYTES_MAX ? undefined : encode(record, { leaves, bits })
}

/** Undefined when the record is damaged. Then every leaf is checked again. */
export function decodeSynced(value: Uint8Array): Bitfield | undefined {
  const decoded = tryDecode(record, value)
  return decoded === undefined ? undefined : Bitfield.decode(decoded.bits, decoded.leaves)
}

/** The interval between two records of `leaves` leaves. */
export function syncIntervalMs(leaves: number): number {
  return SYNC_INTERVAL_MS * Math.max(1, leaves / 8 / (RECORD_BYTES_PER_SECOND * (SYNC_INTERVAL_MS / 1_000)))
}
