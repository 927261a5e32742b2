/**
 * Contents on disk: what this node shares and fetches, where it stands, and whether its bytes are still right.
 *
 * Purpose: the commands of the exchange that touch files (`prepare`, `sync`, `finish`, `close`), verified writes, reads for
 * uploads. Participants: the state database keeps one record per content (catalogue.ts); the home's `manifests/ID` the manifest
 * and `manifests/ID.seen` size, mtime and inode of every file; `leaves/ID` the leaf hashes of what is being fetched.
 * Non-goals: hashing what is shared for the first time (io/share), checking what arrives (io/blocks), deciding anything.
 *
 * A download: `addDownload` records where it goes; the manifest arrives (`putManifest`); `prepare` looks what is there; `write`
 * and `sync` as blocks come; `finish` gives the final names. Each may fail by the disk and is then asked for again.
 *
 * What is asked on behalf of a peer never throws: a disk that fails, a folder that is gone, a home that cannot be read are
 * results with a reason.
 *
 * A content fetched to where another one stands replaces files of the other one only when the node that published both signed
 * that it replaces it (it shared the same path again after a change; lineages.ts), and only files that Shoal itself put there
 * and that look as they were left (size, mtime, inode). Anything else under a name of the content is a conflict, and is
 * replaced with `--overwrite` only. What the older version had and the newer one has not stays where it is.
 */
