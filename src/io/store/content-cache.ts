/** Contents whose files are at hand: downloads between prepare and close, and complete ones that somebody reads. */
import { join } from 'node:path'
import { LruMap } from '../../base/bounded.ts'
import { expectDefined } from '../../base/assert.ts'
import type { ContentId } from '../../base/ids.ts'
import type { PieceIndex } from '../../wire/bittorrent/layout.ts'
import { rootOf } from '../../wire/bittorrent/metainfo.ts'
import type { Catalogue, Holding } from './catalogue.ts'
import { Content } from './content.ts'
import { OpenFiles } from './files/open-files.ts'
import { LeafFile } from './files/leaf-file.ts'
import type { Held, Manifests } from './manifests.ts'
import { Naming } from './files/names.ts'
import { foldsCase } from './prepare.ts'
import { previous } from './previous.ts'
import { FileStats, type Seen } from './files/stats.ts'

/** Complete contents that are open at once. Downloads under way count beyond it. */
export const CONTENTS_OPEN_MAX = 64

/** Leaf hashes of files that were hashed here: io/share keeps them by root. */
export interface SharedLeafHashes {
  /** Right or undefined. */
  piece(
    root: Uint8Array,
    which: { leafCount: number; leavesPerPiece: number; piece: number; expected: Uint8Array }
  ): Promise<Uint8Array | undefined>
}

export interface ContentCacheParts {
  readonly home: string
  readonly catalogue: Catalogue
  readonly manifests: Manifests
  readonly shared: SharedLeafHashes | undefined
}

export class ContentCache {
  private readonly parts: ContentCacheParts
  private readonly files = new OpenFiles()
  private readonly active = new Map<ContentId, Content>()
  private readonly passive = new LruMap<ContentId, Content>(CONTENTS_OPEN_MAX)
  private readonly opening = new Map<ContentId, Promise<Content | undefined>>()

  constructor(parts: ContentCacheParts) {
    this.parts = parts
  }

  seenPath(content: ContentId): string {
    return join(this.parts.home, 'manifests', `${content}.seen`)
  }

  leavesPath(content: ContentId): string {
    return join(this.parts.home, 'leaves', content)
  }

  /** With what was recorded of its files; nothing is opened yet. Throws ShoalError 'conflict' for names that cannot be. */
  async build(holding: Holding, held: Held): Promise<Content> {
    const { content, rename } = holding
    const { manifest } = held
    const { files } = this
    const download = holding.kind === 'download'
    const naming = new Naming(manifest, { foldsCase: download && (await foldsCase(holding.root)), rename })
    const seen =
      (await FileStats.load(this.seenPath(content), manifest.files.length)) ?? new FileStats(manifest.files.length)
    const leaves = new LeafFile({ path: this.leavesPath(content), key: `${content}/leaves`, held, files })
    return new Content({ holding, held, naming, files, seen, leaves: download ? leaves : undefined })
  }

  prepared(content: ContentId): Content | undefined {
    return this.active.get(content)
  }

  /** A download that was prepared, until it is forgotten. */
  keep(opened: Content): void {
    const { contentId } = opened.manifest
    this.forget(contentId)
    this.active.set(contentId, opened)
  }

  /** Undefined for what is neither prepared nor complete. */
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
    const holding = this.parts.catalogue.get(content)
    const held = await this.parts.manifests.get(content)
    if (holding === undefined || held === undefined || !holding.complete) return undefined
    const opened = await this.build(holding, held)
    held.manifest.files.forEach((_, file) => {
      if (opened.seen.get(file) !== undefined) opened.placed.add(file)
    })
    this.passive.set(content, opened)?.value.close()
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

  previousOf(holding: Holding): Promise<Map<string, Seen>> {
    const { catalogue, manifests } = this.parts
    return previous(holding, { catalogue, manifests, seenPath: content => this.seenPath(content) })
  }

  /** What io/share keeps of a piece's file. */
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
