/**
 * Globs for `--include`: `*` is any run of letters inside a name, `**` crosses names, `?` is one letter, and a backslash takes
 * the letter after it as it is. A pattern without a slash is held against the name alone, one with a slash, also at its
 * beginning, against the whole path inside the content. A pattern that matches a folder takes all that is below it.
 */
import { ShoalError } from '../../../base/errors.ts'

export const GLOBS_MAX = 64
/** Of a pattern; one without wildcards may be as long as a path with a backslash before every letter, and a slash. */
export const GLOB_LENGTH_MAX = 1_024
const PATH_BYTES_MAX = 4_096
export const GLOB_BYTES_MAX = 2 * PATH_BYTES_MAX + 1
const ESCAPED = /\\(.)/gsu

export type PathTest = (names: readonly string[]) => boolean

/** No globs take everything. Throws ShoalError 'usage' over the limits. */
export function compileGlobs(globs: readonly string[]): PathTest {
  if (globs.length > GLOBS_MAX)
    throw new ShoalError('usage', `${globs.length} patterns to include, the limit is ${GLOBS_MAX}`)
  for (const glob of globs) {
    const isShort = isLiteral(glob) ? Buffer.byteLength(glob) <= GLOB_BYTES_MAX : glob.length <= GLOB_LENGTH_MAX
    if (glob.length > 0 && isShort) continue
    throw new ShoalError('usage', `a pattern to include has 1 to ${GLOB_LENGTH_MAX} letters`)
  }
  if (globs.length === 0) return () => true
  const tests = globs.map(compileOne)
  return names => tests.some(test => test(names))
}

/** The pattern that takes the file of this path, and no other. */
export function exactGlob(path: string): string {
  return `/${path.replace(/[*?\\]/g, letter => `\\${letter}`)}`
}

function isLiteral(glob: string): boolean {
  return !/[*?]/.test(glob.replace(ESCAPED, ''))
}

function compileOne(glob: string): PathTest {
  const pattern = glob.replace(/^\/+|\/+$/g, '')
  // Compared, not matched: it may be long, and there may be many files.
  const literal = isLiteral(pattern) ? pattern.replace(ESCAPED, '$1') : undefined
  const fits = (text: string): boolean => (literal === undefined ? matches(pattern, text) : literal === text)
  if (!glob.startsWith('/') && !pattern.includes('/') && pattern !== '**') return names => names.some(fits)
  return names => {
    for (let depth = names.length; depth > 0; depth--) if (fits(names.slice(0, depth).join('/'))) return true
    return false
  }
}

/**
 * Whether the whole text fits. Each letter of the pattern is visited once per position at most (a table, not backtracking):
 * no pattern takes longer than its length times that of the text.
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
    // `**/` is also no folder at all.
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
