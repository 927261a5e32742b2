/**
 * The record of what an fsync has made safe: under `synced/<content>`, the number of leaves and a bit for each. It is made
 * when the sync is asked for, and written when the sync is done, so that it never says more than the disk holds.
 */
import { Bitfield } from '../../../base/bitfield.ts'
import type { ContentId } from '../../../base/ids.ts'
import { bytes, encode, struct, tryDecode, varint } from '../../../wire/codec/codec.ts'
import { SYNC_INTERVAL_MS } from '../settings.ts'

/** A bit for each leaf of 8 TiB. What is larger is not recorded: it is checked again after a restart. */
export const SYNCED_BYTES_MAX = 64 << 20
/** The record is written at this rate at most, so a large one is written less often. */
const RECORD_BYTES_PER_SECOND = 512 << 10

const record = struct({ leaves: varint, bits: bytes(SYNCED_BYTES_MAX) })

export function syncedKey(content: ContentId): string {
  return `synced/${content}`
}

/** Undefined when the content is too large to be recorded. */
export function encodeSynced(leaves: number, bits: Uint8Array): Uint8Array | undefined {
  return bits.length > SYNCED_BYTES_MAX ? undefined : encode(record, { leaves, bits })
}

/** Undefined when the record is damaged: everything is then checked again. */
export function decodeSynced(value: Uint8Array): Bitfield | undefined {
  const decoded = tryDecode(record, value)
  return decoded === undefined ? undefined : Bitfield.decode(decoded.bits, decoded.leaves)
}

/** Between two records of so many leaves. */
export function syncIntervalMs(leaves: number): number {
  return SYNC_INTERVAL_MS * Math.max(1, leaves / 8 / (RECORD_BYTES_PER_SECOND * (SYNC_INTERVAL_MS / 1_000)))
}
