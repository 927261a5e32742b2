/** Provider records as claims: signed by their provider, told apart by marks. */
import { sha256Hex, unhex } from '../../base/bytes.ts'
import { expectDefined } from '../../base/assert.ts'
import type { Key } from '../../base/ids.ts'
import { encode } from '../../wire/codec/codec.ts'
import {
  DIGEST_BYTES,
  PROVIDER_DOMAIN,
  providerClaim,
  RECORD_MARK_BYTES,
  type Held,
  type ProviderRecord
} from '../../wire/records.ts'
import type { Signer, Verifier } from '../machine.ts'

export function claim(
  signer: Signer,
  fields: { key: Key; sequence: number; ttlMs: number; held: Held }
): ProviderRecord {
  const unsigned = { ...fields, provider: signer.id }
  return { ...unsigned, signature: signer.sign(PROVIDER_DOMAIN, encode(providerClaim, unsigned)) }
}

export function isGenuine(verifier: Verifier, record: ProviderRecord): boolean {
  return verifier.verify(record.provider, PROVIDER_DOMAIN, encode(providerClaim, record), record.signature)
}

/** The beginning of the SHA-256 of what the record claims, as hexadecimal; long enough for a digest. */
export function fingerprint(record: ProviderRecord): string {
  return sha256Hex(encode(providerClaim, record)).slice(0, 2 * DIGEST_BYTES)
}

export function markOf(print: string): Uint8Array {
  return expectDefined(unhex(print.slice(0, 2 * RECORD_MARK_BYTES)), 'a fingerprint is hexadecimal')
}

/** The exclusive or of all fingerprints: the same for the same set in any order. Members could forge it, for themselves only. */
export function digestOf(prints: Iterable<string>): Uint8Array {
  const sum = new Uint8Array(DIGEST_BYTES)
  for (const print of prints) {
    for (let i = 0; i < DIGEST_BYTES; i++) sum[i] = (sum[i] ?? 0) ^ parseInt(print.slice(2 * i, 2 * i + 2), 16)
  }
  return sum
}
