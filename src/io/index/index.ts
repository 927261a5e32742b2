/**
 * The search index of this node's shares: names of shares and of their files, found by words. Participants: this class
 * in the daemon's thread; a worker (worker.ts) that owns the file; a writer and a reader in the worker (writer.ts,
 * reader.ts).
 *
 * The index is derived data: after `openIndex` the caller compares `contents()` with its shares and puts the missing
 * ones. A damaged index, or one made by other rules, is replaced by an empty one. A put is atomic: a share is found
 * whole or not at all, also after a crash during the put.
 *
 * Every operation has a deadline and every queue a limit. Matches wait in a queue of this class and only a few in the
 * worker's, so a match that timed out costs the worker nothing. Puts and removals run one after another. A share is
 * sent to the worker in small parts, and queries are answered between them.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import { QrpTable } from '../../wire/gnutella/qrp.ts'
import type { SearchQuery, SearchResult } from '../../wire/gnutella/search.ts'
import { inBackground } from '../background.ts'
import { FILES_AT_ONCE } from './messages.ts'
import { IndexThread, goneError, lateError } from './thread.ts'

/** Waiting matches; further ones are refused. */
export const MATCHES_WAITING_MAX = 64
/** Matches in the worker's queue: the running one and the next. */
const MATCHES_AT_ONCE = 2
/** Deadline of a match, queueing included: a search waits only some seconds for all answers. */
export const MATCH_MS_MAX = 1_000
/** Waiting puts and removals; further ones are refused. */
export const WRITES_WAITING_MAX = 1_024
/** Deadline for one step of a put, or for the removal of the largest share. */
const WRITE_MS_MAX = 60_000
/** Deadline for a summary: all words of 4,000,000 names, with queries in between. */
const SUMMARY_MS_MAX = 120_000
const CONTENTS_MS_MAX = 60_000
const CLOSE_MS_MAX = 10_000

export interface IndexOptions {
  /** The index file; SQLite keeps two more files beside it. */
  readonly path: string
  /** Reports a recreated index and the end of the worker. */
  readonly log?: (text: string) => void
  /** The open file was damaged and has been recreated empty: every share must be put again. */
  readonly onLost?: () => void
}

export interface IndexedShare {
  readonly content: ContentId
  readonly name: string
  /** Total bytes of all files. */
  readonly bytes: number
  /** The files, with `/` between the names of a path; empty for a share that is a single file. */
  readonly entries: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
}

export interface Summary {
  /** The query routing table: every word of every name with its prefixes, and the IDs of the contents. */
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

/** Opens or creates the index. Throws ShoalError: 'timeout', 'disk-full', 'internal'. */
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

  /** Use `openIndex`. */
  constructor(thread: IndexThread, { path, log, onLost }: IndexOptions) {
    this.thread = thread
    if (thread.rebuilt) log?.(`created an empty search index: ${path}`)
    thread.listen({
      lost: () => {
        log?.(`the search index was damaged; created an empty one: ${path}`)
        onLost?.()
      },
      ended: why => {
        if (this.closing === undefined)
          log?.(`the search index has stopped, searches find nothing on this node until the next start: ${why}`)
      }
    })
  }

  /**
   * Matching shares, and files that match with at least one word of their own path, best first (rank.ts); at most
   * `limit` and `RESULTS_MAX`. Throws ShoalError 'busy' when too many matches wait, 'timeout' after MATCH_MS_MAX,
   * 'interrupted' when closed.
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

  /**
   * Puts a share; replaces one with the same content ID. Throws ShoalError 'limit', 'busy', 'disk-full', 'interrupted'.
   */
  put(share: IndexedShare): Promise<void> {
    return this.write(async () => {
      const { content, name, bytes } = share
      await this.thread.ask({ kind: 'begin', share: { content, name, bytes } }, WRITE_MS_MAX)
      try {
        await this.add(share)
        await this.thread.ask({ kind: 'commit' }, WRITE_MS_MAX)
      } catch (error) {
        // The first error is thrown, not one of the rollback. Closing the file rolls back too.
        await this.thread.ask({ kind: 'rollback' }, WRITE_MS_MAX).catch(() => undefined)
        throw error
      }
    })
  }

  /** Removes a share. Does nothing when it is not in the index. */
  remove(content: ContentId): Promise<void> {
    return this.write(() => this.thread.ask({ kind: 'remove', content }, WRITE_MS_MAX))
  }

  /** The content IDs of all committed shares. */
  contents(): Promise<ContentId[]> {
    return this.thread.ask({ kind: 'contents' }, CONTENTS_MS_MAX)
  }

  /** May or may not include shares that are put or removed while it runs. */
  async summary(): Promise<Summary> {
    const { bits, patches, files, bytes } = await this.thread.ask({ kind: 'summary' }, SUMMARY_MS_MAX)
    const table = QrpTable.fromPatches(bits, patches)
    if (table === undefined) throw new ShoalError('internal', 'the search index returned an invalid routing table')
    return { table, files, bytes }
  }

  /** Rejects waiting matches and writes, aborts a running put, and closes the file. */
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

  /** Runs one write after another: a put consists of several requests. */
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
