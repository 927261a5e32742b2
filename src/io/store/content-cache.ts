/**
 * Open contents: downloads from `prepare` until they are finished or closed, and complete contents that are being read.
 * Their descriptors are in one cache (files/open-files.ts), which closes unused ones.
 */
import { join } from 'node:path'
import { LruMap } from '../../base/bounded.ts'
import { expectDefined } from '../../base/assert.ts'
import type { ContentId } from '../../base/ids.ts'
import type { PieceIndex } from '../../wire/bittorrent/layout.ts'
import { rootOf } from '../../wire/bittorrent/metainfo.ts'
import type { Catalogue, Holding } from './catalogue.ts'
import { errno, SafeDir } from './files/safe-dir.ts'
import { Content, MISSING } from './content.ts'
import { ChangedError } from './failures.ts'
import { OpenFiles } from './files/open-files.ts'
import { LeafFile } from './files/leaf-file.ts'
import type { Held, Manifests } from './manifests.ts'
import { Naming } from './files/names.ts'
import { foldsCase } from './prepare.ts'
import { filesAtPlace, type PlaceParts } from './previous.ts'
import type { Lineages } from './lineages.ts'
import { PartRecords } from './files/part-records.ts'
import { FileStats, type Seen } from './files/stats.ts'

/** Complete contents in the cache. Active downloads do not count. */
export const CONTENTS_OPEN_MAX = 64

/** Leaf hashes of files that this node hashed: io/share stores them by root. */
export interface SharedLeafHashes {
  /** The leaf hashes of a piece, verified against `expected`, or undefined. */
  piece(
    root: Uint8Array,
    which: { leafCount: number; leavesPerPiece: number; piece: number; expected: Uint8Array }
  ): Promise<Uint8Array | undefined>
}

export interface ContentCacheParts {
  readonly home: string
  readonly catalogue: Catalogue
  readonly manifests: Manifests
  readonly lineages: Lineages
  readonly shared: SharedLeafHashes | undefined
}

export class ContentCache {
  private readonly parts: ContentCacheParts
  private readonly files = new OpenFiles()
  private readonly active = new Map<ContentId, Content>()
  private readonly passive = new LruMap<ContentId, Content>(CONTENTS_OPEN_MAX)
  private readonly opening = new Map<ContentId, Promise<Content | undefined>>()
  private built = 0
  /** Who waits for a content to be prepared. */
  private readonly awaited = new Map<ContentId, Set<() => void>>()

  constructor(parts: ContentCacheParts) {
    this.parts = parts
  }

  seenPath(content: ContentId): string {
    return join(this.parts.home, 'manifests', `${content}.seen`)
  }

  recordsPath(content: ContentId): string {
    return join(this.parts.home, 'manifests', `${content}.parts`)
  }

  leavesPath(content: ContentId): string {
    return join(this.parts.home, 'leaves', content)
  }

  /**
   * Builds a content with the records of its files, and opens no file of the target. Throws ShoalError 'conflict' when
   * two files would have one name, ChangedError when the target of a complete download does not exist, or the system's
   * error.
   */
  async build(holding: Holding, held: Held): Promise<Content> {
    const { content, rename } = holding
    const { manifest } = held
    const { files } = this
    const isDownload = holding.kind === 'download'
    const naming = new Naming(manifest, { foldsCase: isDownload && (await this.foldsCase(holding)), rename })
    const count = manifest.files.length
    const seen = (await FileStats.load(this.seenPath(content), count)) ?? new FileStats(count)
    const records = await PartRecords.load(this.recordsPath(content), count)
    const keyPrefix = `${content}/${++this.built}/`
    const leaves = new LeafFile({ path: this.leavesPath(content), key: `${keyPrefix}leaves`, held, files })
    const opened: Content = new Content({
      ...{ holding, held, naming, files, keyPrefix, seen, records },
      leaves: isDownload ? leaves : undefined,
      shared: piece => this.sharedHashes(opened, piece)
    })
    return opened
  }

  private async foldsCase(holding: Holding): Promise<boolean> {
    try {
      return await foldsCase(holding.root)
    } catch (error) {
      if (holding.complete && MISSING.has(errno(error) ?? ''))
        throw new ChangedError(`${holding.root} does not exist any more`, { cause: error })
      throw error
    }
  }

  /** Naming and target folder for a copy of the content. Throws as build. The caller closes `target`. */
  async place(root: string, held: Held, rename: boolean): Promise<{ target: SafeDir; naming: Naming }> {
    const naming = new Naming(held.manifest, { foldsCase: await foldsCase(root), rename })
    return { target: new SafeDir(root, this.files, `${held.manifest.contentId}/${++this.built}/`), naming }
  }

