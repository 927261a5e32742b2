/**
 * The bytes of one file in order, for one reader, also while they are still being fetched: what comes next is told to the exchange, which
 * asks for it first. One chunk is in memory at a time, always in the same bytes: however many readers come and stop, each costs one chunk.
 *
 * Ends with a ShoalError: 'timeout' when nothing of what comes next arrived for a while, 'conflict' when the download is paused or leaves
 * the file out, 'integrity' when the disk holds something else, 'not-found' when it was removed.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { ReaderId } from '../../core/exchange/download/readers.ts'
import { LEAF_BYTES, type Layout, type LeafRange, type PieceIndex } from '../../wire/bittorrent/layout.ts'
import type { FileState } from '../../io/store/reads.ts'
import type { Services } from '../control/services.ts'
import type { DownloadEvent } from '../downloads/events.ts'
import type { Span } from './range.ts'

/** Read, checked and handed over at once. */
export const CHUNK_LEAVES = 16
/** Ahead of the reader, asked for before all else: some seconds of a film. */
const AHEAD_LEAVES = (4 << 20) / LEAF_BYTES
/** The exchange hears anew of what is ahead after so much of it. */
const RETELL_LEAVES = AHEAD_LEAVES / 8
export const PROGRESS_DEADLINE_MS = 30_000

export interface Readable {
  readonly content: ContentId
  /** The file's number in the manifest. */
  readonly file: number
  /** Of the manifest. */
  readonly layout: Layout
}

let lastReader = 0

/** Throws ShoalError when the file will not be here by itself. */
export async function refuseUnreadable(services: Services, { content, file }: Readable): Promise<void> {
  refuseState(await services.store.reads.state(content, file), content)
}

function refuseState(state: FileState, content: ContentId): void {
  switch (state) {
    case 'here':
    case 'arriving':
      return
    case 'excluded':
      throw new ShoalError('conflict', `the download of ${content} leaves this file out`, {
        hint: `get it with an --include that takes it: shoal get ${content}`
      })
    case 'absent':
      throw new ShoalError('not-found', 'the file is not on this machine any more as it was shared', {
        hint: 'share it again, or get it again'
      })
  }
}

/** What is here of a download that is paused or waits can be read, and no more comes. */
function refuseStopped(services: Services, content: ContentId): void {
  const state = services.downloads.state(content)
  if (state?.kind !== 'paused' && state?.kind !== 'waiting') return
  if (state.kind === 'waiting' && state.for === 'offer') throw state.problem
  const why = state.kind === 'waiting' ? `: ${state.problem.message}` : ''
  throw new ShoalError('conflict', `the download of ${content} is paused${why}`, {
    hint: `go on: shoal get ${content}`
  })
}

interface Wait {
  readonly leaf: number
  readonly endLeaf: number
  readonly range: LeafRange
  readonly turned: Wakes
}

/** Signals that abort with the next event of a download which is no progress. */
class Wakes {
  private current = new AbortController()

  constructor(services: Services, content: ContentId, signal: AbortSignal) {
    const wake = (event: DownloadEvent): void => {
      if (event.kind !== 'progress') this.current.abort()
    }
    services.downloads.listen(content, wake, signal)
  }

  /** Of events from now on. */
  next(): AbortSignal {
    if (this.current.signal.aborted) this.current = new AbortController()
    return this.current.signal
  }
}

function nothingArrived(content: ContentId, deadlineMs: number): ShoalError {
  return new ShoalError('timeout', `nothing of what comes next arrived within ${deadlineMs / 1_000} s`, {
    hint: `\`shoal status ${content}\` says who is asked for it`
  })
}

/** One reader at one place of one file. */
export class Reading {
  private readonly services: Services
  private readonly of: Readable
  private readonly reader = ++lastReader as ReaderId
  private readonly deadlineMs: number
  /** Numbered in the file. */
  private toldLeaf = -Infinity
  private chunk: Buffer | undefined

  constructor(services: Services, of: Readable, options: { deadlineMs?: number } = {}) {
    this.services = services
    this.of = of
    this.deadlineMs = options.deadlineMs ?? PROGRESS_DEADLINE_MS
  }

