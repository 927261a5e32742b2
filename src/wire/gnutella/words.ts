/**
 * Splits names and queries into words. Names and queries are folded in the same way (compatibility forms, case,
 * accents) and split in the same way: at every character that is not a letter, digit or emoji, and between letters
 * and digits. A query word matches when it is a prefix of a word of the name.
 *
 * A name has more words than a query of the same text: `MobyDick` and `L'Amour` are indexed as their parts and as a
 * whole. A query is not split there, because the case of a query carries no meaning. In scripts without spaces
 * between words, the words are all pairs of adjacent characters, and for names also the last character alone. So a
 * query of one or more characters matches wherever those characters occur.
 */

/**
 * UTF-16 code units of a text that are read. More than a path inside a share has (PATH_BYTES_MAX of
 * wire/bittorrent/paths.ts).
 */
export const TEXT_CHARS_MAX = 4_096
/** Distinct words of one name. Further words are not indexed. */
export const NAME_WORDS_MAX = 512
/** Distinct words of one query. Further words are ignored. */
export const QUERY_WORDS_MAX = 32
/** Code points of a word. Longer words are cut, in names and queries. */
export const WORD_POINTS_MAX = 64

const APOSTROPHE = `['\\u2019]`
/** Letters of scripts that are written without spaces between words. Digits of these scripts are ordinary digits. */
const UNSPACED =
  '[[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}]&&[\\p{L}\\p{M}\\p{Nl}]]'
const SPACED = `[[\\p{L}\\p{M}]--${UNSPACED}]`
const RUN = new RegExp(
  [
    `(?<unspaced>${UNSPACED}+)`,
    `(?<letters>${SPACED}+(?:${APOSTROPHE}${SPACED}+)*)`,
    `(?<digits>[\\p{N}--${UNSPACED}]+)`,
    `(?<emoji>\\p{Emoji_Presentation})`
  ].join('|'),
  'gv'
)
/** Where a run of letters is split: `moby|Dick`, `HTTP|Server`, `don|'|t`. */
const PART_BORDER = new RegExp(`(?<=[\\p{Ll}\\p{M}])(?=\\p{Lu})|(?<=\\p{Lu})(?=\\p{Lu}\\p{Ll})|${APOSTROPHE}`, 'v')
/** A run that certainly has one part: the common case, tested first because it is fast. */
const ONE_PART = /^[A-Za-z][a-z]*$/
const APOSTROPHES = new RegExp(APOSTROPHE, 'gv')

const ASCII = /^\p{ASCII}*$/u
/** Invisible characters inside words: joiners, soft hyphens, marks of writing direction. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu
/**
 * Accents, Hebrew points and Arabic vowels. Not the voicing marks of kana, nor vowels that other scripts need to be
 * readable.
 */
const ACCENTS =
  /[[\p{Mn}&&[\p{Script=Inherited}\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Cyrillic}]]--[\u3099\u309a]]/gv
/** Replacements for letters that Unicode does not decompose, and for final sigma. */
const PLAIN = new Map([
  ...Object.entries({ ς: 'σ', ø: 'o', ł: 'l', đ: 'd', ð: 'd', ħ: 'h', ŧ: 't', ɨ: 'i', ı: 'i' }),
  ...Object.entries({ æ: 'ae', œ: 'oe', þ: 'th', ŋ: 'ng' })
])
const NOT_PLAIN = new RegExp(`[${[...PLAIN.keys()].join('')}]`, 'gv')

/** The distinct words of a name or path, in the order of the text: at most `NAME_WORDS_MAX`. */
export function wordsOf(text: string): string[] {
  const words = new Set<string>()
  for (const { unspaced, letters, digits, emoji } of runsOf(text)) {
    if (letters !== undefined) addParts(words, letters)
    else if (unspaced !== undefined) addPairs(words, fold(unspaced), true)
    else words.add(cut(fold(digits ?? emoji ?? '')))
    if (words.size >= NAME_WORDS_MAX) break
  }
  return [...words].slice(0, NAME_WORDS_MAX)
}

/**
 * The words of a query: a name matches when each of them is a prefix of one of its words. At most `QUERY_WORDS_MAX`, in
 * the order of the text; no word is a prefix of another. An empty list means that the query has no words.
 */
export function queryWordsOf(text: string): string[] {
  const words = new Set<string>()
  for (const { unspaced, letters, digits, emoji } of runsOf(text)) {
    if (letters !== undefined) words.add(cut(fold(letters.replace(APOSTROPHES, ''))))
    else if (unspaced !== undefined) addPairs(words, fold(unspaced), false)
    else words.add(cut(fold(digits ?? emoji ?? '')))
    if (words.size >= QUERY_WORDS_MAX) break
  }
  const all = [...words].slice(0, QUERY_WORDS_MAX)
  return all.filter(word => !all.some(other => other !== word && other.startsWith(word)))
}

interface Runs {
  unspaced?: string
  letters?: string
  digits?: string
  emoji?: string
}

function runsOf(text: string): Iterable<Runs> {
  const seen = text.slice(0, TEXT_CHARS_MAX)
  if (ASCII.test(seen)) return asciiRuns(seen)
  // The modifier letter apostrophe (U+02BC) splits words like an apostrophe.
  const apart = seen.replace(UNSEEN, '').normalize('NFKD').replaceAll('\u02bc', "'")
  return [...apart.replace(ACCENTS, '').normalize('NFC').matchAll(RUN)].map(({ groups }) => groups as Runs)
}

/**
 * The same runs as RUN finds in ASCII text, but faster: each answer of the index splits hundreds of names into words.
 */
function asciiRuns(text: string): Runs[] {
  const runs: Runs[] = []
  for (let at = 0; at < text.length;) {
    const from = at
    if (isLetter(text.charCodeAt(at))) {
      while (isLetter(text.charCodeAt(at)) || (text[at] === "'" && isLetter(text.charCodeAt(at + 1)))) at++
      runs.push({ letters: text.slice(from, at) })
    } else if (isDigit(text.charCodeAt(at))) {
      while (isDigit(text.charCodeAt(at))) at++
      runs.push({ digits: text.slice(from, at) })
    } else at++
  }
  return runs
}

/** Tests an ASCII code. NaN, which charCodeAt returns past the end, is neither a letter nor a digit. */
function isLetter(code: number): boolean {
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Lower, upper, lower case: gives one form to letters that share a capital, or whose capital has two letters. */
function fold(text: string): string {
  const lower = text.toLowerCase()
  if (ASCII.test(lower)) return lower
  return lower
    .toUpperCase()
    .toLowerCase()
    .replace(NOT_PLAIN, letter => PLAIN.get(letter) ?? letter)
}

function cut(word: string): string {
  return word.length <= WORD_POINTS_MAX ? word : [...word].slice(0, WORD_POINTS_MAX).join('')
}

function addParts(words: Set<string>, letters: string): void {
  if (ONE_PART.test(letters)) {
    words.add(cut(letters.toLowerCase()))
    return
  }
  const parts = letters.split(PART_BORDER)
  for (const part of parts) words.add(cut(fold(part)))
  if (parts.length > 1) words.add(cut(fold(parts.join(''))))
}

/** Adds all pairs of adjacent characters. `withLast` adds the last character too, because it is a prefix of no pair. */
function addPairs(words: Set<string>, run: string, withLast: boolean): void {
  const points = [...run]
  for (let i = 0; i + 1 < points.length; i++) words.add(`${points[i] ?? ''}${points[i + 1] ?? ''}`)
  if (withLast || points.length === 1) words.add(points.at(-1) ?? '')
}