  /** A prepared download; undefined when the content is none. */
  prepared(content: ContentId): Content | undefined {
    return this.active.get(content)
  }

  /** Adds a prepared download. It stays until `settle` or `forget`. */
  keep(opened: Content): void {
    const { contentId } = opened.manifest
    this.forget(contentId)
    this.active.set(contentId, opened)
    const waiting = this.awaited.get(contentId)
    this.awaited.delete(contentId)
    for (const resolve of waiting ?? []) resolve()
  }

  /** Resolves when a download of this content is prepared, or the signal aborts. */
  whenPrepared(content: ContentId, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (this.active.has(content) || signal.aborted) {
        resolve()
        return
      }
      const waiting = this.awaited.get(content) ?? new Set()
      this.awaited.set(content, waiting)
      const end = (): void => {
        waiting.delete(end)
        if (waiting.size === 0 && this.awaited.get(content) === waiting) this.awaited.delete(content)
        signal.removeEventListener('abort', end)
        resolve()
      }
      waiting.add(end)
      signal.addEventListener('abort', end)
    })
  }

  /** Moves a finished download to the complete contents, and closes its descriptors. */
  settle(content: ContentId): void {
    const opened = this.active.get(content)
    if (opened === undefined) return
    opened.close()
    this.active.delete(content)
    this.passive.set(content, opened)?.value.close()
  }

  /** The content, opened if necessary; undefined when it is neither prepared nor complete. Throws as build. */
  opened(content: ContentId): Promise<Content | undefined> {
    const known = this.active.get(content) ?? this.passive.touch(content)
    if (known !== undefined) return Promise.resolve(known)
    let opening = this.opening.get(content)
    if (opening === undefined) {
      opening = this.openComplete(content).finally(() => this.opening.delete(content))
      this.opening.set(content, opening)
    }
    return opening
  }

  private async openComplete(content: ContentId): Promise<Content | undefined> {
    const opened = await this.buildComplete(content)
    if (opened !== undefined) this.passive.set(content, opened)?.value.close()
    return opened
  }

  /** A prepared or complete content for a short inspection: the cached one, else one that is not added to the cache. */
  async glance(content: ContentId): Promise<Content | undefined> {
    return this.active.get(content) ?? this.passive.get(content) ?? (await this.buildComplete(content))
  }

  private async buildComplete(content: ContentId): Promise<Content | undefined> {
    const holding = this.parts.catalogue.get(content)
    const held = await this.parts.manifests.get(content)
    if (holding === undefined || held === undefined || !holding.complete) return undefined
    const opened = await this.build(holding, held)
    held.manifest.files.forEach((_, file) => {
      if (opened.seen.get(file) !== undefined) opened.placed.add(file)
    })
    return opened
  }

  forget(content: ContentId): void {
    this.active.get(content)?.close()
    this.active.delete(content)
    this.passive.get(content)?.close()
    this.passive.delete(content)
  }

  close(): void {
    for (const content of [...this.active.keys(), ...this.passive.keys()]) this.forget(content)
  }

  /** Files that Shoal created for versions which this content replaces. */
  replaceableBy(holding: Holding): Promise<Map<string, Seen>> {
    const { lineages } = this.parts
    return filesAtPlace(holding, this.placeParts, other => lineages.replaces(holding.content, other))
  }

  /** Files that Shoal created for other contents at the same place. */
  othersBeside(holding: Holding): Promise<Map<string, Seen>> {
    return filesAtPlace(holding, this.placeParts, () => true)
  }

  private get placeParts(): PlaceParts {
    const { catalogue, manifests } = this.parts
    return { catalogue, manifests, seenPath: content => this.seenPath(content) }
  }

  /** The leaf hashes of a piece from io/share, if it has them. */
  async sharedHashes(opened: Content, piece: PieceIndex): Promise<Uint8Array | undefined> {
    const { layout, files } = opened.manifest
    const file = layout.fileOf(piece)
    const root = rootOf(opened.manifest, expectDefined(files[file], 'a file of the content'))
    if (this.parts.shared === undefined || root === undefined) return undefined
    const { first, end } = layout.piecesOf(file)
    const { leavesPerPiece } = layout
    const leafCount = (end - first - 1) * leavesPerPiece + layout.leavesOf((end - 1) as PieceIndex)
    const expected = opened.held.pieceHash(piece)
    return this.parts.shared.piece(root, { leafCount, leavesPerPiece, piece: piece - first, expected })
  }
}
