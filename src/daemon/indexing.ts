/**
 * Keeps the index of names in step with the store: what is offered and listed is in it, nothing else is. The store tells of every
 * change; what was missed while no daemon ran is made up for at the start. Whenever the index has changed, its summary is told to
 * the node, which gives it to its neighbours.
 *
 * One worker goes through what waits, so that the last state of a content wins however fast it changes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ContentId } from '../base/ids.ts'
import type { ShareIndex } from '../io/index/index.ts'
import type { Holding } from '../io/store/catalogue.ts'
import { compileGlobs } from '../io/store/glob.ts'
import type { Store } from '../io/store/store.ts'
import { pathOf, type Manifest } from '../wire/metainfo.ts'

/** How long a caller waits for the index to follow what it did; the index goes on without it. */
const SETTLE_MS_MAX = 30_000

export type IndexSummary = Awaited<ReturnType<ShareIndex['summary']>>

export interface IndexingParts {
  readonly index: ShareIndex
  readonly store: Store
  readonly log: Logger
  /** Hears the summary whenever it is another. */
  readonly tell: (summary: IndexSummary) => void
}

export class Indexing {
  private readonly parts: IndexingParts
  private readonly waiting = new Set<ContentId>()
  /** What is in the index, and which files of it. */
  private readonly indexed = new Map<ContentId, string>()
  private readonly unwatch: () => void
  private working: Promise<void> | undefined
  private summary: IndexSummary | undefined
  private closed = false

  private constructor(parts: IndexingParts) {
    this.parts = parts
    this.unwatch = parts.store.watch(content => {
      this.look(content)
    })
  }

  /** Tells what the index has from before, and brings it up to date behind the caller's back. */
  static async start(parts: IndexingParts): Promise<Indexing> {
    const indexing = new Indexing(parts)
    await indexing.tellSummary()
    for (const content of await parts.index.contents()) {
      const holding = parts.store.holding(content)
      indexing.indexed.set(content, holding === undefined ? '' : selection(holding))
      indexing.look(content)
    }
    for (const { content } of parts.store.holdings()) indexing.look(content)
    return indexing
  }

  /** Once more, for a node that has just started. */
  tellAgain(): void {
    if (this.summary !== undefined) this.parts.tell(this.summary)
  }

  /** Resolves when the index has followed all that changed until now, or did not within 30 s. */
  async settled(): Promise<void> {
    const late = new AbortController()
    const timer = sleep(SETTLE_MS_MAX, undefined, { signal: late.signal }).catch(() => undefined)
    await Promise.race([this.working, timer])
    late.abort()
  }

  /** The index may be closed then. */
  async close(): Promise<void> {
    this.closed = true
    this.unwatch()
    this.waiting.clear()
    await this.working
  }

  private look(content: ContentId): void {
    if (this.closed) return
    this.waiting.add(content)
    this.working ??= this.work().finally(() => {
      this.working = undefined
    })
  }

  private async work(): Promise<void> {
    let isOther = false
    for (;;) {
      for (const content of this.waiting) {
        this.waiting.delete(content)
        if (await this.attempt(content)) isOther = true
      }
      if (!isOther || this.closed) return
      isOther = false
      await this.tellSummary()
    }
  }

  /** Whether the index is another then. */
  private async attempt(content: ContentId): Promise<boolean> {
    try {
      return await this.follow(content)
    } catch (err) {
      this.parts.log.error({ err, content }, 'the index does not take a content: searches will not find it')
      return false
    }
  }

  private async follow(content: ContentId): Promise<boolean> {
    const { index, store } = this.parts
    const holding = store.holding(content)
    const isListed = holding?.serve === true && !store.isUnlisted(content)
    const held = isListed ? await store.manifest(content) : undefined
    if (holding === undefined || held === undefined) {
      if (!this.indexed.has(content)) return false
      await index.remove(content)
      this.indexed.delete(content)
      return true
    }
    if (this.indexed.get(content) === selection(holding)) return false
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
      this.summary = await this.parts.index.summary()
      this.tellAgain()
    } catch (err) {
      this.parts.log.error({ err }, 'the index does not say what it has')
    }
  }
}

/** A content's names never change, only which of them a download is to have. */
function selection({ include }: Holding): string {
  return JSON.stringify(include)
}

/** The files inside a folder that are here, or will be. */
function entriesOf(manifest: Manifest, { include }: Holding): Array<{ path: string; bytes: number }> {
  if (manifest.singleFile) return []
  const isWanted = compileGlobs(include)
  const entries: Array<{ path: string; bytes: number }> = []
  for (const file of manifest.files) {
    const names = pathOf(file)
    if (isWanted(names)) entries.push({ path: names.join('/'), bytes: file.lengthBytes })
  }
  return entries
}