import { promises as fs } from 'node:fs'
import { join, dirname, basename, resolve } from 'node:path'
import type { Bitfield } from '../../base/bitfield.ts'
import { LruMap } from '../../base/bounded.ts'
import { expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { Prepared } from '../../core/exchange/contract.ts'
import type { Result } from '../../core/machine.ts'
import type { Layout, LeafRange, PieceIndex } from '../../wire/bittorrent/layout.ts'
import type { Manifest } from '../../wire/bittorrent/metainfo.ts'
import type { StateDb } from '../state/db.ts'
import { Arrivals } from './arrivals.ts'
import { copyContent, type Copied, type CopyOptions } from './copy.ts'
import { syncFolder } from './files/atomic.ts'
import { makeFolders } from './files/safe-dir.ts'
import { Catalogue, type Holding } from './catalogue.ts'
import { problemOf, reasonOf, type ReadResult } from './failures.ts'
import { finish } from './finish.ts'
import { Inspection } from './inspection.ts'
import { Lineages, type Publisher } from './lineages.ts'
import { Manifests, checkManifest, type Held } from './manifests.ts'
import { prepare } from './prepare.ts'
import { samePlace } from './previous.ts'
import { Reads } from './reads.ts'
import { ContentLocks } from './content-locks.ts'
import { deleteFiles } from './remove.ts'
import { heldOf, seenOfScanned, type ScannedContent } from './scanned.ts'
import { ContentCache, type SharedLeafHashes } from './content-cache.ts'
import type { Seen } from './files/stats.ts'

/** What the exchange knows of while blocks arrive. */
const ARRIVAL_FAILURES: ReadonlySet<string> = new Set(['disk-full', 'lost'])
/** Errors kept for `status`. */
const PROBLEMS_MAX = 1_000

export interface StoreOptions {
  /** The home's folder; `manifests` and `leaves` are made in it. */
  readonly home: string
  readonly db: StateDb
  readonly shared?: SharedLeafHashes
  /** Signs what this node shares, and verifies what others shared. Its signatures belong to no overlay. */
  readonly publisher?: Publisher
}

export interface DownloadOptions {
  readonly content: ContentId
  /** The folder to fetch into, absolute; it is made when it is missing. */
  readonly folder: string
  readonly include: readonly string[]
  readonly overwrite: boolean
  readonly serve: boolean
  readonly rename?: boolean
}

export interface CopyRequest extends CopyOptions {
  readonly content: ContentId
  /** Give other names to what the file system cannot hold. */
  readonly rename: boolean
}

export type { ReadResult, SharedLeafHashes, ScannedContent }

export class ContentStore {
  /** For readers on this machine. */
  readonly reads: Reads
  /** For whoever watches that complete contents can still be served. */
  readonly inspection: Inspection
  private readonly home: string
  private readonly catalogue: Catalogue
  private readonly manifests: Manifests
  private readonly lineages: Lineages
  private readonly cache: ContentCache
  private readonly locks = new ContentLocks()
  private readonly preparing = new Map<ContentId, AbortController>()
  private readonly problems = new LruMap<ContentId, ShoalError>(PROBLEMS_MAX)
  private readonly watchers = new Set<(content: ContentId) => void>()

  private constructor(options: StoreOptions) {
    this.home = options.home
    this.catalogue = new Catalogue(options.db)
    this.manifests = new Manifests(join(options.home, 'manifests'))
    this.lineages = new Lineages(options.db, options.publisher)
    const { home, shared } = options
    const { catalogue, manifests, lineages } = this
    this.cache = new ContentCache({ home, shared, catalogue, manifests, lineages })
    this.inspection = new Inspection({ catalogue, cache: this.cache, removals: this.locks })
    this.reads = new Reads({
      ...{ catalogue, manifests, cache: this.cache },
      read: (content, range, into) => this.read(content, range, into),
      leafHashes: (content, piece) => this.leafHashesToSend(content, piece)
    })
  }

  /** Throws the system's error when the home cannot be written. */
  static async open(options: StoreOptions): Promise<ContentStore> {
    for (const name of ['manifests', 'leaves'])
      await fs.mkdir(join(options.home, name), { recursive: true, mode: 0o700 })
    await syncFolder(options.home)
    return new ContentStore(options)
  }

  holdings(): Holding[] {
    return this.catalogue.all()
  }

  holding(content: ContentId): Holding | undefined {
    return this.catalogue.get(content)
  }

  /** It stands in no index and no listing of others; whoever knows its ID may have it. */
  isUnlisted(content: ContentId): boolean {
    return this.catalogue.isUnlisted(content)
  }

  /** Also before there is anything of the content here. Durable when it returns. Throws ShoalError 'disk-full' or 'internal'. */
  async setUnlisted(content: ContentId, unlisted: boolean): Promise<void> {
    // What it replaced was unlisted too: those IDs are not told to everybody.
    if (!unlisted && this.isUnlisted(content)) await this.lineages.delete(content)
    await this.catalogue.setUnlisted(content, unlisted)
    this.changed(content)
  }

  /**
   * Hears of each content that came, went, was completed, or was listed otherwise, once that is durable, and of one that is refused,
   * until the returned function is called.
   */
  watch(watcher: (content: ContentId) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  private changed(content: ContentId): void {
    for (const watcher of this.watchers) watcher(content)
  }

  /** Where the content's file or folder stands; of a download without a manifest, the folder it will stand in. */
  pathOf(content: ContentId): string | undefined {
    const holding = this.catalogue.get(content)
    return holding === undefined ? undefined : join(holding.root, ...holding.top)
  }

  /** What went wrong last with this content, until it is prepared or finished without. */
  problem(content: ContentId): ShoalError | undefined {
    return this.problems.get(content)
  }

  /** This content can never be fetched: its own manifest is refused. `problem` says so until it is removed; watchers hear of it. */
  refused(content: ContentId, why: ShoalError): void {
    this.problems.set(content, why)
    this.changed(content)
  }

  manifest(content: ContentId): Promise<Held | undefined> {
    return this.manifests.get(content)
  }

  /** The signed claim which contents it replaces, to be sent with its manifest; empty when there is none. */
  lineage(content: ContentId): Uint8Array {
    return this.lineages.encoded(content)
  }

  /**
   * Checks and keeps it; durable when it returns. `unlisted` and `lineage` are what its giver says of it: a claim that is not
   * signed by its publisher is ignored. Throws ShoalError 'integrity' or 'bad-input', or the system's error.
   */
  async putManifest(
    content: ContentId,
    info: Uint8Array,
    layers: Uint8Array,
    { unlisted = false, lineage }: { unlisted?: boolean; lineage?: Uint8Array } = {}
  ): Promise<Held> {
    const held = await checkManifest(content, info, layers)
    await this.locks.work(content, async () => {
      // Before the manifest: what has one, and is not unlisted, is indexed.
      if (unlisted) await this.catalogue.setUnlisted(content, true)
      if (lineage !== undefined) await this.lineages.accept(content, lineage)
      await this.manifests.put(held)
    })
    this.changed(content)
    return held
  }

  /**
   * Records where it goes, in place of what was recorded before. Waits for the work on this content, so that none of it records its
   * own end later: whoever writes has been stopped before. Throws ShoalError: as refuseOtherPlace; 'disk-full'; 'timeout'.
   */
  async addDownload(options: DownloadOptions): Promise<void> {
    await this.locks.remove(options.content, () => this.noteDownload(options))
    this.changed(options.content)
  }

  private async noteDownload(options: DownloadOptions): Promise<void> {
    const { content, include, overwrite, serve, rename = false } = options
    this.refuseOtherPlace(options)
    const known = this.catalogue.get(content)
    await this.catalogue.set({
      ...{ kind: 'download', content, root: resolve(options.folder), complete: false },
      ...{ top: known?.top ?? [], begun: known?.begun ?? false },
      ...{ include: [...include], overwrite, serve, rename }
    })
  }

  /** Throws ShoalError 'conflict' when the content is here already, or is being fetched to another folder. */
  refuseOtherPlace({ content, folder }: Pick<DownloadOptions, 'content' | 'folder'>): void {
    const known = this.catalogue.get(content)
    if (known === undefined || (known.kind === 'download' && known.root === resolve(folder))) return
    const path = expectDefined(this.pathOf(content), 'what is known has a path')
    throw new ShoalError('conflict', `${content} ${known.complete ? 'is here already' : 'is on its way'}: ${path}`, {
      hint: `copy it from there, or \`shoal rm ${content}\` first`
    })
  }

  /**
   * Copies a complete content to another folder; the copy is not recorded (copy.ts). Returns its path too. Throws as copyContent,
   * and ShoalError for what the system refuses.
   */
  async copyTo(folder: string, options: CopyRequest): Promise<Copied & { path: string }> {
    const { content } = options
    const root = resolve(folder)
    try {
      return await this.locks.work(content, () => this.copyNow(root, options))
    } catch (error) {
      if (options.signal.aborted) throw error
      throw problemOf(error, root)
    }
  }

  private async copyNow(root: string, options: CopyRequest): Promise<Copied & { path: string }> {
    const source = await this.cache.opened(options.content)
    if (source === undefined) throw new ShoalError('not-found', `${options.content} is not complete on this machine`)
    await makeFolders(root)
    const { target, naming } = await this.cache.place(root, source.held, options.rename)
    try {
      const copied = await copyContent({ source, target, naming }, options)
      return { ...copied, path: join(root, source.manifest.name) }
    } finally {
      target.close()
    }
  }

  /** Keeps the manifest of a .torrent file: all of its layers are there and right. Durable when it returns. */
  async keepManifest(torrent: Pick<ScannedContent, 'manifest' | 'pieceLayers'>): Promise<void> {
    const { contentId } = torrent.manifest
    await this.locks.work(contentId, () => this.manifests.put(heldOf(torrent)))
    this.changed(contentId)
  }

  /**
   * Records what was recorded before a download that failed: it was complete, and is held as before. The monitor of shares finds
   * what of it is still right on disk. Waits for the work on this content, as addDownload. Durable when it returns. Throws
   * ShoalError 'disk-full' or 'internal'.
   */
  async putBack(before: Holding): Promise<void> {
    this.close(before.content)
    await this.locks.remove(before.content, () => this.catalogue.set(before))
    this.problems.delete(before.content)
    this.changed(before.content)
  }

  /** Takes what io/share found as shared. `path` is the file or folder itself. Durable when it returns. */
  async adopt(path: string, scanned: ScannedContent): Promise<void> {
    const { contentId } = scanned.manifest
    await this.locks.work(contentId, () => this.noteShare(path, scanned))
    this.changed(contentId)
  }

  private async noteShare(path: string, scanned: ScannedContent): Promise<void> {
    const { manifest } = scanned
    const content = manifest.contentId
    const known = this.catalogue.get(content)
    if (known !== undefined && known.kind === 'download' && !known.complete) {
      throw new ShoalError('conflict', `${content} is being fetched to ${this.pathOf(content) ?? ''}`, {
        hint: 'wait for it, or remove it first'
      })
    }
    await this.lineages.publish(content, this.sharedBefore(path, content))
    await this.manifests.put(heldOf(scanned))
    await seenOfScanned(scanned).save(this.cache.seenPath(content))
    this.cache.forget(content)
    const where = manifest.singleFile ? { root: dirname(path), top: [basename(path)] } : { root: path, top: [] }
    await this.catalogue.set({
      ...{ kind: 'share', content, ...where, begun: false, complete: true },
      ...{ include: [], overwrite: false, serve: true, rename: false }
    })
  }

  /** What was shared from this path until now. Unlisted contents are not named by a listed one. */
  private sharedBefore(path: string, content: ContentId): ContentId[] {
    const isHidden = (one: ContentId): boolean => this.isUnlisted(one) && !this.isUnlisted(content)
    return this.catalogue
      .all()
      .filter(old => old.kind === 'share' && old.content !== content && this.pathOf(old.content) === path)
      .map(old => old.content)
      .filter(old => !isHidden(old))
  }

  /** See the contract of the exchange. 'no-manifest' when it is not kept here, or damaged. */
  async prepare(content: ContentId, synced: Bitfield | undefined): Promise<Result> {
    const stop = new AbortController()
    this.preparing.get(content)?.abort(new Error('prepared anew'))
    this.preparing.set(content, stop)
    try {
      return await this.locks.work(content, async () => {
        const result = await this.attempt(content, () => this.prepareNow(content, synced, stop.signal), stop.signal)
        if (result.ok) this.problems.delete(content)
        return result.ok && result.value === undefined ? { ok: false, reason: 'no-manifest' } : result
      })
    } finally {
      if (this.preparing.get(content) === stop) this.preparing.delete(content)
    }
  }

  /** Undefined when the manifest is not kept here, or damaged. */
  private async prepareNow(
    content: ContentId,
    synced: Bitfield | undefined,
    signal: AbortSignal
  ): Promise<Prepared | undefined> {
    signal.throwIfAborted()
    const held = await this.manifests.get(content)
    if (held === undefined) return undefined
    const known = this.catalogue.get(content)
    if (known === undefined) throw new ShoalError('not-found', `${content} is not known here`)
    this.cache.forget(content)
    const begun = known.begun
    const holding = known.kind === 'download' ? await this.begin(known, held.manifest, signal) : known
    const opened = await this.cache.build(holding, held)
    try {
      const previous = (): Promise<Map<string, Seen>> => this.cache.replaceableBy(holding)
      const prepared = await prepare(opened, { synced, begun, previous, signal })
      if (!opened.placed.empty) await opened.seen.save(this.cache.seenPath(content))
      if (prepared.have.count < prepared.layout.leaves) await mustBeWritable(holding)
      signal.throwIfAborted()
      opened.arrivals = new Arrivals(prepared.have.clone())
      this.cache.keep(opened)
      return prepared
    } catch (error) {
      opened.close()
      throw error
    }
  }

  /** Makes the target and notes that its unfinished files are ours from now on. */
  private async begin(known: Holding, manifest: Manifest, signal: AbortSignal): Promise<Holding> {
    const holding = { ...known, top: [manifest.name], begun: true }
    const other = this.catalogue
      .all()
      .find(one => one.content !== known.content && one.begun && !one.complete && samePlace(one, holding))
    if (other !== undefined) {
      throw new ShoalError('conflict', `another content is being fetched to ${join(holding.root, manifest.name)}`, {
        hint: `wait for it, choose another folder with -o, or \`shoal rm ${other.content}\` first`
      })
    }
    await makeFolders(holding.root)
    // What was removed meanwhile must not come back.
    signal.throwIfAborted()
    if (!known.begun) await this.catalogue.set(holding)
    return holding
  }

  async sync(content: ContentId): Promise<Result> {
    return this.locks.work(content, async () =>
      diskOnly(await this.attempt(content, async () => this.cache.prepared(content)?.sync()))
    )
  }

  async finish(content: ContentId): Promise<Result> {
    const result = await this.locks.work(content, () => this.attempt(content, () => this.finishNow(content)))
    this.changed(content)
    if (result.ok) this.problems.delete(content)
    return result
  }

  private async finishNow(content: ContentId): Promise<void> {
    const opened = this.cache.prepared(content)
    const known = this.catalogue.get(content)
    if (opened === undefined || known === undefined)
      throw new ShoalError('internal', `${content} is finished before it is prepared`)
    await finish(opened, { previous: () => this.cache.replaceableBy(opened.holding) })
    await opened.seen.save(this.cache.seenPath(content))
    await fs.rm(this.cache.recordsPath(content), { force: true })
    await this.catalogue.set({ ...known, complete: true })
    this.cache.settle(content)
  }

  /** Closes the files. They open again when somebody reads. */
  close(content: ContentId): void {
    this.preparing.get(content)?.abort(new Error('closed'))
    this.cache.forget(content)
  }

  /** Verified leaves, side by side in one piece of a prepared download. */
  async write(content: ContentId, range: Pick<LeafRange, 'piece' | 'leafStart'>, bytes: Uint8Array): Promise<Result> {
    return this.locks.work(content, async () => {
      const opened = this.cache.prepared(content)
      if (opened === undefined) return { ok: false, reason: 'disk' }
      return diskOnly(await this.attempt(content, () => opened.write(range.piece, range.leafStart, bytes)))
    })
  }

  /** Keeps the leaf hashes of a piece, on disk before it answers. 'bad-leaf' when they are not the piece's. */
  async keepLeafHashes(content: ContentId, piece: PieceIndex, hashes: Uint8Array): Promise<Result> {
    return this.locks.work(content, async () => {
      const opened = this.cache.prepared(content)
      if (opened === undefined) return { ok: false, reason: 'disk' }
      if (!opened.held.proves(piece, hashes)) return { ok: false, reason: 'bad-leaf' }
      return diskOnly(await this.attempt(content, () => opened.keepLeafHashes(piece, hashes)))
    })
  }

  /**
   * The leaf hashes that a block of this piece is checked against, and that go with it to others. Right, or undefined. Never
   * rejects.
   */
  async leafHashes(content: ContentId, piece: PieceIndex): Promise<Uint8Array | undefined> {
    return this.unlessFailed(content, async () => {
      const opened = await this.cache.opened(content)
      if (opened === undefined || piece >= opened.manifest.layout.pieces) return undefined
      return (await opened.leafHashes(piece)) ?? (await this.cache.sharedHashes(opened, piece))
    })
  }

  /** As leafHashes; where none are kept they are made again from the bytes on disk. */
  async leafHashesToSend(content: ContentId, piece: PieceIndex): Promise<Uint8Array | undefined> {
    const kept = await this.leafHashes(content, piece)
    return kept ?? this.unlessFailed(content, async () => (await this.cache.opened(content))?.hashPiece(piece))
  }

  /** Undefined, and a problem noted, when the disk or the home fails. */
  private async unlessFailed<T>(content: ContentId, act: () => Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await act()
    } catch (error) {
      this.note(content, error)
      return undefined
    }
  }

  /** Of a download between prepare and close. */
  preparedLayout(content: ContentId): Layout | undefined {
    return this.cache.prepared(content)?.manifest.layout
  }

  /** Of anything that can be read from. Never rejects. */
  async layout(content: ContentId): Promise<Layout | undefined> {
    return this.unlessFailed(content, async () => (await this.cache.opened(content))?.manifest.layout)
  }

  /** Never rejects. Fills `into`, which has the bytes of the range. 'changed' when the file is no longer what was recorded. */
  async read(content: ContentId, range: LeafRange, into: Uint8Array): Promise<ReadResult> {
    try {
      const opened = await this.cache.opened(content)
      if (opened === undefined || !opened.manifest.layout.holds(range)) return { ok: false, reason: 'changed' }
      await opened.read(range.piece, range.leafStart, into)
      return { ok: true }
    } catch (error) {
      this.note(content, error)
      const reason = reasonOf(error)
      return { ok: false, reason: reason === 'conflict' ? 'changed' : reason }
    }
  }

  /**
   * Forgets the content. With `deleteFiles`, files that still look as they were recorded go, unfinished ones too, and the
   * folders that are empty then. What is being done with it ends before. Returns how many files were deleted. Throws the system's
   * error, or ShoalError 'timeout'.
   */
  async remove(content: ContentId, options: { deleteFiles: boolean }): Promise<number> {
    this.close(content)
    return this.locks.remove(content, () => this.removeNow(content, options))
  }

  private async removeNow(content: ContentId, options: { deleteFiles: boolean }): Promise<number> {
    this.close(content)
    const holding = this.catalogue.get(content)
    if (holding === undefined) return 0
    const held = await this.manifests.get(content)
    const isOnDisk = held !== undefined && (holding.begun || holding.complete)
    const deleted =
      isOnDisk && options.deleteFiles
        ? await deleteFiles(await this.cache.build(holding, held), await this.cache.othersBeside(holding))
        : 0
    await this.catalogue.delete(content)
    this.changed(content)
    await this.manifests.remove(content)
    await this.catalogue.setUnlisted(content, false)
    await this.lineages.delete(content)
    const { cache } = this
    for (const path of [cache.seenPath(content), cache.recordsPath(content), cache.leavesPath(content)])
      await fs.rm(path, { force: true })
    this.problems.delete(content)
    return deleted
  }

  /** Waits for nothing: whoever writes has been stopped before. */
  closeAll(): void {
    this.cache.close()
  }

  private note(content: ContentId, error: unknown): void {
    this.problems.set(content, problemOf(error, this.pathOf(content) ?? this.home))
  }

  private async attempt(content: ContentId, act: () => Promise<unknown>, stopped?: AbortSignal): Promise<Result> {
    try {
      const value = await act()
      return value === undefined ? { ok: true } : { ok: true, value }
    } catch (error) {
      if (stopped?.aborted !== true) this.note(content, error)
      return { ok: false, reason: reasonOf(error) }
    }
  }
}

/** Throws the system's error now rather than with the first block. */
async function mustBeWritable(holding: Holding): Promise<void> {
  if (holding.kind === 'share') return
  const top = join(holding.root, ...holding.top)
  const isFolder = await fs
    .stat(top)
    .then(stat => stat.isDirectory())
    .catch(() => false)
  await fs.access(isFolder ? top : holding.root, fs.constants.W_OK | fs.constants.X_OK)
}

/** The exchange knows no conflict while blocks arrive: the error that is kept says which it was. */
function diskOnly(result: Result): Result {
  return result.ok || ARRIVAL_FAILURES.has(result.reason) ? result : { ok: false, reason: 'disk' }
}
