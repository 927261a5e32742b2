/**
 * Watches that what this node offers can still be read: withdraws pieces of files that are gone or changed, and
 * restores them when the right bytes are back. Nothing is forgotten by it: a drive that was unplugged is withdrawn
 * while it is away.
 *
 * Every `tickMs`, one after the other: the top of each content (is its folder there); files whose read failed
 * (`suspect`); files that are known to be faulty; the next files in a slow round over all contents; some bytes of files
 * that must be read through. Each step has a limit per tick. A step that finds news goes on with the next files at
 * once, up to a larger limit, because what changed one file has often changed its neighbours.
 *
 * Where several states meet: health.ts has what is known of one content, the exchange what is offered of it. The
 * exchange ignores what it knows already, so every finding is told again.
 */
import type { ContentId } from '../../base/ids.ts'
import type { Held } from '../../io/store/manifests.ts'
import { inBackground } from '../../io/background.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { Seen } from '../../io/store/files/stats.ts'
import type { PieceIndex } from '../../wire/bittorrent/layout.ts'
import { pathOf } from '../../wire/bittorrent/metainfo.ts'
import { ShareHealth, type Change } from './health.ts'

/** Between two looks. Of a folder that comes back, the first files are offered again after one of them. */
export const MONITOR_TICK_MS = 5_000
/** After a read failed, so that the failures of one moment are looked at together. */
const SUSPECT_MS = 200
/** Contents whose top is looked at per tick, and those among them that are away: they are looked at first. */
const TOPS_PER_TICK = 256
const AWAY_PER_TICK = 2_048
/** Files of the slow round per tick, and the contents that they belong to: each costs a manifest. */
const FILES_PER_TICK = 256
const CONTENTS_PER_TICK = 32
/** Files per tick where each look finds news: 125,000 files that come back take 5 ticks. */
const FILES_PER_TICK_MAX = 100 * FILES_PER_TICK
/** Read through per tick: 13 MB/s at most. */
const VERIFY_BYTES_PER_TICK = 64 << 20
/** Read through in one step. */
const VERIFY_STEP_BYTES = 8 << 20
/**
 * A file that was written so recently may be written again without a sign in its mtime: it is not recorded as right
 * yet.
 */
const SETTLE_MS = 2_000
/** Pieces that failed to be read although the file looks as before are tried again after this. */
const PROBE_AGAIN_MS = 60_000
const PROBES_PER_FILE = 16
/** Pieces of one content whose read failed since the last tick. Others wait for their turn in the round. */
const SUSPECTS_MAX = 1_024
/** Files named in a report; the others are counted. */
export const REPORTED_FILES_MAX = 5

export interface MonitorParts {
  readonly store: Pick<ContentStore, 'holdings' | 'manifest' | 'inspection'>
  readonly exchange: {
    withdraw(content: ContentId, pieces: readonly PieceIndex[]): void
    restore(content: ContentId, pieces: readonly PieceIndex[]): void
  }
  readonly log: {
    warn(fields: object, message: string): void
    info(fields: object, message: string): void
  }
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
  readonly tickMs?: number
}

/** What is wrong with a content that this node offers. */
export interface ShareReport {
  readonly state: 'changed' | 'missing'
  /** The first REPORTED_FILES_MAX of the files. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly state: 'changed' | 'missing' }>
  readonly fileCount: number
}

export class ShareMonitor {
  private readonly parts: MonitorParts
  private readonly health = new Map<ContentId, ShareHealth>()
  private readonly suspects = new Map<ContentId, Set<PieceIndex>>()
  /** Files that were verified in this tick, to be recorded at its end. */
  private verified = new Map<ContentId, Map<number, Seen>>()
  /** Where the slow round goes on, and the tops. */
  private cursor: { content: ContentId; file: number } | undefined
  private topsCursor = 0
  private readonly closing = new AbortController()
  private timer: NodeJS.Timeout | undefined
  private ticking: Promise<void> | undefined

  constructor(parts: MonitorParts) {
    this.parts = parts
  }

