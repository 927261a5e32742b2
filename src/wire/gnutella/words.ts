/**
 * The words of names, and of what people type to find them. Both sides are folded alike (compatibility forms and case, with
 * accents removed) and split alike at everything that is no letter, digit or emoji, and between letters and digits. A word that is
 * searched is found as a prefix of a word of the name.
 *
 * A name has more words than a query of the same text: `MobyDick` and `L'Amour` are found by their parts and by the whole, but
 * what is typed is one word, because the case of a query says nothing. Scripts without spaces between words give every pair of
 * neighbouring characters and the last one alone, so that any one or more characters of theirs find.
 */

/** Code units of a text that are looked at: more than a path inside a share has (`PATH_BYTES_MAX` of wire/bittorrent/paths.ts). */
export const TEXT_CHARS_MAX = 4_096
/** Distinct words of one name; later ones do not find it. */
export const NAME_WORDS_MAX = 512
/** Distinct words of one query; later ones are not asked for. */
export const QUERY_WORDS_MAX = 32
/** Code points of a word; of a longer one the first so many, in names and queries alike. */
export const WORD_POINTS_MAX = 64

const APOSTROPHE = `['\\u2019]`
/** Letters that are written without spaces between words; their digits are digits like others. */
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
/** `mobyDick`, `HTTPServer`, `don't`. */
const PART_BORDER = new RegExp(`(?<=[\\p{Ll}\\p{M}])(?=\\p{Lu})|(?<=\\p{Lu})(?=\\p{Lu}\\p{Ll})|${APOSTROPHE}`, 'v')
/** Most of what people write. */
const ONE_PART = /^[A-Za-z][a-z]*$/
const APOSTROPHES = new RegExp(APOSTROPHE, 'gv')

const ASCII = /^\p{ASCII}*$/u
/** Joiners, soft hyphens, marks of direction: they are within words and nobody sees them. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu
/** Accents, points of Hebrew and vowels of Arabic; not the voicing of kana, nor vowels of scripts that cannot be read without. */
const ACCENTS =
  /[[\p{Mn}&&[\p{Script=Inherited}\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Cyrillic}]]--[\u3099\u309a]]/gv
/** What people type for letters that Unicode does not take apart; and sigma has one form. */
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
 * The words that a text asks for: a name is found when each of them is a prefix of one of its words. At most
 * `QUERY_WORDS_MAX`, in the order of the text, none of them a prefix of another. None at all: the text asks for nothing.
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
  // The letter apostrophe (U+02BC) is one that divides.
  const apart = seen.replace(UNSEEN, '').normalize('NFKD').replaceAll('\u02bc', "'")
  return [...apart.replace(ACCENTS, '').normalize('NFC').matchAll(RUN)].map(({ groups }) => groups as Runs)
}

/** What RUN finds where all is ASCII, by hand: each answer of the index takes the words of hundreds of names. */
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

/** Of ASCII; NaN, behind the end, is neither. */
function isLetter(code: number): boolean {
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Lower, upper, lower: the way to one form for letters of which several have the same capital, or a capital of two letters. */
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

/** The last character alone is the prefix of no pair: a name has it too. */
function addPairs(words: Set<string>, run: string, withLast: boolean): void {
  const points = [...run]
  for (let i = 0; i + 1 < points.length; i++) words.add(`${points[i] ?? ''}${points[i + 1] ?? ''}`)
  if (withLast || points.length === 1) words.add(points.at(-1) ?? '')
}
