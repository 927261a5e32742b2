/** A search of the owner, over the real machine of a node that is alone; its index answers when a test says so. */
import path from 'node:path'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { sha256Hex, utf8 } from '../../../../src/base/bytes.ts'
import type { ShoalError } from '../../../../src/base/errors.ts'
import { overlayId, type ContentId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import type { SearchEvent } from '../../../../src/core/search/contract.ts'
import { Search } from '../../../../src/core/search/search.ts'
import { SEARCHES_MAX } from '../../../../src/core/search/settings.ts'
import { LiveSearch } from '../../../../src/daemon/search/live-search.ts'
import { Searches } from '../../../../src/daemon/search/searches.ts'
import type { Services } from '../../../../src/daemon/control/services.ts'
import { now } from '../../../../src/io/clock.ts'
import { newIdentity, signer, verifier } from '../../../../src/io/identity.ts'
import { StateDb } from '../../../../src/io/state/db.ts'
import type { EventOf, SearchAnswer } from '../../../../src/wire/control/methods.ts'
import type { SearchResult } from '../../../../src/wire/gnutella/search.ts'
import { temporaryFolder } from '../temporary.ts'

const result = (name: string): SearchResult => ({
  ...{ content: sha256Hex(utf8(name)) as ContentId, name, path: undefined, bytes: 1 }
})

/** A runtime with nothing but the room of search. */
class Lone {
  readonly events: SearchEvent[] = []
  private readonly search: Search
  private readonly watchers = new Set<(event: unknown) => void>()
  private readonly tokens: number[] = []
  private readonly services: Services

  constructor() {
    const identity = newIdentity()
    const overlay = overlayId(new Uint8Array(32))
    const self = { id: identity.id, address: { host: '127.0.0.1', port: 1 } }
    const keys = { signer: signer(identity, overlay), verifier: verifier(overlay) }
    this.search = new Search({ self, ...keys, random: Random.from(1), restored: new Map() }, {}, now())
    const db = StateDb.open(path.join(temporaryFolder(), 'state.db'))
    onTestFinished(async () => db.close())
    const searches = new Searches(db)
    const store = { holding: () => undefined }
    this.services = { runtime: () => this, searches, store, log: pino({ level: 'silent' }) } as unknown as Services
  }

  readonly view = { membership: { member: () => undefined } }
  othersAlive = (): [] => []

  watch(watcher: (event: unknown) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  call<T>(act: (node: { search: Search }, at: ReturnType<typeof now>) => T): T {
    const answer = act({ search: this.search }, now())
    for (const effect of this.search.drain()) {
      if (effect.kind === 'command') this.tokens.push(effect.token)
      if (effect.kind !== 'emit') continue
      this.events.push(effect.event)
      for (const watcher of this.watchers) watcher({ room: 'search', event: effect.event })
    }
    return answer
  }

  hint<T>(_: T, act: (node: { search: Search }, at: ReturnType<typeof now>) => T): T {
    return this.call(act)
  }

  /** What the index says to the oldest question. */
  answers(...value: SearchResult[]): void {
    const token = this.tokens.shift()
    if (token === undefined) throw new Error('the index was not asked')
    this.call((node, at) => {
      node.search.done(token, { ok: true, value }, at)
    })
  }

  get kept(): Searches {
    return this.services.searches
  }

  begin({ tellMs, limit = 10 }: { tellMs?: number; limit?: number } = {}): {
    told: Array<EventOf<'search'>>
    answer: Promise<SearchAnswer>
    hangUp: () => void
  } {
    const filter = { type: undefined, minBytes: undefined, maxBytes: undefined }
    const query = { text: 'a', content: undefined, filter }
    const told: Array<EventOf<'search'>> = []
    const abort = new AbortController()
    const call = { signal: abort.signal, emit: (event: EventOf<'search'>) => void told.push(event) }
    const options = { limit, timeoutMs: 60_000, trace: false }
    const answer = new LiveSearch(this.services, { query, options, tellMs }, call).run()
    return { told, answer, hangUp: () => abort.abort() }
  }
}

it('tells each result as it comes, and all of them in the end', async () => {
  const lone = new Lone()
  const { told, answer } = lone.begin({ tellMs: 0 })
  lone.answers(result('b'), result('a'))
  expect(told.map(({ name, number, hops }) => [name, number, hops])).toEqual([
    ['a', 1, 0],
    ['b', 2, 0]
  ])
  const { results, ended, hits } = await answer
  expect([results.map(({ number }) => number), ended, hits]).toEqual([[1, 2], 'exhausted', 2])
  expect(lone.kept.result(2)).toMatchObject(result('b'))
})

it('tells nothing before the answer unless it is asked to, and numbers by rank', async () => {
  const lone = new Lone()
  const { told, answer } = lone.begin()
  lone.answers(result('b'), result('a'))
  expect((await answer).results.map(({ name, number }) => [name, number])).toEqual([
    ['a', 1],
    ['b', 2]
  ])
  expect([told, lone.kept.count]).toEqual([[], 2])
})

it('is over in the machine too when its caller hangs up, and what was told keeps its number', async () => {
  const lone = new Lone()
  const { answer, hangUp } = lone.begin()
  hangUp()
  await expect(answer).rejects.toThrow(expect.objectContaining({ code: 'interrupted' }))
  expect(lone.events).toMatchObject([{ kind: 'ended', report: { ended: 'cancelled' } }])
  lone.answers(result('a'))
  expect([lone.events.length, lone.kept.count]).toEqual([1, 0])
})

it('is refused when there are too many at once, and the others go on', async () => {
  const lone = new Lone()
  const ongoing = Array.from({ length: SEARCHES_MAX }, () => lone.begin())
  await expect(lone.begin().answer).rejects.toThrow(expect.objectContaining({ code: 'busy' }))
  for (const { hangUp } of ongoing) hangUp()
  const codes = await Promise.all(
    ongoing.map(({ answer }) => answer.catch((error: unknown) => (error as ShoalError).code))
  )
  expect(new Set(codes)).toEqual(new Set(['interrupted']))
})
