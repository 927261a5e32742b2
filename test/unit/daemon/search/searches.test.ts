import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sha256Hex, utf8 } from '../../../../src/base/bytes.ts'
import type { ContentId, NodeId } from '../../../../src/base/ids.ts'
import { queryWordsOf } from '../../../../src/wire/gnutella/words.ts'
import type { Hit } from '../../../../src/core/search/contract.ts'
import { Findings, Searches } from '../../../../src/daemon/search/searches.ts'
import { StateDb } from '../../../../src/io/state/db.ts'
import type { SearchResult } from '../../../../src/wire/gnutella/search.ts'
import { temporaryFolder } from '../temporary.ts'

const content = (name: string): ContentId => sha256Hex(utf8(name)) as ContentId
const node = (name: string): NodeId => sha256Hex(utf8(`node ${name}`)) as NodeId

/** `share` or `share/path/in/it`. */
function result(name: string, more: Partial<SearchResult> = {}): SearchResult {
  const [share = '', ...inside] = name.split('/')
  return { content: content(share), name: share, path: inside.join('/') || undefined, bytes: 1_000, ...more }
}

function hit(holder: string, hops: number, ...results: SearchResult[]): Hit {
  const contact = { id: node(holder), address: { host: '127.0.0.1', port: 1 } }
  return { holder: contact, hops, results, path: undefined }
}

const told = (findings: Findings): string[] =>
  findings.ranked().map(one => [one.told.name, ...(one.path === undefined ? [] : [one.path])].join('/'))

function findings(query: string, ...hits: Hit[]): Findings {
  const all = new Findings(queryWordsOf(query), 100)
  for (const one of hits) all.add(one)
  return all
}

describe('the results of a search', () => {
  it('merge the holders of one file, the nearest first', () => {
    const all = findings('a', hit('far', 3, result('a')), hit('near', 1, result('a')), hit('far', 2, result('a')))
    const [one] = all.ranked()
    expect([all.size, one?.nearest, one?.hops]).toEqual([1, [node('near'), node('far')], 1])
  })

  it('keep the files of one share apart, and beside one another', () => {
    const all = findings('a', hit('x', 1, result('q/a'), result('p/ab'), result('p/a')), hit('y', 1, result('p/a')))
    expect(told(all)).toEqual(['p/a', 'p/ab', 'q/a'])
  })

  it('are ranked by whole words, then words begun, then the share first, holders, hops, and names', () => {
    const rank = (...hits: Hit[]): string[] => told(findings('moby dick', ...hits))
    expect(rank(hit('x', 1, result('mobydicks'), result('Moby Dicks'), result('MobyDick')))).toEqual([
      'MobyDick',
      'Moby Dicks',
      'mobydicks'
    ])
    expect(rank(hit('x', 1, result('z/moby dick'), result('moby dick')))).toEqual(['moby dick', 'z/moby dick'])
    const two = [
      hit('x', 1, result('moby dick 1')),
      hit('x', 5, result('moby dick 2')),
      hit('y', 4, result('moby dick 2'))
    ]
    expect(rank(...two)).toEqual(['moby dick 2', 'moby dick 1'])
    expect(rank(hit('x', 2, result('moby dick 1')), hit('y', 1, result('moby dick 2')))[0]).toBe('moby dick 2')
    expect(rank(hit('x', 1, result('moby dick b'), result('moby dick a')))[0]).toBe('moby dick a')
  })

  it('are shown as most of their holders describe them', () => {
    const lie = result('a', { name: 'A FREE PRIZE', bytes: 1 })
    const all = findings('a', hit('liar', 1, lie), hit('x', 2, result('a')), hit('y', 2, result('a')))
    expect(all.ranked().map(one => one.told)).toEqual([result('a')])
  })

  it('take no credit for a file from holders that do not tell of it', () => {
    const all = findings('a', hit('liar', 1, result('a/a prize')), hit('x', 2, result('a')), hit('y', 2, result('a')))
    expect(all.ranked().map(one => [one.path, one.holders.size])).toEqual([
      [undefined, 2],
      ['a prize', 1]
    ])
  })

  it('count a holder once, however often it tells', () => {
    const liar = hit('liar', 3, result('a', { bytes: 1 }))
    const all = findings(
      'a',
      liar,
      hit('liar', 2, result('a', { bytes: 1 })),
      hit('x', 3, result('a')),
      hit('y', 3, result('a'))
    )
    expect(all.ranked().map(one => [one.told.bytes, one.holders.size])).toEqual([[1_000, 3]])
  })

  it('over the limit are left out, and known ones still grow', () => {
    const all = new Findings(['a'], 2)
    all.add(hit('x', 1, result('a1'), result('a2'), result('a3')))
    all.add(hit('y', 1, result('a3'), result('a2')))
    expect(all.ranked().map(one => [one.told.name, one.holders.size])).toEqual([
      ['a2', 2],
      ['a1', 1]
    ])
  })

  it('are numbered as they are told, and keep their numbers', () => {
    const all = findings('a', hit('x', 1, result('ab'), result('a')))
    const numbers = (): Array<[string, number | undefined]> => all.fresh().map(one => [one.told.name, one.number])
    expect(numbers()).toEqual([
      ['a', 1],
      ['ab', 2]
    ])
    expect(numbers()).toEqual([])
    all.add(hit('y', 2, result('ab'), result('a b'), result('a')))
    expect(numbers()).toEqual([
      ['a', 1],
      ['a b', 3],
      ['ab', 2]
    ])
  })
})

describe('the last search', () => {
  function open(folder: string): { searches: Searches; close: () => Promise<void> } {
    const db = StateDb.open(path.join(folder, 'state.db'))
    return { searches: new Searches(db), close: async () => db.close() }
  }
  async function closing<T extends { close: () => Promise<void> }>(opened: T): Promise<T> {
    onTestFinished(opened.close)
    return opened
  }

  it('answers for its numbers, also after a restart, until the next one begins', async () => {
    const folder = temporaryFolder()
    const before = open(folder)
    const found = before.searches.begin(['a'], 10)
    found.add(hit('x', 1, result('a'), result('b/ä'), result('a'.repeat(255), { path: 'p'.repeat(4_096) })))
    found.fresh()
    await before.searches.keep(found, { isLast: true })
    expect(before.searches.result(1)).toEqual({ ...result('a'), number: 1 })
    await before.close()
    const after = await closing(open(folder))
    expect([1, 2, 3].map(number => after.searches.result(number)?.path?.length)).toEqual([undefined, 1, 4_096])
    expect([after.searches.count, after.searches.result(4)]).toEqual([3, undefined])
    after.searches.begin(['b'], 10)
    expect([after.searches.count, after.searches.result(1)]).toEqual([0, undefined])
  })

  it('is the one that began last: what an older one still tells changes nothing', async () => {
    const { searches } = await closing(open(temporaryFolder()))
    const older = searches.begin(['a'], 10)
    const newer = searches.begin(['b'], 10)
    newer.add(hit('x', 1, result('b')))
    newer.fresh()
    await searches.keep(newer, { isLast: true })
    older.add(hit('x', 1, result('a')))
    older.fresh()
    await searches.keep(older, { isLast: true })
    expect(searches.result(1)?.name).toBe('b')
  })

  it('that was not told answers for nothing', async () => {
    const { searches } = await closing(open(temporaryFolder()))
    const found = searches.begin(['a'], 10)
    found.add(hit('x', 1, result('a')))
    await searches.keep(found, { isLast: true })
    expect(searches.count).toBe(0)
  })
})
