/** A naive matcher as the reference for the index: it checks every name and sorts all matches. */
import { fitsType } from '../../../../src/wire/control/kinds.ts'
import { queryWordsOf, wordsOf } from '../../../../src/wire/gnutella/words.ts'
import type { IndexedShare } from '../../../../src/io/index/index.ts'
import type { SearchQuery, SearchResult } from '../../../../src/wire/gnutella/search.ts'

export function naiveMatch(shares: readonly IndexedShare[], { text, filter }: SearchQuery): SearchResult[] {
  const asked = queryWordsOf(text)
  if (asked.length === 0) return []
  const { type, minBytes = 0, maxBytes = Infinity } = filter
  const found: Array<{ key: Array<number | string>; result: SearchResult }> = []
  const consider = (share: IndexedShare, path: string | undefined, bytes: number): void => {
    const own = wordsOf(path === undefined ? share.name : path.replace(/.*\//su, ''))
    const folders = path?.includes('/') === true ? wordsOf(path.replace(/\/[^/]*$/su, '')) : []
    const around = path === undefined ? [] : wordsOf(share.name)
    const all = [...own, ...folders, ...around]
    const begins = (words: string[]) => (one: string) => words.some(word => word.startsWith(one))
    if (!asked.every(begins(all)) || !asked.some(begins([...own, ...folders]))) return
    if (bytes < minBytes || bytes > maxBytes) return
    const key = [
      asked.filter(one => !(begins(own)(one) ? own : all).includes(one)).length,
      asked.filter(one => !begins(own)(one)).length,
      path === undefined ? share.name.length : path.replace(/.*\//su, '').length,
      path === undefined ? 0 : 1,
      share.content,
      path ?? ''
    ]
    found.push({ key, result: { content: share.content, name: share.name, path, bytes } })
  }
  for (const share of shares) {
    const files = share.entries.length === 0 ? [{ path: share.name }] : share.entries
    if (type === undefined || files.some(({ path }) => fitsType(path, type))) consider(share, undefined, share.bytes)
    for (const { path, bytes } of share.entries) {
      if (type === undefined || fitsType(path, type)) consider(share, path, bytes)
    }
  }
  return found.sort((a, b) => byKey(a.key, b.key)).map(({ result }) => result)
}

function byKey(a: ReadonlyArray<number | string>, b: ReadonlyArray<number | string>): number {
  const i = a.findIndex((part, at) => part !== b[at])
  return i < 0 ? 0 : a[i]! < b[i]! ? -1 : 1
}