  /**
   * Nothing of the span is given before its first leaf is here. `signal` ends it quietly. What is given is overwritten when the next is
   * asked for.
   */
  async *bytes({ start, end }: Span, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (let at = start; at < end && !signal.aborted;) {
        const leaf = Math.floor(at / LEAF_BYTES)
        const leaves = await this.waitFor(leaf, Math.ceil(end / LEAF_BYTES), signal)
        if (leaves === 0) return
        const chunk = await this.read(leaf, leaves)
        const from = at - leaf * LEAF_BYTES
        const taken = chunk.subarray(from, Math.min(chunk.length, from + end - at))
        at += taken.length
        yield taken
      }
    } finally {
      this.services.runtime().hint(undefined, (node, now) => {
        node.exchange.stopReading(this.of.content, this.reader, now)
      })
    }
  }

  /** How many leaves from this one on can be read, at least one; 0 when the signal aborted. */
  private async waitFor(leaf: number, endLeaf: number, signal: AbortSignal): Promise<number> {
    const { store } = this.services
    const { content } = this.of
    const range = this.rangeAt(leaf, Math.min(endLeaf, leaf + CHUNK_LEAVES))
    this.tell(leaf, endLeaf)
    const here = await store.reads.here(content, range)
    if (here > 0) return here
    const stop = new AbortController()
    const late = AbortSignal.timeout(this.deadlineMs)
    const turned = new Wakes(this.services, content, stop.signal)
    try {
      return await this.arrival({ leaf, endLeaf, range, turned }, AbortSignal.any([signal, late]))
    } catch (error) {
      if (signal.aborted) return 0
      throw error
    } finally {
      stop.abort()
    }
  }

  /** As waitFor. Looks again when a leaf arrived, and when the state of the download changed. */
  private async arrival(wait: Wait, signal: AbortSignal): Promise<number> {
    const { store } = this.services
    const { content } = this.of
    for (;;) {
      const woken = wait.turned.next()
      this.tell(wait.leaf, wait.endLeaf)
      const here = await store.reads.here(content, wait.range)
      if (here > 0) return here
      const file = await store.reads.state(content, this.of.file)
      // Else it is judged anew: the file may have been looked at between two runs of its download.
      if (!woken.aborted && !this.isMoving()) this.refuse(file)
      if (signal.aborted) throw nothingArrived(content, this.deadlineMs)
      await store.reads.arrival(content, wait.range, AbortSignal.any([signal, woken]))
      // Its download may be another one by now, which knows of no reader.
      if (woken.aborted) this.toldLeaf = -Infinity
    }
  }

  private refuse(file: FileState): void {
    const { content } = this.of
    const state = this.services.downloads.state(content)
    if (file !== 'here' && state?.kind === 'failed') throw state.problem
    refuseState(file, content)
    refuseStopped(this.services, content)
  }

  /** Between two runs of its download: neither the old one nor the new one is there. */
  private isMoving(): boolean {
    const kind = this.services.downloads.state(this.of.content)?.kind
    return kind === 'adding' || kind === 'failing' || kind === 'removing'
  }

  private tell(leaf: number, endLeaf: number): void {
    if (leaf >= this.toldLeaf && leaf < this.toldLeaf + RETELL_LEAVES) return
    const ranges: LeafRange[] = []
    const end = Math.min(endLeaf, leaf + AHEAD_LEAVES)
    for (let at = leaf; at < end;) {
      const range = this.rangeAt(at, end)
      ranges.push(range)
      at += range.leafCount
    }
    const { content } = this.of
    const heard = this.services
      .runtime()
      .hint(false, (node, now) => node.exchange.reading(content, this.reader, ranges, now))
    // What is not being fetched yet may be in a moment.
    if (heard) this.toldLeaf = leaf
  }

  /** From a leaf of the file on, up to one of it, inside one piece. */
  private rangeAt(leaf: number, endLeaf: number): LeafRange {
    const { layout, file } = this.of
    const piece = (layout.piecesOf(file).first + Math.floor(leaf / layout.leavesPerPiece)) as PieceIndex
    const leafStart = leaf % layout.leavesPerPiece
    return { piece, leafStart, leafCount: Math.min(layout.leavesOf(piece) - leafStart, endLeaf - leaf) }
  }

  private async read(leaf: number, leaves: number): Promise<Uint8Array> {
    const { content, layout } = this.of
    const range = this.rangeAt(leaf, leaf + leaves)
    this.chunk ??= Buffer.allocUnsafeSlow(CHUNK_LEAVES * LEAF_BYTES)
    const chunk = this.chunk.subarray(0, layout.rangeBytes(range))
    const result = await this.services.store.reads.read(content, range, chunk)
    if (result.ok) return chunk
    if (result.reason === 'changed') {
      throw new ShoalError('integrity', 'the file on this machine is not any more what was shared', {
        hint: 'share it again, or get it again'
      })
    }
    throw this.services.store.problem(content) ?? new ShoalError('internal', 'the disk does not give the file')
  }
}
