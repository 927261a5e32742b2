/**
 * Keeps the index of names in step with the store: what is offered and listed is in it, nothing else is. The store tells of every
 * change; what was missed while no daemon ran is made up for at the start. When the index has changed, its summary is told to the
 * node, which gives it to its neighbours.
 *
 * One worker goes through what waits, so that the last state of a content wins however fast it changes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ContentId } from '../../base/ids.ts'
import { openIndex, type IndexedShare, type ShareIndex, type Summary } from '../../io/index/index.ts'
import type { Holding } from '../../io/store/catalogue.ts'
import { compileGlobs } from '../../io/store/files/glob.ts'
import type { ContentStore } from '../../io/store/store.ts'
import { pathOf, type Manifest } from '../../wire/bittorrent/metainfo.ts'

/** How long a caller waits for the index to follow what it did; the index goes on without it. */
const SETTLE_MS_MAX = 30_000
/** Whatever is to be in the index is another selection than this. */
const UNKNOWN = ''

export interface IndexingParts {
  /** The index's file. */
  readonly path: string
  readonly store: ContentStore
  readonly log: Logger
}

export class Indexing {
  readonly index: ShareIndex
  private readonly store: ContentStore
  private readonly log: Logger
  private readonly waiting = new Set<ContentId>()
  /** What is in the index, and which files of it. */
  private readonly indexed = new Map<ContentId, string>()
  private readonly unwatch: () => void
  private working: Promise<void> | undefined
  private summarising: Promise<void> | undefined
  /** The index is another than the last summary says. */
  private isStale = false
  private summary: Summary | undefined
  private tell: ((summary: Summary) => void) | undefined
  private closed = false

  private constructor(index: ShareIndex, { store, log }: IndexingParts) {
    this.index = index
    this.store = store
    this.log = log
    this.unwatch = store.watch(content => {
      this.look(content)
    })
  }

  /** Brings the index up to date behind the caller's back. Throws ShoalError as openIndex. */
  static async open(parts: IndexingParts): Promise<Indexing> {
    // Until there is somebody to hear it, everything is looked at anyway.
    let lost = (): void => undefined
    const index = await openIndex({
      path: parts.path,
      log: text => {
        parts.log.warn(text)
      },
      onLost: () => {
        lost()
      }
    })
    const indexing = new Indexing(index, parts)
    lost = () => {
      indexing.lose()
    }
    indexing.run(indexing.catchUp())
    return indexing
  }

  /** Tells `tell` what the index has, now and whenever it is another; nobody else any more. Undefined: nobody at all. */
  tellTo(tell: ((summary: Summary) => void) | undefined): void {
    this.tell = tell
    if (this.summary !== undefined) tell?.(this.summary)
  }

  /** Resolves when the index has followed all that changed until now, or did not within 30 s; its summary may come later. */
  async settled(): Promise<void> {
    const late = new AbortController()
    const timer = sleep(SETTLE_MS_MAX, true, { signal: late.signal }).catch(() => true)
    while (this.working !== undefined) if ((await Promise.race([this.working, timer])) === true) break
    late.abort()
  }

  /** Gives up what is under way: the next start makes up for it. */
  async close(): Promise<void> {
    this.closed = true
    this.unwatch()
    this.waiting.clear()
    await this.index.close()
    await this.working
    await this.summarising
  }

  /** What the index has from before is told at once; then what changed since is made up for. */
  private async catchUp(): Promise<void> {
    this.summarise()
    try {
      for (const content of await this.index.contents()) {
        const holding = this.store.holding(content)
        const isSame = holding?.kind === 'share' || (holding?.complete === true && holding.include.length === 0)
        this.indexed.set(content, isSame ? selection(holding) : UNKNOWN)
        this.waiting.add(content)
      }
    } catch (err) {
      this.problem(err, 'the index does not say what it has')
    }
    for (const { content } of this.store.holdings()) this.waiting.add(content)
    await this.work()
  }

  /** The index begins anew, and has nothing. */
  private lose(): void {
    this.indexed.clear()
    for (const { content } of this.store.holdings()) this.look(content)
  }

  private look(content: ContentId): void {
    if (this.closed) return
    this.waiting.add(content)
    if (this.working === undefined) this.run(this.work())
  }

  private run(work: Promise<void>): void {
    this.working = work.finally(() => {
      this.working = undefined
      // What came after the worker's last look.
      if (this.waiting.size > 0 && !this.closed) this.run(this.work())
    })
  }

  private async work(): Promise<void> {
    let isOther = false
    for (const content of this.waiting) {
      this.waiting.delete(content)
      if (await this.attempt(content)) isOther = true
    }
    if (isOther) this.summarise()
  }

  /** Nobody waits for it: of many names it takes seconds. What changes meanwhile is summed up once more. */
  private summarise(): void {
    this.isStale = true
    this.summarising ??= this.tellSummaries()
  }

  private async tellSummaries(): Promise<void> {
    while (this.isStale && !this.closed) {
      this.isStale = false
      await this.tellSummary()
    }
    this.summarising = undefined
  }

  /** Whether the index is another then. */
  private async attempt(content: ContentId): Promise<boolean> {
    try {
      return await this.follow(content)
    } catch (err) {
      this.problem(err, 'the index does not follow a content: searches will not', content)
      return false
    }
  }

  private async follow(content: ContentId): Promise<boolean> {
    const { index, store } = this
    const holding = store.holding(content)
    const isListed = holding?.serve === true && !store.isUnlisted(content)
    if (isListed && this.indexed.get(content) === selection(holding)) return false
    const held = isListed ? await store.manifest(content) : undefined
    if (holding === undefined || held === undefined) {
      if (!this.indexed.has(content)) return false
      await index.remove(content)
      this.indexed.delete(content)
      return true
    }
    const { manifest } = held
    await index.put({
      ...{ content, name: manifest.name, bytes: manifest.layout.bytes },
      entries: entriesOf(manifest, holding)
    })
    this.indexed.set(content, selection(holding))
    return true
  }

  private async tellSummary(): Promise<void> {
    try {
      this.summary = await this.index.summary()
      this.tell?.(this.summary)
    } catch (err) {
      this.problem(err, 'the index does not say what it has')
    }
  }

  private problem(err: unknown, what: string, content?: ContentId): void {
    if (!this.closed) this.log.error({ err, content }, what)
  }
}

/** A content's names never change, only which of them a download is to have. */
function selection({ include }: Holding): string {
  return JSON.stringify(include)
}

/** The files inside a folder that are here, or will be. */
function entriesOf(manifest: Manifest, { include }: Holding): IndexedShare['entries'] {
  if (manifest.singleFile) return []
  const isWanted = compileGlobs(include)
  const entries: Array<{ path: string; bytes: number }> = []
  for (const file of manifest.files) {
    const names = pathOf(file)
    if (isWanted(names)) entries.push({ path: names.join('/'), bytes: file.lengthBytes })
  }
  return entries
}
