/**
 * Names and paths inside a content. A name is the file system's UTF-8 bytes, never normalised; its string is those
 * bytes decoded, which is lossless. Restrictions of a particular file system (backslashes, names that differ only by
 * case, reserved names) are checked by the code that writes there.
 */
import { textOf } from '../../base/bytes.ts'

/** The limit of Linux, macOS and most other systems. */
export const FILE_NAME_BYTES_MAX = 255
/** The number of names in a path inside its content. */
export const PATH_DEPTH_MAX = 128
/**
 * The length of a path inside its content with separators. Linux's PATH_MAX is 4,096 with the NUL; the rest is for
 * the target folder.
 */
export const PATH_BYTES_MAX = 3_800

const [NUL, SEPARATOR] = [0x00, 0x2f]

export type NameCheck = { ok: true; name: string } | { ok: false; problem: string }

/** Decodes the bytes, or says why they cannot name a file or folder. */
export function checkName(bytes: Uint8Array): NameCheck {
  const problem = problemOf(bytes)
  if (problem !== undefined) return { ok: false, problem }
  const name = textOf(bytes)
  return name === undefined ? { ok: false, problem: 'a name that is not UTF-8' } : { ok: true, name }
}

function problemOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'an empty name'
  if (bytes.length > FILE_NAME_BYTES_MAX) return `a name of ${bytes.length} bytes (the limit is ${FILE_NAME_BYTES_MAX})`
  if (bytes.includes(SEPARATOR)) return 'a name with a separator'
  if (bytes.includes(NUL)) return 'a name with a NUL'
  const text = bytes.length <= 2 ? textOf(bytes) : undefined
  return text === '.' || text === '..' ? `the name "${text}"` : undefined
}

/** An untrusted name for a message: quoted, escaped, cut to 80 characters. */
export function quoted(name: string): string {
  return quotedPath(name.length > 80 ? `${name.slice(0, 79)}…` : name)
}

/** Like `quoted`, but not cut: for paths of this machine, which users need in full. */
export function quotedPath(shown: string): string {
  // JSON does not escape these, and they must not reach a terminal: C1 controls and marks of writing direction.
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, letter => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
