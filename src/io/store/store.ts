/**
 * The contents on disk that this node shares and fetches: their places, and whether their bytes are still right.
 *
 * Purpose: the commands of the exchange that use files (`prepare`, `sync`, `finish`, `close`), writes of verified
 * leaves, reads for uploads. Participants: the state database has one record per content (catalogue.ts); in the home,
 * `manifests/ID` has the manifest, `manifests/ID.seen` the size, mtime and inode of every file, `manifests/ID.parts`
 * the records of unfinished files, and `leaves/ID` the leaf hashes of a download. Non-goals: the first hashing of
 * shared files (io/share), verifying received leaves (io/blocks), decisions.
 *
 * The steps of a download: `addDownload` records its target; `putManifest` stores the manifest; `prepare` finds the
 * leaves that exist already; `write` and `sync` store received blocks; `finish` gives the files their final names. A
 * step that fails because of the disk can be called again.
 *
 * Methods that serve a peer never throw: a failing disk, a missing folder or an unreadable home is a result with a
 * reason.
 *
 * A content may be fetched to the place of an older one. It replaces a file of the older content only when the
 * publisher of both has signed that it replaces that content (the publisher shared the same path again after a change;
 * lineages.ts), and only when Shoal created the file and the file still matches its record (size, mtime, inode).
 * Anything else under a name of the content is a conflict, and is replaced only with `--overwrite`. Files that only the
 * older version has are kept.
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

/** The failure reasons that the exchange's contract allows for writes and syncs, besides 'disk'. */
const ARRIVAL_FAILURES: ReadonlySet<string> = new Set(['disk-full', 'lost'])
/** Contents whose last error is kept for `status`. */
const PROBLEMS_MAX = 1_000

export interface StoreOptions {
  /** The home's folder. The store creates `manifests` and `leaves` in it. */
  readonly home: string
  readonly db: StateDb
  readonly shared?: SharedLeafHashes
  /** Signs this node's lineage claims and verifies those of others. The signatures are valid in every overlay. */
  readonly publisher?: Publisher
}

export interface DownloadOptions {
  readonly content: ContentId
  /** The target folder; created when it is missing. */
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
  /** Reads for local readers. */
  readonly reads: Reads
  /** Compares complete contents with their records. */
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

  /** An unlisted content appears in no index and no listing for others. Anyone who knows its ID can fetch it. */
  isUnlisted(content: ContentId): boolean {
    return this.catalogue.isUnlisted(content)
  }

  /** The content need not be held yet. Durable when it resolves. Throws ShoalError 'disk-full' or 'internal'. */
  async setUnlisted(content: ContentId, unlisted: boolean): Promise<void> {
    // The claim names contents that were unlisted too, so it must not become public.
    if (!unlisted && this.isUnlisted(content)) await this.lineages.delete(content)
    await this.catalogue.setUnlisted(content, unlisted)
    this.changed(content)
  }

