/**
 * Contents that are fetched only because somebody reads them now (`shoal cat`): into a folder of the home, not offered to others, and gone
 * when the last reader has left. What is held or fetched otherwise is read where it is, and never touched here.
 *
 * Whatever a crash left behind goes with the next start. A `get` of the same content takes over: the reader goes on with that one.
 */
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import { compileGlobs, exactGlob } from '../../io/store/files/glob.ts'
import type { ContentStore } from '../../io/store/store.ts'
import { pathOf, type Manifest } from '../../wire/bittorrent/metainfo.ts'
import type { Downloads } from './downloads.ts'

/** Contents at once. */
export const PASSING_MAX = 8
/** Of all of them together, on the disk of the home. */
export const PASSING_BYTES_MAX = 16 * 2 ** 30
const FOLDER = 'passing'

export interface PassingParts {
  /** The home's folder. */
  readonly home: string
  readonly store: ContentStore
  readonly downloads: Downloads
}

interface Passing {
  /** By glob, who reads. */
  readonly readers: Map<string, number>
  bytes: number
}

export class EphemeralDownloads {
  private readonly parts: PassingParts
  private readonly folder: string
  private readonly passing = new Map<ContentId, Passing>()
  /** Folders are made and removed one after the other. */
  private turn: Promise<void> = Promise.resolve()

  constructor(parts: PassingParts) {
    this.parts = parts
    this.folder = path.join(parts.home, FOLDER)
  }

  /** What a crash left behind. Before any download is started again. */
  static async sweep(home: string, store: ContentStore): Promise<void> {
    const folder = path.join(home, FOLDER)
    for (const { content, root } of store.holdings()) {
      if (path.dirname(root) === folder) await store.remove(content, { deleteFiles: true })
    }
    await fs.rm(folder, { recursive: true, force: true })
  }

  has(content: ContentId): boolean {
    return this.passing.has(content)
  }

  /**
   * Fetches a file of a content of which nothing is held otherwise, until the returned function is called. Throws ShoalError 'limit'
   * when it is too much, 'disk-full'.
   */
  async hold(manifest: Manifest, file: number, contacts: readonly Contact[]): Promise<() => Promise<void>> {
    const { contentId: content } = manifest
    const glob = globOf(manifest, file)
    const passing = this.passing.get(content) ?? { readers: new Map<string, number>(), bytes: 0 }
    const isNew = !passing.readers.has(glob)
    const bytes = bytesOf(manifest, [...passing.readers.keys(), glob])
    this.refuseTooMuch(content, bytes)
    this.passing.set(content, passing)
    passing.bytes = bytes
    passing.readers.set(glob, (passing.readers.get(glob) ?? 0) + 1)
    const release = this.releaser(content, passing, glob)
    try {
      await this.inTurn(async () => (isNew ? this.start(content, passing, contacts) : undefined))
    } catch (error) {
      await release()
      throw error
    }
    return release
  }

  /**
   * Somebody wants the content for good. `get` is called with whether it was fetched here; who reads it reads on. Throws what `get`
   * throws.
   */
  async handOver(content: ContentId, get: (discard: boolean) => Promise<void>): Promise<void> {
    if (!this.passing.delete(content)) {
      await get(false)
      return
    }
    await this.inTurn(async () => {
      try {
        await get(true)
      } finally {
        await this.end(content)
      }
    })
  }

  /** Before the node's overlay changes, or it stops. */
  async close(): Promise<void> {
    for (const content of [...this.passing.keys()]) {
      this.passing.delete(content)
      await this.inTurn(() => this.end(content))
    }
    await this.turn
  }

  private refuseTooMuch(content: ContentId, bytes: number): void {
    let others = 0
    for (const [id, one] of this.passing) if (id !== content) others += one.bytes
    const isOneTooMany = !this.passing.has(content) && this.passing.size >= PASSING_MAX
    if (!isOneTooMany && others + bytes <= PASSING_BYTES_MAX) return
    throw new ShoalError(
      'limit',
      `this is too much to fetch in passing: ${PASSING_MAX} contents, ${PASSING_BYTES_MAX} bytes`,
      {
        hint: `fetch it for good, and read it meanwhile: shoal get ${content}`
      }
    )
  }

  private inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.turn.then(act)
    this.turn = turn.catch(() => undefined)
    return turn
  }

  /** Anew with every further file: what is there is kept. */
  private async start(content: ContentId, passing: Passing, contacts: readonly Contact[]): Promise<void> {
    // It may have been taken over meanwhile.
    if (this.passing.get(content) !== passing) return
    const folder = path.join(this.folder, content)
    await this.parts.downloads.get({
      ...{ content, folder, include: [...passing.readers.keys()], overwrite: true },
      ...{ serve: false, rename: true, holders: contacts }
    })
  }

  private releaser(content: ContentId, passing: Passing, glob: string): () => Promise<void> {
    let released = false
    return async () => {
      if (released) return
      released = true
      const left = (passing.readers.get(glob) ?? 1) - 1
      // A file of which another is still read stays until all are.
      passing.readers.set(glob, left)
      if ([...passing.readers.values()].some(count => count > 0) || this.passing.get(content) !== passing) return
      this.passing.delete(content)
      await this.inTurn(() => this.end(content))
    }
  }

  private async end(content: ContentId): Promise<void> {
    const { store, downloads } = this.parts
    // Somebody else reads it already.
    if (this.passing.has(content)) return
    const root = store.holding(content)?.root
    // Its failure is forgotten too: nobody asked to keep it.
    if (root === undefined || path.dirname(root) === this.folder) await downloads.remove(content, { deleteFiles: true })
    await fs.rm(path.join(this.folder, content), { recursive: true, force: true })
  }
}

/** The pattern that matches this file and no other. */
function globOf(manifest: Manifest, file: number): string {
  return exactGlob(pathOf(expectDefined(manifest.files[file], 'a file of the manifest')).join('/'))
}

function bytesOf(manifest: Manifest, globs: readonly string[]): number {
  const test = compileGlobs(globs)
  return manifest.files.reduce((sum, file) => sum + (test(pathOf(file)) ? file.lengthBytes : 0), 0)
}
