/** Chance from the operating system: for secrets, and for the seed of everything else. */
import { randomBytes } from 'node:crypto'

const SEED_BYTES = 32

/** `length` unpredictable bytes. */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length))
}

/** What a node's Random starts from: 32 unpredictable bytes. */
export function seed(): Uint8Array {
  return secretBytes(SEED_BYTES)
}
