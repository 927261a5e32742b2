/**
 * Marks: index terms for a file's type and size, so that a filter is part of the index query. A mark is one character
 * of a private use area, which no word of a name contains, and so short that only the shortest prefix lists include it.
 * Marks may match too much, never too little: results are checked against the filter itself.
 */
import { sha256, utf8 } from '../../base/bytes.ts'
import { KINDS, isKind, kindOfName } from '../../wire/control/kinds.ts'
import type { SearchFilter } from '../../wire/gnutella/search.ts'

const KIND_MARKS = 0xe000
const SIZE_MARKS = 0xe100
/** Plane 15, the first plane of private use. Extensions are hashed to its characters, so two may share one. */
const EXTENSION_MARKS = 0xf0000
const EXTENSION_MARK_COUNT = 0xfffe

/** Common minimum sizes of searches: 1 MiB, 16 MiB, 256 MiB, 4 GiB. */
const SIZE_STEPS_BYTES = [2 ** 20, 2 ** 24, 2 ** 28, 2 ** 32]

/** The marks of a file's kind and extension. */
export function typeMarks(name: string): string[] {
  const { extension, kind } = kindOfName(name)
  return [kind, extension].filter(type => type !== undefined).map(typeMark)
}

/** One mark for every step that the size reaches. */
export function sizeMarks(bytes: number): string[] {
  return SIZE_STEPS_BYTES.filter(step => bytes >= step).map(sizeMark)
}

/** The marks that every result of this filter has. */
export function filterMarks({ type, minBytes }: SearchFilter): string[] {
  const marks = type === undefined ? [] : [typeMark(type)]
  const step = SIZE_STEPS_BYTES.findLast(one => (minBytes ?? 0) >= one)
  return step === undefined ? marks : [...marks, sizeMark(step)]
}

function sizeMark(step: number): string {
  return String.fromCodePoint(SIZE_MARKS + SIZE_STEPS_BYTES.indexOf(step))
}

function typeMark(type: string): string {
  if (isKind(type)) return String.fromCodePoint(KIND_MARKS + KINDS.indexOf(type))
  const [high = 0, low = 0] = sha256(utf8(type))
  return String.fromCodePoint(EXTENSION_MARKS + (((high << 8) | low) % EXTENSION_MARK_COUNT))
}

/** Whether a term of the index is a mark. */
export function isMark(term: string): boolean {
  return /^\p{Co}/u.test(term)
}
