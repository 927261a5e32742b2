/**
 * Ranges of bytes as RFC 9110, section 14 asks for them. One range is answered; several at once get the whole, as the RFC allows, and what
 * is no range of bytes is as if nothing had been asked.
 */

/** From `start` to before `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

export type Asked =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly span: Span }
  /** It begins behind the last byte. */
  | { readonly kind: 'unsatisfiable' }

/** More letters than two numbers of 15 digits take are no single range. */
const RANGE_LETTERS_MAX = 64
const SINGLE = /^bytes[ \t]*=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*$/i
const WHOLE: Asked = { kind: 'whole' }

/** The header's text, of a representation of so many bytes. */
export function askedOf(header: string | undefined, lengthBytes: number): Asked {
  if (header === undefined || header.length > RANGE_LETTERS_MAX) return WHOLE
  const [, first = '', last = ''] = SINGLE.exec(header) ?? []
  if (first === '') return last === '' ? WHOLE : suffix(Number(last), lengthBytes)
  const start = Number(first)
  if (last !== '' && Number(last) < start) return WHOLE
  if (start >= lengthBytes) return { kind: 'unsatisfiable' }
  const end = last === '' ? lengthBytes : Math.min(lengthBytes, Number(last) + 1)
  return { kind: 'part', span: { start, end } }
}

function suffix(bytes: number, lengthBytes: number): Asked {
  if (bytes === 0) return { kind: 'unsatisfiable' }
  // The last bytes of nothing are nothing, which has no range to be named.
  if (lengthBytes === 0) return WHOLE
  return { kind: 'part', span: { start: Math.max(0, lengthBytes - bytes), end: lengthBytes } }
}

/** Whether a list of entity tags has this strong one. A weak one never fits: bytes are asked for. */
export function hasTag(header: string, tag: string): boolean {
  return header.split(',').some(one => one.trim() === tag)
}
