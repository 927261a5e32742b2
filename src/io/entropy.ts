/** Random bytes from the operating system: for secrets, and to seed the node's Random. */
import { randomBytes } from 'node:crypto'

const SEED_BYTES = 32

/** `length` unpredictable bytes. */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length))
}

/** The seed of a node's Random: 32 unpredictable bytes. */
export function seed(): Uint8Array {
  return secretBytes(SEED_BYTES)
}
