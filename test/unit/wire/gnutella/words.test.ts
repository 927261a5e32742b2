import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/base/random.ts'
import {
  NAME_WORDS_MAX,
  QUERY_WORDS_MAX,
  TEXT_CHARS_MAX,
  WORD_POINTS_MAX,
  queryWordsOf,
  wordsOf
} from '../../../../src/wire/gnutella/words.ts'

/** Whether the query matches the name, by the rule that every index implements. */
const finds = (query: string, name: string): boolean => {
  const words = wordsOf(name)
  return queryWordsOf(query).every(asked => words.some(word => word.startsWith(asked)))
}

describe('the words of a name', () => {
  it.each([
    ['Moby Dick; or, The Whale.pdf', ['moby', 'dick', 'or', 'the', 'whale', 'pdf']],
    ['MobyDick.PDF', ['moby', 'dick', 'mobydick', 'pdf']],
    ['HTTPServer2', ['http', 'server', 'httpserver', '2']],
    ['S01E02_track07', ['s', '01', 'e', '02', 'track', '07']],
    ['a/b\\c-d_e+f', ['a', 'b', 'c', 'd', 'e', 'f']],
    ["don't", ['don', 't', 'dont']],
    ['L\u2019Étranger', ['l', 'etranger', 'letranger']],
    ['Łódź Straße STRAẞE Ærø', ['lodz', 'strasse', 'aero']],
    ['ΣΊΣΥΦΟΣ σίσυφος', ['σισυφοσ']],
    ['İstanbul ISI ısı', ['istanbul', 'isi']],
    ['Ёлка ЕЛКА', ['елка']],
    ['ﬁn ＡＢＣ ｶﾞｽ x²', ['fin', 'abc', 'ガス', 'ス', 'x', '2']],
    ['中文字', ['中文', '文字', '字']],
    ['東京 2020年', ['東京', '京', '2020', '年']],
    ['한국어', ['한국어']],
    ['हिन्दी', ['हिन्दी']],
    ['مُحَمَّد', ['محمد']],
    ['🎉party', ['🎉', 'party']],
    ['again Again AGAIN', ['again']]
  ])('of %j are %j', (name, words) => {
    expect(wordsOf(name)).toEqual(words)
  })

  it('are empty for text without letters, digits and emoji', () => {
    for (const name of ['', ' ', '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~', '\0\n\x1b', '\ud800', '\u202e', '\ue000']) {
      expect(wordsOf(name), JSON.stringify(name)).toEqual([])
      expect(queryWordsOf(name), JSON.stringify(name)).toEqual([])
    }
  })

  it('have no marks of writing direction and no joiners', () => {
    expect(wordsOf('gpj.\u202eevil\u202c a\u200db\u00adc')).toEqual(['gpj', 'evil', 'abc'])
  })

  it('keep the voicing of kana and the vowels of Thai', () => {
    expect(wordsOf('ガ')).not.toEqual(wordsOf('カ'))
    expect(finds('ดี', 'สวัสดี')).toBe(true)
    expect(finds('ดา', 'สวัสดี')).toBe(false)
  })

  it('are bounded in number and in length, in names and in queries', () => {
    const many = Array.from({ length: 2_000 }, (_, i) =>
      String.fromCodePoint(0x61 + (i % 26), 0x61 + (i % 17), 0x61 + (i % 11))
    )
    expect(wordsOf(many.join('.')).length).toBe(NAME_WORDS_MAX)
    expect(queryWordsOf(many.join('.')).length).toBeLessThanOrEqual(QUERY_WORDS_MAX)
    expect(wordsOf('字典'.repeat(3_000)).length).toBeLessThanOrEqual(NAME_WORDS_MAX)
    expect(wordsOf('x'.repeat(3_000))).toEqual(['x'.repeat(WORD_POINTS_MAX)])
    expect(queryWordsOf('𝔘𐐀'.repeat(100)).map(word => [...word].length)).toEqual([WORD_POINTS_MAX])
    expect(wordsOf(`${' '.repeat(TEXT_CHARS_MAX)}late`)).toEqual([])
  })
})

describe('the words of a query', () => {
  it.each([
    ['moby', 'MobyDick.pdf'],
    ['MOBYDICK', 'MobyDick.pdf'],
    ['mobyDick', 'mobydick.pdf'],
    ['dick moby', 'MobyDick.pdf'],
    ['iphone12', 'iPhone12Pro'],
    ['s01 e02', 'Show.S01E02.mkv'],
    ['track01', 'Track 01.flac'],
    ['track 01', 'track01.flac'],
    ['etranger', "L'Étranger"],
    ["l'etranger", "L'Étranger"],
    ['dont', "Don't Look Now"],
    ['中', '中文字'],
    ['字', '中文字'],
    ['文字', '中文字'],
    ['中文字', '中文字典'],
    ['w', 'The Whale']
  ])('%j finds %j', (query, name) => {
    expect(finds(query, name)).toBe(true)
  })

  it.each([
    ['ick', 'MobyDick.pdf'],
    ['moby whale', 'MobyDick.pdf'],
    ['文中', '中文字'],
    ['whales', 'The Whale']
  ])('%j does not find %j', (query, name) => {
    expect(finds(query, name)).toBe(false)
  })

  it('are distinct, and none is a prefix of another', () => {
    expect(queryWordsOf('mo moby MOBY dick')).toEqual(['moby', 'dick'])
  })

  it('do not depend on the case of the query', () => {
    for (const text of ['mobyDick', 'Straße', 'σίσυφος', 'Łódź', "L'Étranger", 'ЁЛКА']) {
      expect(queryWordsOf(text.toUpperCase())).toEqual(queryWordsOf(text))
      expect(queryWordsOf(text.toLowerCase())).toEqual(queryWordsOf(text))
    }
  })
})

describe('any text', () => {
  const ranges = [
    ...[
      [0x20, 0x7f],
      [0xa0, 0x250],
      [0x2b0, 0x500],
      [0x5d0, 0x660],
      [0x900, 0xa00],
      [0xe00, 0xe80]
    ],
    ...[
      [0x1e00, 0x2020],
      [0x3040, 0x3100],
      [0x4e00, 0x4e40],
      [0xac00, 0xac40],
      [0xd800, 0xe010],
      [0xfb00, 0xfe10]
    ],
    ...[
      [0xff00, 0xffe0],
      [0x10400, 0x10450],
      [0x1d400, 0x1d500],
      [0x1f300, 0x1f600]
    ]
  ] as Array<[number, number]>
  const random = Random.from('texts of many scripts')
  const drawn = Array.from({ length: 3_000 }, () => {
    const [from, to] = ranges[random.below(ranges.length)]!
    return Array.from({ length: random.below(24) }, () =>
      String.fromCodePoint(random.below(4) === 0 ? 0x20 + random.below(0x5f) : from + random.below(to - from))
    ).join('')
  })

  it('matches itself', () => {
    for (const text of drawn) expect(finds(text, text), JSON.stringify(text)).toBe(true)
  })

  it('has words of letters, digits, marks and emoji only, and each of them is its own word', () => {
    for (const text of drawn) {
      for (const word of wordsOf(text)) {
        expect(word, JSON.stringify(text)).toMatch(/^[\p{L}\p{N}\p{M}\p{Emoji_Presentation}]+$/u)
        expect(wordsOf(word), JSON.stringify(text)).toContain(word)
      }
    }
  })
})
