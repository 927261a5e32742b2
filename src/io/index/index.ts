/**
 * The index of what this node offers: names of shares and of the files inside, found by words. Participants: this class in the
 * daemon's thread, which waits; a worker (worker.ts) that owns the file; a writer and a reader there (writer.ts, reader.ts).
 *
 * It keeps no truth of its own: the caller compares `contents()` with its shares after `openIndex`, and puts what is missing. An index
 * that is damaged, or made by other rules, is empty then. A share is found whole or not at all, also after a kill in the middle.
 *
 * Everything has a deadline and a bound: matches wait in a queue here, and only few of them in the worker's, so that one
 * who stopped waiting costs nothing there; puts and removals take turns, a share crosses in small parts, and queries
 * are answered between them.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import { QrpTable } from '../../wire/gnutella/qrp.ts'
import type { SearchQuery, SearchResult } from '../../wire/gnutella/search.ts'
import { inBackground } from '../background.ts'
import { FILES_AT_ONCE } from './messages.ts'
import { IndexThread, goneError, lateError } from './thread.ts'

/** Matches that wait for their turn; further ones are refused. */
export const MATCHES_WAITING_MAX = 64
/** Matches in the worker's own queue: one that is served, and the next. */
const MATCHES_AT_ONCE = 2
/** From the call on: a search waits some seconds for all who answer. */
export const MATCH_MS_MAX = 1_000
/** Puts and removals that wait for their turn. */
export const WRITES_WAITING_MAX = 1_024
/** One step of a put, or a removal of the largest share. */
const WRITE_MS_MAX = 60_000
/** All words of 4,000,000 names, with queries between them. */
const SUMMARY_MS_MAX = 120_000
const CONTENTS_MS_MAX = 60_000
const CLOSE_MS_MAX = 10_000

export interface IndexOptions {
  /** The file; SQLite keeps two more beside it. */
  readonly path: string
  /** What an operator would want to know. */
  readonly log?: (text: string) => void
  /** The file was damaged and begun anew while it was open: everything must be put again. */
  readonly onLost?: () => void
}

export interface IndexedShare {
  readonly content: ContentId
  readonly name: string
  /** Of all its files. */
  readonly bytes: number
  /** Its files, with `/` between the names of a path; none for a share that is one file itself. */
  readonly entries: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
}

export interface Summary {
  /** Every word of every name with its prefixes, and the IDs of the contents. */
  readonly table: QrpTable
  readonly files: number
  readonly bytes: number
}

interface WaitingMatch {
  readonly query: SearchQuery
  readonly limit: number
  readonly untilMs: number
  readonly resolve: (found: SearchResult[]) => void
  readonly reject: (error: unknown) => void
}

/** Opens or makes the index. Throws ShoalError: 'timeout', 'disk-full', 'internal'. */
export async function openIndex(options: IndexOptions): Promise<ShareIndex> {
  return new ShareIndex(await IndexThread.start(options.path), options)
}

export class ShareIndex {
  private readonly thread: IndexThread
  private closing: Promise<void> | undefined
  private readonly matches: WaitingMatch[] = []
  private matching = 0
  private writes = 0
  private lastWrite: Promise<void> = Promise.resolve()

  /** By `openIndex` only. */
  constructor(thread: IndexThread, { path, log, onLost }: IndexOptions) {
    this.thread = thread
    if (thread.rebuilt) log?.(`the search index begins anew: ${path}`)
    thread.listen({
      lost: () => {
        log?.(`the search index was damaged, and begins anew: ${path}`)
        onLost?.()
      },
      ended: why => {
        if (this.closing === undefined)
          log?.(`nothing is found here until the next start, the search index is gone: ${why}`)
      }
    })
  }