  /**
   * Calls `watcher` whenever a content was added, removed or completed, or became listed or unlisted, once that is
   * durable, and when its manifest is refused. Returns a function that stops the calls.
   */
  watch(watcher: (content: ContentId) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  private changed(content: ContentId): void {
    for (const watcher of this.watchers) watcher(content)
  }

  /** The path of the content's file or folder; for a download without a manifest, its target folder. */
  pathOf(content: ContentId): string | undefined {
    const holding = this.catalogue.get(content)
    return holding === undefined ? undefined : join(holding.root, ...holding.top)
  }

  /** The last error of this content, until it is prepared or finished without an error. */
  problem(content: ContentId): ShoalError | undefined {
    return this.problems.get(content)
  }

  /**
   * Records that the content cannot be fetched, because its manifest is invalid, and calls the watchers. `problem`
   * returns `why` until removal.
   */
  refused(content: ContentId, why: ShoalError): void {
    this.problems.set(content, why)
    this.changed(content)
  }

  manifest(content: ContentId): Promise<Held | undefined> {
    return this.manifests.get(content)
  }

  /** The signed lineage claim to send with the manifest; empty when there is none. */
  lineage(content: ContentId): Uint8Array {
    return this.lineages.encoded(content)
  }

  /**
   * Verifies and stores a manifest; durable when it resolves. `unlisted` and `lineage` are statements of its sender; a
   * lineage claim with a wrong signature is ignored. Throws ShoalError 'integrity' or 'bad-input', or the system's
   * error.
   */
  async putManifest(
    content: ContentId,
    info: Uint8Array,
    layers: Uint8Array,
    { unlisted = false, lineage }: { unlisted?: boolean; lineage?: Uint8Array } = {}
  ): Promise<Held> {
    const held = await checkManifest(content, info, layers)
    await this.locks.work(content, async () => {
      // Before the manifest: a content with a manifest is indexed unless it is marked as unlisted.
      if (unlisted) await this.catalogue.setUnlisted(content, true)
      if (lineage !== undefined) await this.lineages.accept(content, lineage)
      await this.manifests.put(held)
    })
    this.changed(content)
    return held
  }

  /**
   * Records a download; durable when it resolves. Replaces an earlier record of it. Waits for running work on the
   * content, so that none of it changes the record afterwards: all writers must have been stopped. Throws ShoalError:
   * as refuseOtherPlace; 'disk-full' or 'internal'; 'timeout'.
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

  /** Throws ShoalError 'conflict' when the content is shared, or held or fetched in another folder. */
  refuseOtherPlace({ content, folder }: Pick<DownloadOptions, 'content' | 'folder'>): void {
    const known = this.catalogue.get(content)
    if (known === undefined || (known.kind === 'download' && known.root === resolve(folder))) return
    const path = expectDefined(this.pathOf(content), 'a known content has a path')
    const state = known.complete ? 'is here already' : 'is already being fetched'
    throw new ShoalError('conflict', `${content} ${state}: ${path}`, {
      hint: `copy it from there, or \`shoal rm ${content}\` first`
    })
  }

  /**
   * Copies a complete content to another folder, and returns the path of the copy too. The copy is not recorded
   * (copy.ts). Throws as copyContent, and ShoalError for errors of the system.
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

  /** Stores the manifest of a .torrent file, whose layers must be complete and verified. Durable when it resolves. */
  async keepManifest(torrent: Pick<ScannedContent, 'manifest' | 'pieceLayers'>): Promise<void> {
    const { contentId } = torrent.manifest
    await this.locks.work(contentId, () => this.manifests.put(heldOf(torrent)))
    this.changed(contentId)
  }

  /**
   * Restores the record of a complete download after a second fetch of it failed. Waits for running work, as
   * addDownload. The monitor of shares then finds which of its files are still right. Durable when it resolves. Throws
   * ShoalError 'disk-full', 'internal' or 'timeout'.
   */
  async putBack(before: Holding): Promise<void> {
    this.close(before.content)
    await this.locks.remove(before.content, () => this.catalogue.set(before))
    this.problems.delete(before.content)
    this.changed(before.content)
  }

  /** Records a scanned file or folder as a share. `path` is the file or folder itself. Durable when it resolves. */
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
        hint: 'wait for the download, or remove it first'
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

  /** The contents shared from this path before. A listed content does not name unlisted ones. */
  private sharedBefore(path: string, content: ContentId): ContentId[] {
    const isHidden = (one: ContentId): boolean => this.isUnlisted(one) && !this.isUnlisted(content)
    return this.catalogue
      .all()
      .filter(old => old.kind === 'share' && old.content !== content && this.pathOf(old.content) === path)
      .map(old => old.content)
      .filter(old => !isHidden(old))
  }

  /** See core/exchange/contract.ts. 'no-manifest' when the manifest is missing or damaged. */
  async prepare(content: ContentId, synced: Bitfield | undefined): Promise<Result> {
    const stop = new AbortController()
    this.preparing.get(content)?.abort(new Error('prepared again'))
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

  /** Undefined when the manifest is missing or damaged. */
  private async prepareNow(
    content: ContentId,
    synced: Bitfield | undefined,
    signal: AbortSignal
  ): Promise<Prepared | undefined> {
    signal.throwIfAborted()
    const held = await this.manifests.get(content)
    if (held === undefined) return undefined
    const known = this.catalogue.get(content)
    if (known === undefined) throw new ShoalError('not-found', `this node does not hold or fetch ${content}`)
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

  /** Creates the target folder, and records that its unfinished files are ours from now on. */
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
    // A removal during the call must not be undone.
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
      throw new ShoalError('internal', `${content} was finished without being prepared`)
    await finish(opened, { previous: () => this.cache.replaceableBy(opened.holding) })
    await opened.seen.save(this.cache.seenPath(content))
    await fs.rm(this.cache.recordsPath(content), { force: true })
    await this.catalogue.set({ ...known, complete: true })
    this.cache.settle(content)
  }

  /** Stops a running `prepare` and closes the files. A later read opens them again. */
  close(content: ContentId): void {
    this.preparing.get(content)?.abort(new Error('closed'))
    this.cache.forget(content)
  }

  /** Writes contiguous verified leaves of one piece of a prepared download. */
  async write(content: ContentId, range: Pick<LeafRange, 'piece' | 'leafStart'>, bytes: Uint8Array): Promise<Result> {
    return this.locks.work(content, async () => {
      const opened = this.cache.prepared(content)
      if (opened === undefined) return { ok: false, reason: 'disk' }
      return diskOnly(await this.attempt(content, () => opened.write(range.piece, range.leafStart, bytes)))
    })
  }

  /** Stores the leaf hashes of a piece; they are written when it resolves. 'bad-leaf' when they are wrong. */
  async keepLeafHashes(content: ContentId, piece: PieceIndex, hashes: Uint8Array): Promise<Result> {
    return this.locks.work(content, async () => {
      const opened = this.cache.prepared(content)
      if (opened === undefined) return { ok: false, reason: 'disk' }
      if (!opened.held.proves(piece, hashes)) return { ok: false, reason: 'bad-leaf' }
      return diskOnly(await this.attempt(content, () => opened.keepLeafHashes(piece, hashes)))
    })
  }

  /**
   * The verified leaf hashes of a piece; undefined when they are not stored. Blocks are checked against them. Never
   * rejects.
   */
  async leafHashes(content: ContentId, piece: PieceIndex): Promise<Uint8Array | undefined> {
    return this.unlessFailed(content, async () => {
      const opened = await this.cache.opened(content)
      if (opened === undefined || piece >= opened.manifest.layout.pieces) return undefined
      return (await opened.leafHashes(piece)) ?? (await this.cache.sharedHashes(opened, piece))
    })
  }

  /** As leafHashes, but computes hashes that are not stored from the bytes on disk. */
  async leafHashesToSend(content: ContentId, piece: PieceIndex): Promise<Uint8Array | undefined> {
    const kept = await this.leafHashes(content, piece)
    return kept ?? this.unlessFailed(content, async () => (await this.cache.opened(content))?.hashPiece(piece))
  }

  /** The result of `act`. Returns undefined and records the problem when the disk or the home fails. */
  private async unlessFailed<T>(content: ContentId, act: () => Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await act()
    } catch (error) {
      this.note(content, error)
      return undefined
    }
  }

  /** The layout of a prepared download. */
  preparedLayout(content: ContentId): Layout | undefined {
    return this.cache.prepared(content)?.manifest.layout
  }

  /** The layout of a prepared or complete content. Never rejects. */
  async layout(content: ContentId): Promise<Layout | undefined> {
    return this.unlessFailed(content, async () => (await this.cache.opened(content))?.manifest.layout)
  }

  /** Fills `into`, which has the length of the range. 'changed' when the bytes on disk are wrong. Never rejects. */
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
   * Forgets the content, after running work on it has ended. With `deleteFiles`, deletes its files that still match
   * their record, its unfinished files, and folders that are empty then. Returns the number of deleted files. Throws
   * the system's error, or ShoalError 'timeout'.
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

  /** Closes all files without waiting: all writers must have stopped. */
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

/** Throws the system's error when the target cannot be written, before the first block arrives. */
async function mustBeWritable(holding: Holding): Promise<void> {
  if (holding.kind === 'share') return
  const top = join(holding.root, ...holding.top)
  const isFolder = await fs
    .stat(top)
    .then(stat => stat.isDirectory())
    .catch(() => false)
  await fs.access(isFolder ? top : holding.root, fs.constants.W_OK | fs.constants.X_OK)
}

/** The contract has no 'conflict' for writes and syncs: it becomes 'disk', and `problem` has the original error. */
function diskOnly(result: Result): Result {
  return result.ok || ARRIVAL_FAILURES.has(result.reason) ? result : { ok: false, reason: 'disk' }
}
