/**
 * What searches of this home have found. The results of one search: hits of many nodes grouped by content and file, their holders
 * merged, ranked, and numbered for `get`. And the results of the last search: a number, once told, means the same until the next
 * search begins, also over a restart.
 *
 * What a hit says of a content is a claim until its manifest is here: a result is shown as most of its holders describe it, and its
 * holders are those that told of this very file.
 */
import { expectDefined } from '../../base/assert.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import { smallest } from '../../base/numbers.ts'
import { wordsOf } from '../../wire/gnutella/words.ts'
import type { Hit } from '../../core/search/contract.ts'
import type { StateDb } from '../../io/state/db.ts'
import {
  contentIdCodec,
  encode,
  list,
  optional,
  struct,
  text,
  tryDecode,
  upTo,
  varint
} from '../../wire/codec/codec.ts'
import { SEARCH_LIMIT_MAX } from '../../wire/control/methods.ts'
import { RESULT_NAME_BYTES_MAX, RESULT_PATH_BYTES_MAX, type SearchResult } from '../../wire/gnutella/search.ts'

const LAST_KEY = 'search/last'
/** Between two writes of the results while they come; the last ones are written at the end. */
const KEEP_MS = 500

/** A result that has been told under a number. */
export interface Numbered extends SearchResult {
  readonly number: number
}

const numberedCodec = struct({
  number: upTo(SEARCH_LIMIT_MAX),
  content: contentIdCodec,
  name: text(RESULT_NAME_BYTES_MAX),
  path: optional(text(RESULT_PATH_BYTES_MAX)),
  bytes: varint
})
const lastCodec = list(numberedCodec, SEARCH_LIMIT_MAX)

/** A share, or a file inside one, as several nodes tell of it. */
export class FoundItem {
  number: number | undefined
  /** Not told as it is now. */
  isFresh = true
  readonly content: ContentId
  readonly path: string | undefined
  /** Hops by holder. */
  readonly holders = new Map<NodeId, number>()
  private readonly claims = new Map<string, { result: SearchResult; times: number }>()

  constructor({ content, path }: SearchResult) {
    this.content = content
    this.path = path
  }

  add(holder: NodeId, hops: number, result: SearchResult): void {
    const known = this.holders.get(holder)
    if (known !== undefined && known <= hops) return
    this.holders.set(holder, hops)
    this.isFresh = true
    if (known !== undefined) return
    const key = `${result.bytes} ${result.name}`
    const claim = this.claims.get(key)
    if (claim === undefined) this.claims.set(key, { result, times: 1 })
    else claim.times++
  }

  /** As most holders describe it; of as many the first. */
  get told(): SearchResult {
    const claims = [...this.claims.values()]
    return expectDefined(
      claims.reduce((best, one) => (one.times > best.times ? one : best)),
      'a holder'
    ).result
  }

  /** The nearest first. */
  get nearest(): NodeId[] {
    return [...this.holders].toSorted(([, a], [, b]) => a - b).map(([id]) => id)
  }

  get hops(): number {
    return smallest(this.holders.values())
  }
}

/** The results of one search, at most `limit`; more are left out. */
export class Findings {
  private readonly words: readonly string[]
  private readonly limit: number
  private readonly found = new Map<string, FoundItem>()
  private readonly fits = new WeakMap<SearchResult, Fit>()
  private numbers = 0

  /** `words` of the query, by which results are ranked. */
  constructor(words: readonly string[], limit: number) {
    this.words = words
    this.limit = limit
  }

  get size(): number {
    return this.found.size
  }

  add({ holder, hops, results }: Hit): FoundItem[] {
    return results.flatMap(result => {
      const key = `${result.content}/${result.path ?? ''}`
      let found = this.found.get(key)
      if (found === undefined) {
        if (this.found.size >= this.limit) return []
        found = new FoundItem(result)
        this.found.set(key, found)
      }
      found.add(holder.id, hops, result)
      return [found]
    })
  }

  /** What is new or better known since the last call, best first; what is new is numbered in this order. */
  fresh(): FoundItem[] {
    const fresh = this.ordered([...this.found.values()].filter(({ isFresh }) => isFresh))
    for (const one of fresh) {
      one.isFresh = false
      one.number ??= ++this.numbers
    }
    return fresh
  }

  /** Best first. */
  ranked(): FoundItem[] {
    return this.ordered([...this.found.values()])
  }

  /** Best first; what is of one content stands together, where the best of it stands. */
  private ordered(all: readonly FoundItem[]): FoundItem[] {
    const groups = new Map<ContentId, FoundItem[]>()
    const ranked = all.map(one => ({ one, rank: this.rankOf(one) }))
    for (const { one } of ranked.toSorted((a, b) => compare(a.rank, b.rank))) {
      const group = groups.get(one.content)
      if (group === undefined) groups.set(one.content, [one])
      else group.push(one)
    }
    return [...groups.values()].flat()
  }

  /**
   * The smaller the better: words of the query that are whole words of the last name; then those that begin one; then the share
   * before its files, more holders, fewer hops, and the order of the names.
   */
  private rankOf(one: FoundItem): Rank {
    const { name, path } = one.told
    const { whole, begun } = this.fitOf(one.told)
    return [-whole, -begun, path === undefined ? 0 : 1, -one.holders.size, one.hops, name, path ?? '', one.content]
  }

  private fitOf(result: SearchResult): Fit {
    const known = this.fits.get(result)
    if (known !== undefined) return known
    const title = wordsOf(result.path?.split('/').at(-1) ?? result.name)
    const fit = {
      whole: this.words.filter(word => title.includes(word)).length,
      begun: this.words.filter(word => title.some(other => other.startsWith(word))).length
    }
    this.fits.set(result, fit)
    return fit
  }
}

interface Fit {
  readonly whole: number
  readonly begun: number
}

type Rank = ReadonlyArray<number | string>

function compare(a: Rank, b: Rank): number {
  for (const [at, one] of a.entries()) {
    const other = expectDefined(b[at], 'ranks have one form')
    if (one !== other) return one < other ? -1 : 1
  }
  return 0
}

/** The last search of this home. */
export class Searches {
  private readonly db: StateDb
  private latest: Findings | undefined
  private last: Numbered[]
  private keptAtMs = -Infinity

  constructor(db: StateDb) {
    this.db = db
    const kept = db.get(LAST_KEY)
    this.last = (kept && tryDecode(lastCodec, kept)) ?? []
  }

  /** The numbers of the search before mean nothing from now on. */
  begin(words: readonly string[], limit: number): Findings {
    const findings = new Findings(words, limit)
    this.latest = findings
    this.last = []
    // Never rejects; a disk that is full costs the numbers after a restart, nothing else.
    this.db.put(LAST_KEY, undefined).catch(() => undefined)
    return findings
  }

  /** Notes what has been told. Of a search that is not the last one nothing is kept. Resolves when it is on disk, if `isLast`. */
  async keep(findings: Findings, { isLast }: { isLast: boolean }): Promise<void> {
    if (findings !== this.latest) return
    this.last = findings.ranked().flatMap(({ number, told }) => (number === undefined ? [] : [{ ...told, number }]))
    if (!isLast && performance.now() - this.keptAtMs < KEEP_MS) return
    this.keptAtMs = performance.now()
    // A disk that is full costs the numbers after a restart, nothing else.
    await this.db.put(LAST_KEY, encode(lastCodec, this.last))
  }

  get count(): number {
    return this.last.length
  }

  /** What the last search told under this number. */
  result(number: number): Numbered | undefined {
    return this.last.find(one => one.number === number)
  }
}
