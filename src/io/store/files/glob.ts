/**
 * Globs for `--include`: `*` matches any characters inside a name, `**` also matches slashes, `?` matches one
 * character, and a backslash escapes the next character. A pattern without a slash is matched against each name of the
 * path, a pattern with a slash (also at its start) against the whole path inside the content. A pattern that matches a
 * folder includes everything below it.
 */
import { ShoalError } from '../../../base/errors.ts'

export const GLOBS_MAX = 64
/** Maximum length of a pattern with wildcards. */
export const GLOB_LENGTH_MAX = 1_024
const PATH_BYTES_MAX = 4_096
/** Maximum length of a pattern without wildcards: a slash, and a path with a backslash before every character. */
export const GLOB_BYTES_MAX = 2 * PATH_BYTES_MAX + 1
const ESCAPED = /\\(.)/gsu

export type PathTest = (names: readonly string[]) => boolean

/**
 * A test for paths that match any of the globs; without globs every path passes. Throws ShoalError 'usage' over the
 * limits.
 */
export function compileGlobs(globs: readonly string[]): PathTest {
  if (globs.length > GLOBS_MAX)
    throw new ShoalError('usage', `too many --include patterns: ${globs.length}, the limit is ${GLOBS_MAX}`)
  for (const glob of globs) {
    const isShort = isLiteral(glob) ? Buffer.byteLength(glob) <= GLOB_BYTES_MAX : glob.length <= GLOB_LENGTH_MAX
    if (glob.length > 0 && isShort) continue
    throw new ShoalError('usage', `an --include pattern must have 1 to ${GLOB_LENGTH_MAX} characters`)
  }
  if (globs.length === 0) return () => true
  const tests = globs.map(compileOne)
  return names => tests.some(test => test(names))
}

/** The pattern that matches only the file of this path. */
export function exactGlob(path: string): string {
  return `/${path.replace(/[*?\\]/g, letter => `\\${letter}`)}`
}

function isLiteral(glob: string): boolean {
  return !/[*?]/.test(glob.replace(ESCAPED, ''))
}

function compileOne(glob: string): PathTest {
  const pattern = glob.replace(/^\/+|\/+$/g, '')
  // A literal is compared instead of matched: it may be long, and there may be many files.
  const literal = isLiteral(pattern) ? pattern.replace(ESCAPED, '$1') : undefined
  const fits = (text: string): boolean => (literal === undefined ? matches(pattern, text) : literal === text)
  if (!glob.startsWith('/') && !pattern.includes('/') && pattern !== '**') return names => names.some(fits)
  return names => {
    for (let depth = names.length; depth > 0; depth--) if (fits(names.slice(0, depth).join('/'))) return true
    return false
  }
}

/**
 * Whether the pattern matches the whole text. Uses a table instead of backtracking: the time is at most proportional to
 * the length of the pattern times the length of the text.
 */
export function matches(pattern: string, text: string): boolean {
  let reachable = new Uint8Array(text.length + 1)
  reachable[0] = 1
  for (let i = 0; i < pattern.length; i++) {
    const isEscaped = pattern[i] === '\\' && i + 1 < pattern.length
    if (isEscaped) i++
    const letter = pattern[i]
    const isStar = letter === '*' && !isEscaped
    const isAny = letter === '?' && !isEscaped
    const crosses = isStar && pattern[i + 1] === '*'
    const next = new Uint8Array(text.length + 1)
    // `**/` also matches the empty string.
    const skipsSlash = crosses && pattern[i + 2] === '/'
    for (let at = 0; at <= text.length; at++) {
      if (isStar) {
        const grows = at > 0 && next[at - 1] === 1 && (crosses || text[at - 1] !== '/')
        next[at] = reachable[at] === 1 || grows ? 1 : 0
      } else if (at > 0 && reachable[at - 1] === 1) {
        next[at] = (isAny ? text[at - 1] !== '/' : letter === text[at - 1]) ? 1 : 0
      }
    }
    if (crosses) i++
    if (skipsSlash) {
      i++
      for (let at = text.length; at > 0; at--) next[at] = next[at - 1] === 1 && text[at - 1] === '/' ? 1 : 0
      next[0] = 0
      for (let at = 0; at <= text.length; at++) if (reachable[at] === 1) next[at] = 1
    }
    reachable = next
  }
  return reachable[text.length] === 1
}
