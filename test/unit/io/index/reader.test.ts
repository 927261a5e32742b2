/** The answers of the index, without its thread. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KINDS } from '../../../../src/wire/control/kinds.ts'
import { Random } from '../../../../src/base/random.ts'
import type { IndexedShare } from '../../../../src/io/index/index.ts'
import {
  CANDIDATES_MAX,
  CHECKED_MAX,
  EXAMINED_MAX,
  EXPANSIONS_MAX,
  IndexReader,
  RESULTS_MAX
} from '../../../../src/io/index/reader.ts'
import { connect, connectToRead, prepareFile } from '../../../../src/io/index/schema.ts'
import { ERASED_AT_ONCE, IndexWriter, NAMES_MAX } from '../../../../src/io/index/writer.ts'
import { FILES_MAX } from '../../../../src/wire/bittorrent/layout.ts'
import type { SearchFilter, SearchQuery } from '../../../../src/wire/gnutella/search.ts'
import { DrawnNames } from '../../../bench/names/drawn.ts'
import { naiveMatch } from './naive.ts'

let folder: string
let db: DatabaseSync
let writer: IndexWriter
let reader: IndexReader
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-index-'))
  const path = join(folder, 'index.db')
  prepareFile(path)
  db = connect(path)
  writer = new IndexWriter(db)
  reader = new IndexReader(connectToRead(path))
})
afterEach(() => {
  writer.close()
  reader.close()
  rmSync(folder, { recursive: true })
})

const query = (text: string, filter: Partial<SearchFilter> = {}): SearchQuery => ({
  ...{ text, content: undefined },
  filter: { type: undefined, minBytes: undefined, maxBytes: undefined, ...filter }
})
const rows = (entries: IndexedShare['entries']): { paths: string; bytes: Float64Array } => ({
  paths: entries.map(({ path }) => path).join('\0'),
  bytes: Float64Array.from(entries, ({ bytes }) => bytes)
})
function done(steps: Iterable<undefined>): number {
  return [...steps].length
}
function put(share: IndexedShare): void {
  done(writer.begin(share))
  if (share.entries.length > 0) writer.add(rows(share.entries))
  writer.commit()
}
const share = (letter: string, name: string, ...paths: string[]): IndexedShare => ({
  ...{ content: letter.repeat(64) as IndexedShare['content'], name, bytes: 1_000 * Math.max(paths.length, 1) },
  entries: paths.map(path => ({ path, bytes: 1_000 }))
})
const found = (text: string, filter: Partial<SearchFilter> = {}): string[] =>
  reader.match(query(text, filter), RESULTS_MAX).map(({ name, path }) => path ?? `[${name}]`)

describe('an answer', () => {
  it('has only the share when its name matches all words, and files when their path matches a word', () => {
    put(share('a', 'Holiday Photos', 'beach/1.jpg', 'beach/2.jpg', 'holiday.mp4'))
    expect(found('holiday photos')).toEqual(['[Holiday Photos]', 'holiday.mp4'])
    expect(found('photos')).toEqual(['[Holiday Photos]'])
    expect(found('photos beach')).toEqual(['beach/1.jpg', 'beach/2.jpg'])
    expect(found('photos mountain')).toEqual([])
  })

  it('ranks whole words first, then names before folders, short names before long, and shares before files', () => {
    put(share('a', 'moby', 'deep/moby-dick-the-whale.pdf', 'moby/cover.jpg', 'mobyland.pdf', 'moby.pdf'))
    put(share('b', 'moby'))
    put(share('c', 'moby.pdf'))
    expect(found('moby')).toEqual([
      ...['[moby]', '[moby]', '[moby.pdf]', 'moby.pdf', 'deep/moby-dick-the-whale.pdf'],
      ...['moby/cover.jpg', 'mobyland.pdf']
    ])
    expect(reader.match(query('moby'), 2).map(({ content }) => content[0])).toEqual(['a', 'b'])
  })

  it('to a content ID is its share, whatever the rest of the query', () => {
    put(share('a', 'one', 'x.txt'))
    const asked = {
      ...query('nothing', { type: 'video', minBytes: 1e9 }),
      content: 'a'.repeat(64) as IndexedShare['content']
    }
    expect(reader.match(asked, 10)).toEqual([{ content: 'a'.repeat(64), name: 'one', path: undefined, bytes: 1_000 }])
    expect(reader.match({ ...asked, content: 'b'.repeat(64) as IndexedShare['content'] }, 10)).toEqual([])
  })

  it('treats operators of the query language as words', () => {
    put(share('a', 'plain', 'near and far or not.txt', 'name.txt'))
    expect(found('"near" AND NOT (far*')).toEqual(['near and far or not.txt'])
    expect(found('NEAR(near far, 2)')).toEqual([])
    expect(found('name : name')).toEqual(['name.txt'])
    expect(found('{name folders} : far')).toEqual([])
    for (const text of [
      '"',
      '*',
      '-',
      '^',
      '+',
      '()',
      '""',
      "';DROP TABLE share;--",
      '\0',
      '\ue000',
      '\u0001',
      '\ud800'
    ]) {
      expect(() => found(text), JSON.stringify(text)).not.toThrow()
    }
    expect(found('plain')).toEqual(['[plain]'])
  })

  it('returns hostile names unchanged, and finds them by their letters', () => {
    const names = [
      'a\nb',
      '\u202egnp.exe',
      '<b>bold</b>',
      `${'x'.repeat(250)}.txt`,
      "o'clock",
      '"quoted"',
      '\ue000mark',
      '%_'
    ]
    put(share('a', 'odd "name"', ...names))
    expect(found('gnp')).toEqual(['\u202egnp.exe'])
    expect(found('bold')).toEqual(['<b>bold</b>'])
    expect(found('oclock')).toEqual(["o'clock"])
    expect(found('x'.repeat(300))).toEqual([names[3]])
    expect(found('mark')).toEqual(['\ue000mark'])
    expect(found('odd')).toEqual(['[odd "name"]'])
  })

  it('has a share for a type when any of its files has that type', () => {
    put(share('a', 'holiday', 'a.jpg', 'b.txt'))
    put(share('b', 'holiday.mkv'))
    expect(found('holiday', { type: 'image' })).toEqual(['[holiday]'])
    expect(found('holiday', { type: 'mkv' })).toEqual(['[holiday.mkv]'])
    expect(found('holiday', { type: 'audio' })).toEqual([])
    expect(found('holiday', { minBytes: 1_001 })).toEqual(['[holiday]'])
  })

  it('has no more results than requested, and no more than the limit', () => {
    put(share('a', 'many', ...Array.from({ length: 1_000 }, (_, i) => `same ${i}.txt`)))
    expect(reader.match(query('same'), 7).length).toBe(7)
    expect(reader.match(query('same'), 1e9).length).toBe(RESULTS_MAX)
  })

  it('has the file whose own name matches, among a thousand that match only by their share', () => {
    const others = Array.from({ length: 1_000 }, (_, i) => `${i}.jpg`)
    put(share('a', 'Holiday Photos', ...others, 'holidays.txt'))
    expect(found('holiday photos')).toEqual(['[Holiday Photos]', 'holidays.txt'])
    expect(found('holid')).toEqual(['holidays.txt', '[Holiday Photos]'])
  })

  it('ranks whole words first when there are more matches than candidates', () => {
    put(share('a', 'many', ...Array.from({ length: 3 * CANDIDATES_MAX }, (_, i) => `samely ${i}.txt`)))
    put(share('b', 'few', 'some/same.txt', 'same/other.txt'))
    expect(found('same').slice(0, 3)).toEqual(['some/same.txt', 'same/other.txt', 'samely 0.txt'])
  })

  it('ranks three whole words first, in name or folder, when there are more prefix matches than candidates', () => {
    const longer = Array.from({ length: 3 * CANDIDATES_MAX }, (_, i) => `redder greener bluer ${i}.txt`)
    put(share('a', 'many', ...longer))
    put(share('b', 'few', 'red/green blue.txt', 'red green blue.txt'))
    const best = ['red green blue.txt', 'red/green blue.txt', 'redder greener bluer 0.txt']
    expect(found('red green blue').slice(0, 3)).toEqual(best)
  })

  it('ranks three whole words in a name before names that have one of them in the folder', () => {
    put(share('a', 'many', ...Array.from({ length: 3 * CANDIDATES_MAX }, (_, i) => `red/green blue ${i}.txt`)))
    put(share('b', 'one', 'red green blue.txt'))
    expect(found('red green blue').slice(0, 2)).toEqual(['red green blue.txt', 'red/green blue 0.txt'])
  })

  it('has the whole word of the right size when there are more prefix matches than rows whose size is checked', () => {
    const small = Array.from({ length: EXAMINED_MAX }, (_, i) => ({ path: `whaler ${i}.txt`, bytes: 1 }))
    put({ ...share('a', 'one'), entries: [...small, { path: 'whale.txt', bytes: 5_000 }] })
    expect(found('whale', { minBytes: 2_000 })).toEqual(['whale.txt'])
  })

  it('has all matches of a long prefix when there are more names with the same first letters than are checked', () => {
    const endings = Array.from({ length: EXPANSIONS_MAX + 2 }, (_, i) => String.fromCodePoint(0x61 + i))
    const right = endings.map(ending => `mountain${ending}.txt`)
    const almost = (count: number): string[] => Array.from({ length: count }, (_, i) => `mountant ${i}.txt`)
    put(share('a', 'few', ...almost(CHECKED_MAX - right.length - 1), ...right))
    expect(found('mountain')).toEqual(right)
    put(share('b', 'too many', ...almost(CHECKED_MAX)))
    expect(found('mountain')).toEqual(right)
    put(share('c', 'later', ...almost(CHECKED_MAX), 'mountainous.txt'))
    expect(found('mountain')).toEqual([...right, 'mountainous.txt'])
    expect(found('mountain txt')).toEqual([...right, 'mountainous.txt'])
  })
})

describe('the writer', () => {
  it('replaces a share with the same content ID, and removes a share completely', () => {
    put(share('a', 'first', 'old.txt'))
    put(share('b', 'second', 'old.txt'))
    put(share('a', 'third', 'new.txt'))
    expect(found('old')).toEqual(['old.txt'])
    expect(found('first')).toEqual([])
    expect(reader.totals()).toEqual({ files: 2, bytes: 2_000 })
    done(writer.remove('a'.repeat(64) as IndexedShare['content']))
    done(writer.remove('c'.repeat(64) as IndexedShare['content']))
    expect(reader.contents()).toEqual(['b'.repeat(64)])
    expect(reader.terms('file_terms', '', 100)).not.toContain('new')
    for (const table of ['file', 'file_words', 'share', 'share_words']) {
      expect(db.prepare(`SELECT count(*) AS count FROM ${table}`).get(), table).toEqual({ count: 1 })
    }
  })

  it('removes a large share in steps; it is visible until the last step, and stays after a rollback', () => {
    const { content } = share('a', '')
    put(share('a', 'large', ...Array.from({ length: 3 * ERASED_AT_ONCE }, (_, i) => `${i}.txt`)))
    const steps = writer.remove(content)
    steps.next()
    steps.next()
    expect(found('0')).toEqual(['0.txt'])
    writer.rollback()
    expect(() => steps.next()).toThrow(/rolled back/u)
    expect(db.prepare('SELECT count(*) AS count FROM file').get()).toEqual({ count: 3 * ERASED_AT_ONCE })
    expect(done(writer.remove(content))).toBe(4)
    expect([found('0'), reader.contents()]).toEqual([[], []])
  })

  it('makes a share visible at its commit, and never after a rollback', () => {
    done(writer.begin(share('a', 'late')))
    writer.add(rows([{ path: 'early.txt', bytes: 1 }]))
    expect(found('early')).toEqual([])
    writer.rollback()
    expect([found('early'), reader.contents()]).toEqual([[], []])
    put(share('a', 'late', 'early.txt'))
    expect(found('early')).toEqual(['early.txt'])
  })

  it('refuses a share of too many files, and a share that would make the index too large', () => {
    done(writer.begin(share('a', 'vast')))
    expect(() => writer.add({ paths: '', bytes: new Float64Array(FILES_MAX + 1) })).toThrow(
      /more than 1000000 searchable names/u
    )
    writer.rollback()
    db.prepare("INSERT INTO share VALUES (1, 'full', 'full', 0, ?)").run(NAMES_MAX - 1)
    put(share('b', 'last'))
    expect(() => put(share('c', 'one too many'))).toThrow(/the index would have more than/u)
    writer.rollback()
    expect(found('last')).toEqual(['[last]'])
  })
})

describe('random names', () => {
  const random = Random.from('queries over drawn names')
  const drawnQuery = (names: DrawnNames): SearchQuery => {
    const words = Array.from({ length: 1 + random.below(3) }, () => {
      const word = names.word()
      return random.below(2) === 0 ? word : word.slice(0, 1 + random.below(7))
    })
    const filter = {
      type: random.below(3) === 0 ? [...KINDS, 'mp3', 'jpg', 'iso'][random.below(KINDS.length + 3)] : undefined,
      minBytes: random.below(3) === 0 ? Math.floor(2 ** random.range(0, 34)) : undefined,
      maxBytes: random.below(4) === 0 ? Math.floor(2 ** random.range(0, 34)) : undefined
    }
    return query(words.join([' ', '_', ' and not "', ''][random.below(4)]), filter)
  }

  it.each(['one', 'two', 'three', 'four'])('are found in the order of the naive matcher (seed %s)', seed => {
    const names = new DrawnNames(seed, 40)
    const shares: IndexedShare[] = []
    let answers = 0
    for (let round = 0; round < 12; round++) {
      const drawn = names.share(20)
      put(drawn)
      shares.push(drawn)
      if (random.below(4) === 0) done(writer.remove(shares.splice(random.below(shares.length), 1)[0]!.content))
      // With fewer matches than candidates the answer is exact.
      if (shares.reduce((sum, { entries }) => sum + entries.length, 0) >= CANDIDATES_MAX) break
      for (let i = 0; i < 40; i++) {
        const asked = drawnQuery(names)
        const expected = naiveMatch(shares, asked)
        expect(reader.match(asked, RESULTS_MAX), JSON.stringify(asked)).toEqual(expected.slice(0, RESULTS_MAX))
        answers += expected.length
      }
    }
    expect(answers).toBeGreaterThan(500)
  })

  it('are found in part, and all results are correct, when too many match', () => {
    const names = new DrawnNames('many', 60)
    const shares = Array.from({ length: 12 }, () => names.share(300))
    shares.forEach(put)
    let cut = 0
    for (let i = 0; i < 150; i++) {
      const asked = drawnQuery(names)
      const expected = naiveMatch(shares, asked)
      const answer = reader.match(asked, RESULTS_MAX)
      const right = new Set(expected.map(result => JSON.stringify(result)))
      for (const result of answer) expect(right, JSON.stringify(asked)).toContain(JSON.stringify(result))
      if (expected.length < CANDIDATES_MAX) expect(answer).toEqual(expected.slice(0, RESULTS_MAX))
      else cut++
    }
    expect(cut).toBeGreaterThan(5)
  })
})
