/**
 * Arithmetic on the ring of keys, modulo 2^256. Keys are hexadecimal strings of one length, so `<` is numeric order.
 */
import type { Key } from './ids.ts'

export const KEY_BITS = 256
const MODULUS = 1n << BigInt(KEY_BITS)

/** Whether `x` lies in the open arc (from, to), clockwise. The arc (a, a) is the whole ring except a. */
export function between(from: Key, x: Key, to: Key): boolean {
  if (from < to) return from < x && x < to
  if (from > to) return x > from || x < to
  return x !== from
}

/** Whether `x` lies in (from, to]. The arc (a, a] is the whole ring: a lone node owns every key. */
export function inArc(from: Key, x: Key, to: Key): boolean {
  return x === to || between(from, x, to)
}

/** The keys of the clockwise arc (from, to]. When both are equal it is the whole ring. */
export interface KeyRange {
  readonly from: Key
  readonly to: Key
}

export function inRange({ from, to }: KeyRange, key: Key): boolean {
  return inArc(from, key, to)
}

export function sameRange(a: KeyRange, b: KeyRange): boolean {
  return a.from === b.from && a.to === b.to
}

/** The clockwise distance from one key to another, 0 to 2^256 - 1. */
export function distance(from: Key, to: Key): bigint {
  const way = BigInt(`0x${to}`) - BigInt(`0x${from}`)
  return way < 0n ? way + MODULUS : way
}

/** The key at clockwise distance `offset` from `key`. A negative offset goes counterclockwise. */
export function add(key: Key, offset: bigint): Key {
  const sum = (((BigInt(`0x${key}`) + offset) % MODULUS) + MODULUS) % MODULUS
  return sum.toString(16).padStart(KEY_BITS / 4, '0') as Key
}

/** A comparator for sort(): keys by clockwise distance from `from`; `from` itself comes last. */
export function clockwiseFrom(from: Key): (a: Key, b: Key) => number {
  return (a, b) => {
    if (a === b) return 0
    if (a === from) return 1
    if (b === from) return -1
    return between(from, a, b) ? -1 : 1
  }
}