  /** Looks at once, and from then on every `tickMs`, until `close`. */
  start(): void {
    this.schedule(0)
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer)
    if (this.closing.signal.aborted) return
    this.timer = setTimeout(() => {
      const ticked = this.tick().then(() => {
        this.schedule(this.suspects.size > 0 ? SUSPECT_MS : (this.parts.tickMs ?? MONITOR_TICK_MS))
      })
      inBackground(ticked)
    }, delayMs)
    this.timer.unref()
  }

  /** Waits for the look that is under way. */
  async close(): Promise<void> {
    this.closing.abort(new Error('the monitor is closed'))
    clearTimeout(this.timer)
    await this.ticking
  }

  /** The content is offered anew, whole: what was known of it is void. */
  offered(content: ContentId): void {
    this.health.delete(content)
    this.cursor = { content, file: 0 }
  }

  /** A read of this piece failed, and the exchange has withdrawn it. */
  suspect(content: ContentId, piece: PieceIndex): void {
    const pieces = this.suspects.get(content) ?? new Set()
    if (pieces.size < SUSPECTS_MAX) this.suspects.set(content, pieces.add(piece))
    if (this.ticking === undefined && this.timer !== undefined) this.schedule(SUSPECT_MS)
  }

  /** Whether all of it can be served, as far as is known. */
  isSound(content: ContentId): boolean {
    return this.health.get(content)?.isSound !== false
  }

  /** Contents of which something cannot be served. */
  get damaged(): ContentId[] {
    return [...this.health].filter(([, health]) => !health.isSound).map(([content]) => content)
  }

  /** `file` is the file's number in the manifest. */
  stateOf(content: ContentId, file: number): 'sound' | 'changed' | 'missing' {
    const health = this.health.get(content)
    const fault = health?.faults.get(file)
    if (health?.isAway === true || fault?.kind === 'missing') return 'missing'
    return fault === undefined ? 'sound' : 'changed'
  }

  /** Undefined when all of it can be served, as far as is known. */
  async report(content: ContentId): Promise<ShareReport | undefined> {
    const health = this.health.get(content)
    if (health === undefined || health.isSound) return undefined
    const files = (await this.parts.store.manifest(content))?.manifest.files
    // Its state may be another one by now.
    const { state } = health
    if (files === undefined || state === 'sound') return undefined
    const faulty = health.isAway ? files.keys() : [...health.faults.keys()].sort((a, b) => a - b)
    const named: Array<{ path: string; state: 'changed' | 'missing' }> = []
    for (const file of faulty) {
      const entry = files[file]
      if (named.length >= REPORTED_FILES_MAX) break
      const fileState = this.stateOf(content, file)
      if (entry !== undefined && fileState !== 'sound') named.push({ path: pathOf(entry).join('/'), state: fileState })
    }
    return { state, files: named, fileCount: health.isAway ? files.length : health.faults.size }
  }

  /** One look. Never rejects. For tests; `start` calls it by itself. */
  tick(): Promise<void> {
    this.ticking ??= this.look()
      .catch((error: unknown) => {
        if (!this.closing.signal.aborted) this.parts.log.warn({ err: error }, 'shares could not be looked at')
      })
      .finally(() => {
        this.ticking = undefined
      })
    return this.ticking
  }

  private get contents(): ContentId[] {
    return this.parts.store
      .holdings()
      .filter(({ complete, serve }) => complete && serve)
      .map(({ content }) => content)
  }

  private async look(): Promise<void> {
    const { contents } = this
    const offered = new Set(contents)
    for (const content of this.health.keys()) if (!offered.has(content)) this.health.delete(content)
    const before = new Map([...this.health].map(([content, health]) => [content, health.state]))
    await this.lookAtTops(contents)
    await this.lookAtSuspects(offered)
    await this.lookAtFaulty()
    await this.lookAround(contents)
    await this.verify()
    await this.record()
    this.tell(before)
  }

  private healthOf(content: ContentId): ShareHealth {
    const known = this.health.get(content) ?? new ShareHealth()
    this.health.set(content, known)
    return known
  }

  private tell(before: ReadonlyMap<ContentId, ShareHealth['state']>): void {
    const { log } = this.parts
    for (const [content, { state, isAway, faults }] of this.health) {
      const was = before.get(content) ?? 'sound'
      if (state === was) continue
      if (state === 'sound') log.info({ content }, 'all files of a share can be read again: it is offered whole')
      else {
        const files = isAway ? 'all' : faults.size
        log.warn({ content, state, files }, 'files of a share changed or are missing: they are not offered')
      }
    }
  }

  private apply(content: ContentId, { withdraw, restore }: Change): void {
    const { exchange } = this.parts
    if (withdraw.length > 0) exchange.withdraw(content, withdraw)
    if (restore.length > 0) exchange.restore(content, restore)
  }

  private async lookAtTops(contents: readonly ContentId[]): Promise<void> {
    const { inspection } = this.parts.store
    const away = contents.filter(content => this.health.get(content)?.isAway === true).slice(0, AWAY_PER_TICK)
    const first = this.topsCursor < contents.length ? this.topsCursor : 0
    this.topsCursor = first + TOPS_PER_TICK
    for (const content of new Set([...away, ...contents.slice(first, this.topsCursor)])) {
      this.closing.signal.throwIfAborted()
      const isAway = await inspection.isAway(content)
      const was = this.health.get(content)?.isAway === true
      if (isAway !== was) await this.turned(content, isAway)
    }
  }

  private async turned(content: ContentId, isAway: boolean): Promise<void> {
    const { store, exchange } = this.parts
    const layout = (await store.manifest(content))?.manifest.layout
    if (layout === undefined) return
    const health = this.healthOf(content)
    store.inspection.release(content)
    if (!isAway) health.back(layout.fileLengths.length)
    else {
      health.away()
      exchange.withdraw(content, upTo(0, layout.pieces) as PieceIndex[])
    }
  }

  /** Stats these files. Returns whether any of them is in another state than before. */
  private async lookAtFiles(content: ContentId, { manifest }: Held, files: readonly number[]): Promise<boolean> {
    const { inspection } = this.parts.store
    const looks = await inspection.look(content, files, this.closing.signal)
    const health = this.healthOf(content)
    const withdraw: PieceIndex[] = []
    const restore: PieceIndex[] = []
    let isNews = false
    for (const file of files) {
      const change = health.looked(file, looks.get(file), manifest.layout.piecesOf(file))
      for (const piece of change.withdraw) withdraw.push(piece)
      for (const piece of change.restore) restore.push(piece)
      isNews ||= change.isNews
    }
    // Another file may stand under the name now.
    if (isNews) inspection.release(content)
    this.apply(content, { withdraw, restore, isNews })
    return isNews
  }

  private async lookAtSuspects(offered: ReadonlySet<ContentId>): Promise<void> {
    const suspects = new Map(this.suspects)
    this.suspects.clear()
    for (const [content, pieces] of suspects) {
      const held = offered.has(content) ? await this.parts.store.manifest(content) : undefined
      if (held === undefined || this.health.get(content)?.isAway === true) continue
      const byFile = Map.groupBy(pieces, piece => held.manifest.layout.fileOf(piece))
      await this.lookAtFiles(content, held, [...byFile.keys()])
      for (const [file, failed] of byFile) await this.probe(content, file, failed)
      this.cursor = { content, file: 0 }
    }
  }

  /** Reads pieces that could not be read, of a file that looks as it was recorded or as it was read last. */
  private async probe(content: ContentId, file: number, pieces: readonly PieceIndex[]): Promise<void> {
    const health = this.healthOf(content)
    const fault = health.faults.get(file)
    if (health.verifying.has(file) || (fault !== undefined && fault.kind !== 'wrong')) return
    const { inspection } = this.parts.store
    const { signal } = this.closing
    const look = (await inspection.look(content, [file], signal)).get(file)
    if (look?.kind !== 'same' && look?.kind !== 'touched') return
    const { seen } = look
    const right: PieceIndex[] = []
    const wrong: PieceIndex[] = []
    for (const piece of pieces.slice(0, PROBES_PER_FILE)) {
      const read = await inspection.verify(content, { file, seen, from: piece }, { bytesMax: 1, signal })
      if (read.kind === 'moved') return
      if (read.wrong.includes(piece)) wrong.push(piece)
      else right.push(piece)
    }
    this.apply(content, health.probed(file, seen, { right, wrong }, this.parts.wallMs()))
  }

  private async lookAtFaulty(): Promise<void> {
    let files = FILES_PER_TICK_MAX
    for (const [content, health] of this.health) {
      if (health.faults.size === 0 || files <= 0) continue
      const held = await this.parts.store.manifest(content)
      if (held === undefined) continue
      for (let isNews = true; isNews && files > 0 && health.faults.size > 0;) {
        const chunk = [...health.faults.keys()].slice(0, FILES_PER_TICK)
        files -= chunk.length
        isNews = await this.lookAtFiles(content, held, chunk)
      }
      await this.probeAgain(content, health)
    }
  }

  private async probeAgain(content: ContentId, { faults }: ShareHealth): Promise<void> {
    const nowMs = this.parts.wallMs()
    for (const [file, fault] of [...faults].slice(0, FILES_PER_TICK)) {
      if (fault.kind === 'wrong' && nowMs - fault.readAtMs >= PROBE_AGAIN_MS)
        await this.probe(content, file, fault.pieces)
    }
  }

  /** The slow round over all files. */
  private async lookAround(contents: readonly ContentId[]): Promise<void> {
    const start = Math.max(0, this.cursor === undefined ? 0 : contents.indexOf(this.cursor.content))
    const round = [...contents.slice(start), ...contents.slice(0, start)]
    const budget = { files: FILES_PER_TICK, filesMax: FILES_PER_TICK_MAX }
    for (const [i, content] of round.slice(0, CONTENTS_PER_TICK).entries()) {
      if (this.cursor?.content !== content) this.cursor = { content, file: 0 }
      if (await this.lookThrough(this.cursor, budget)) {
        const next = round[(i + 1) % round.length]
        this.cursor = next === undefined ? undefined : { content: next, file: 0 }
      }
      if (budget.files <= 0) return
    }
  }

  /** Goes on in one content as far as the budget allows. Returns whether its end is reached. */
  private async lookThrough(
    cursor: { content: ContentId; file: number },
    budget: { files: number; filesMax: number }
  ): Promise<boolean> {
    const held = await this.parts.store.manifest(cursor.content)
    if (held === undefined || this.health.get(cursor.content)?.isAway === true) return true
    const count = held.manifest.files.length
    while (cursor.file < count && budget.files > 0) {
      const chunk = upTo(cursor.file, Math.min(count, cursor.file + budget.files))
      cursor.file += chunk.length
      const isNews = await this.lookAtFiles(cursor.content, held, chunk)
      budget.filesMax -= chunk.length
      if (!isNews || budget.filesMax <= 0) budget.files -= chunk.length
    }
    return cursor.file >= count
  }

  /** Reads through what was touched, some bytes a tick. */
  private async verify(): Promise<void> {
    let bytesLeft = VERIFY_BYTES_PER_TICK
    for (const [content, health] of this.health) {
      const held = health.verifying.size === 0 ? undefined : await this.parts.store.manifest(content)
      if (held === undefined) continue
      for (const file of [...health.verifying.keys()]) {
        if (bytesLeft <= 0) return
        bytesLeft -= await this.verifyFile(content, held, file, bytesLeft)
      }
    }
  }

  /** Returns how many bytes were read. */
  private async verifyFile(content: ContentId, held: Held, file: number, bytesMax: number): Promise<number> {
    const { manifest } = held
    const { store, wallMs } = this.parts
    const health = this.healthOf(content)
    const pieces = manifest.layout.piecesOf(file)
    const { signal } = this.closing
    let bytes = 0
    for (let at = health.verifying.get(file); at !== undefined && bytes < bytesMax; at = health.verifying.get(file)) {
      const { seen, next } = at
      if (Math.abs(wallMs() - Number(seen.mtimeNs / 1_000_000n)) < SETTLE_MS) return bytes
      const step = { bytesMax: Math.min(VERIFY_STEP_BYTES, bytesMax - bytes), signal }
      const read = await store.inspection.verify(content, { file, seen, from: next }, step)
      if (read.kind === 'moved') {
        health.verifying.delete(file)
        await this.lookAtFiles(content, held, [file])
        return bytes
      }
      for (let piece: number = next; piece < read.next; piece++)
        bytes += manifest.layout.pieceBytes(piece as PieceIndex)
      const change = health.read(file, read, pieces, wallMs())
      if (change.isDone) this.note(content, file, seen)
      this.apply(content, change)
    }
    return bytes
  }

  private note(content: ContentId, file: number, seen: Seen): void {
    const files = this.verified.get(content) ?? new Map<number, Seen>()
    this.verified.set(content, files.set(file, seen))
  }

  private async record(): Promise<void> {
    const { verified } = this
    this.verified = new Map()
    for (const [content, files] of verified) {
      await this.parts.store.inspection.refresh(content, files)
      this.parts.store.inspection.release(content)
    }
  }
}

function upTo(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i)
}
