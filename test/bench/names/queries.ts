/** What people ask of an index, from the hardest (one letter) to the usual, by what makes them hard. */
import { Random } from '../../../src/base/random.ts'
import type { SearchFilter, SearchQuery } from '../../../src/wire/gnutella/search.ts'
import type { DrawnNames } from './drawn.ts'

export interface Asked {
  readonly sort: string
  readonly query: SearchQuery
}

const ANY: SearchFilter = { type: undefined, minBytes: undefined, maxBytes: undefined }
const LETTERS = 'abcdefghiklmnoprstuvxz'
/** Of the vocabulary: each of these is in thousands of a million names, and each beyond the second in few. */
const [FREQUENT_WORDS, RARE_FROM_WORD] = [50, 10_000]

/** As many of each sort. */
export function drawnQueries(names: DrawnNames, ofEach: number): Asked[] {
  const random = Random.from('queries')
  const at = (from: number, to: number): string => names.words[from + random.below(to - from)] ?? ''
  const frequent = (): string => at(0, FREQUENT_WORDS)
  const rare = (): string => at(RARE_FROM_WORD, names.words.length)
  const begun = (letters: number): string => names.word().slice(0, letters)
  const letter = (): string => LETTERS[random.below(LETTERS.length)] ?? ''
  const sorts: Record<string, () => readonly [string, Partial<SearchFilter>?]> = {
    '1 letter': () => [letter()],
    '2 letters': () => [begun(2)],
    '3 letters': () => [begun(3)],
    '4 letters': () => [begun(4)],
    '5 letters': () => [begun(5)],
    'frequent word': () => [frequent()],
    'rare word': () => [rare()],
    'no such word': () => [`${rare()}qqq`],
    'frequent + frequent': () => [`${frequent()} ${frequent()}`],
    'frequent + rare': () => [`${frequent()} ${rare()}`],
    'rare + rare': () => [`${rare()} ${rare()}`],
    'frequent + letter': () => [`${frequent()} ${letter()}`],
    '3 frequent': () => [`${frequent()} ${frequent()} ${frequent()}`],
    '3 of any': () => [`${names.word()} ${names.word()} ${names.word()}`],
    '3 letters apart': () => [`${letter()} ${letter()} ${letter()}`],
    'frequent, video': () => [frequent(), { type: 'video' }],
    'letter, over 1 GiB': () => [letter(), { minBytes: 2 ** 30 }],
    'letter, under 1 KiB': () => [letter(), { maxBytes: 2 ** 10 }]
  }
  return Array.from({ length: ofEach }, () =>
    Object.entries(sorts).map(([sort, draw]) => {
      const [text, filter] = draw()
      return { sort, query: { text, content: undefined, filter: { ...ANY, ...filter } } }
    })
  ).flat()
}
