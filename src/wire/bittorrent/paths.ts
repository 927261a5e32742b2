/**
 * Names and paths inside a content. A name is the disk's UTF-8 bytes, never normalised; as a string it is those bytes
 * decoded, which loses nothing. What a certain file system cannot hold beyond this (a backslash, pairs that differ by case,
 * reserved words) is for the one that writes there to refuse.
 */
import { textOf } from '../../base/bytes.ts'

/** A name: the limit of Linux, macOS and most others. */
export const FILE_NAME_BYTES_MAX = 255
/** Names of a path inside its content. */
export const PATH_DEPTH_MAX = 128
/** A path inside its content with its separators: Linux's PATH_MAX is 4,096 with the NUL, and the target folder needs some. */
export const PATH_BYTES_MAX = 3_800

const [NUL, SEPARATOR] = [0x00, 0x2f]

export type NameCheck = { ok: true; name: string } | { ok: false; problem: string }

/** Whether the bytes can name a file or folder, and their text. */
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

/** A name from elsewhere for a message: quoted, escaped, cut to 80 letters. */
export function quoted(name: string): string {
  return quotedPath(name.length > 80 ? `${name.slice(0, 79)}…` : name)
}

/** As quoted, but whole: for a path of this machine, of which people need every letter. */
export function quotedPath(shown: string): string {
  // What JSON leaves and a terminal must not see: further controls, and marks that turn the direction of writing.
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, letter => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
