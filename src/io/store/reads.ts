/**
 * Reads for local readers of a file, also during its download. Every leaf is verified before it is returned, so bytes
 * that another program wrote into the file are never returned as the content.
 *
 * Non-goals: fetching missing leaves (the reader requests them from core/exchange), deadlines.
 */
import { hash } from 'node:crypto'
import type { ContentId } from '../../base/ids.ts'
import { LEAF_BYTES, type LeafRange } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { pathOf } from '../../wire/bittorrent/metainfo.ts'
import type { Catalogue } from './catalogue.ts'
import type { ReadResult } from './failures.ts'
import { compileGlobs } from './files/glob.ts'
import type { Manifests } from './manifests.ts'
import type { ContentCache } from './content-cache.ts'

export type FileState =
  /** The whole file is on disk. */
  | 'here'
  /** Its download is not complete yet. */
  | 'arriving'
  /** The globs of its download do not match it. */
  | 'excluded'
  /** It is not held, or the file on disk does not match its record any more. */
  | 'absent'

export interface ReadsParts {
  readonly catalogue: Catalogue
  readonly manifests: Manifests
  readonly cache: ContentCache
  /** The store's methods, as for uploads. */
  readonly read: (content: ContentId, range: LeafRange, into: Uint8Array) => Promise<ReadResult>
  readonly leafHashes: (content: ContentId, piece: LeafRange['piece']) => Promise<Uint8Array | undefined>
}

export class Reads {
  private readonly parts: ReadsParts

  constructor(parts: ReadsParts) {
    this.parts = parts
  }

  /** `file` is the file's number in the manifest. Never rejects: a file that cannot be inspected is absent. */
  state(content: ContentId, file: number): Promise<FileState> {
    return this.look(content, file).catch((): FileState => 'absent')
  }

  private async look(content: ContentId, file: number): Promise<FileState> {
    const { catalogue, manifests, cache } = this.parts
    const holding = catalogue.get(content)
    if (holding === undefined) return 'absent'
    const held = await manifests.get(content)
    // A download that was started anew has no manifest yet.
    if (held === undefined && !holding.complete) return 'arriving'
    const entry = held?.manifest.files[file]
    if (entry === undefined) return 'absent'
    const opened = await cache.opened(content)
    if (opened?.placed.has(file) === true) return 'here'
    if (!compileGlobs(holding.include)(pathOf(entry))) return 'excluded'
    if (!holding.complete) return 'arriving'
    return entry.lengthBytes === 0 ? 'here' : 'absent'
  }

  /** The number of leading leaves of the range that can be read now. Never rejects. */
  async here(content: ContentId, range: LeafRange): Promise<number> {
    const opened = await this.parts.cache.opened(content).catch(() => undefined)
    if (opened === undefined) return 0
    const { layout } = opened.manifest
    if (opened.placed.has(layout.fileOf(range.piece))) return range.leafCount
    const first = layout.firstLeafOf(range.piece) + range.leafStart
    let count = 0
    while (count < range.leafCount && opened.arrivals?.has(first + count) === true) count++
    return count
  }

  /**
   * Resolves when the leaf arrives, its content is prepared, prepared again or closed, or the signal aborts. Check
   * `here` again.
   */
  async arrival(content: ContentId, leaf: Pick<LeafRange, 'piece' | 'leafStart'>, signal: AbortSignal): Promise<void> {
    const { cache } = this.parts
    const opened = cache.prepared(content)
    // No leaf arrives before the content is prepared.
    if (opened?.arrivals === undefined) await cache.whenPrepared(content, signal)
    else await opened.arrivals.wait(opened.manifest.layout.firstLeafOf(leaf.piece) + leaf.leafStart, signal)
  }

  /** Fills `into`, which has the length of the range. 'changed' when the bytes on disk are wrong. */
  async read(content: ContentId, range: LeafRange, into: Uint8Array): Promise<ReadResult> {
    const hashes = await this.parts.leafHashes(content, range.piece)
    if (hashes === undefined) return { ok: false, reason: 'changed' }
    const result = await this.parts.read(content, range, into)
    if (!result.ok) return result
    for (let leaf = 0; leaf < range.leafCount; leaf++) {
      const bytes = into.subarray(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES)
      const at = (range.leafStart + leaf) * HASH_BYTES
      if (hash('sha256', bytes, 'buffer').compare(hashes, at, at + HASH_BYTES) !== 0)
        return { ok: false, reason: 'changed' }
    }
    return { ok: true }
  }
}