  /**
   * Shares that answer, and files that do so by a word of their own path, best first (rank.ts); at most `limit` and `RESULTS_MAX`.
   * Throws ShoalError 'busy' when too many wait, 'timeout' after a second, 'interrupted' when closed.
   */
  match(query: SearchQuery, limit: number): Promise<SearchResult[]> {
    if (this.closing !== undefined) return Promise.reject(goneError())
    if (this.matches.length >= MATCHES_WAITING_MAX) {
      return Promise.reject(new ShoalError('busy', `${MATCHES_WAITING_MAX} queries wait for the search index`))
    }
    return new Promise((resolve, reject) => {
      this.matches.push({ query, limit, untilMs: performance.now() + MATCH_MS_MAX, resolve, reject })
      this.nextMatches()
    })
  }

  /** Puts a share, in the place of what had its content ID. Throws ShoalError 'limit', 'busy', 'disk-full', 'interrupted'. */
  put(share: IndexedShare): Promise<void> {
    return this.write(async () => {
      const { content, name, bytes } = share
      await this.thread.ask({ kind: 'begin', share: { content, name, bytes } }, WRITE_MS_MAX)
      try {
        await this.add(share)
        await this.thread.ask({ kind: 'commit' }, WRITE_MS_MAX)
      } catch (error) {
        // The first failure is the one to tell; a file that is closed rolls back as well.
        await this.thread.ask({ kind: 'rollback' }, WRITE_MS_MAX).catch(() => undefined)
        throw error
      }
    })
  }

  /** Does nothing when it is not there. */
  remove(content: ContentId): Promise<void> {
    return this.write(() => this.thread.ask({ kind: 'remove', content }, WRITE_MS_MAX))
  }

  /** Of all shares that are in it whole. */
  contents(): Promise<ContentId[]> {
    return this.thread.ask({ kind: 'contents' }, CONTENTS_MS_MAX)
  }

  /** What comes or goes meanwhile may be in it or not. */
  async summary(): Promise<Summary> {
    const { bits, patches, files, bytes } = await this.thread.ask({ kind: 'summary' }, SUMMARY_MS_MAX)
    const table = QrpTable.fromPatches(bits, patches)
    if (table === undefined) throw new ShoalError('internal', 'the search index made a table that nobody can read')
    return { table, files, bytes }
  }

  /** Gives up what waits, a put in its middle too, and lets go of the file. */
  close(): Promise<void> {
    this.closing ??= this.lastWrite.then(() => this.thread.close(CLOSE_MS_MAX))
    for (const { reject } of this.matches.splice(0)) reject(goneError())
    return this.closing
  }

  private async add({ entries }: IndexedShare): Promise<void> {
    for (let at = 0; at < entries.length; at += FILES_AT_ONCE) {
      if (this.closing !== undefined) throw goneError()
      const some = entries.slice(at, at + FILES_AT_ONCE)
      const paths = some.map(({ path }) => path).join('\0')
      const bytes = Float64Array.from(some, entry => entry.bytes)
      await this.thread.ask({ kind: 'add', rows: { paths, bytes } }, WRITE_MS_MAX)
    }
  }

  /** One after another: a put is several requests. */
  private async write(act: () => Promise<void>): Promise<void> {
    if (this.writes >= WRITES_WAITING_MAX) {
      throw new ShoalError('busy', `${WRITES_WAITING_MAX} changes wait for the search index`)
    }
    this.writes++
    const turn = this.lastWrite.then(() => {
      if (this.closing !== undefined) throw goneError()
      return act()
    })
    this.lastWrite = turn.catch(() => undefined)
    await turn.finally(() => this.writes--)
  }

  private nextMatches(): void {
    while (this.matching < MATCHES_AT_ONCE) {
      const match = this.matches.shift()
      if (match === undefined) return
      inBackground(this.run(match))
    }
  }

  private async run({ query, limit, untilMs, resolve, reject }: WaitingMatch): Promise<void> {
    const leftMs = untilMs - performance.now()
    if (leftMs <= 0) {
      reject(lateError('match', MATCH_MS_MAX))
      return
    }
    this.matching++
    await this.thread.ask({ kind: 'match', query, limit }, leftMs).then(resolve, reject)
    this.matching--
    this.nextMatches()
  }
}
