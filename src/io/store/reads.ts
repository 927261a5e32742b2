/**
 * Bytes for somebody on this machine who reads a file, also while it is still being fetched. Every leaf is held against its hash on
 * the way out: what somebody else wrote into an unfinished file, or changed in a shared one, is never given as the content.
 *
 * Non-goals: asking for what is missing (core/exchange hears of it from whoever reads), deadlines.
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
  /** All of it. */
  | 'here'
  /** It is being fetched, or will be when its download goes on. */
  | 'arriving'
  /** Its download leaves it out. */
  | 'excluded'
  /** Not held, or not on disk any more as it was recorded. */
  | 'absent'

export interface ReadsParts {
  readonly catalogue: Catalogue
  readonly manifests: Manifests
  readonly cache: ContentCache
  /** Of the store: as for uploads. */
  readonly read: (content: ContentId, range: LeafRange, into: Uint8Array) => Promise<ReadResult>
  readonly leafHashes: (content: ContentId, piece: LeafRange['piece']) => Promise<Uint8Array | undefined>
}

export class Reads {
  private readonly parts: ReadsParts

  constructor(parts: ReadsParts) {
    this.parts = parts
  }

  /** `file` is the file's number in the manifest. Never rejects: what cannot be looked at is absent. */
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

  /** How many leaves of the range, from its start on, can be read now. Never rejects. */
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
   * Resolves when the leaf may be here, when its content is prepared, prepared anew or closed, or when the signal aborts: look
   * again.
   */
  async arrival(content: ContentId, leaf: Pick<LeafRange, 'piece' | 'leafStart'>, signal: AbortSignal): Promise<void> {
    const { cache } = this.parts
    const opened = cache.prepared(content)
    // Nothing arrives before it is prepared.
    if (opened?.arrivals === undefined) await cache.whenPrepared(content, signal)
    else await opened.arrivals.wait(opened.manifest.layout.firstLeafOf(leaf.piece) + leaf.leafStart, signal)
  }

  /** Fills `into`, which has the bytes of the range. 'changed' when what is on disk is not the content's. */
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
