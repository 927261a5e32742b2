/**
 * The contents that this node holds or fetches, and their place on disk: one record per content in the state database.
 * Separate keys mark the unlisted contents, which appear in no index and no listing. A content can be marked without
 * being held: its manifest says that it is unlisted.
 */
import type { ContentId } from '../../base/ids.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Result } from '../../core/machine.ts'
import {
  bool,
  contentIdCodec,
  encode,
  list,
  oneOf,
  struct,
  text,
  tryDecode,
  type Decoded
} from '../../wire/codec/codec.ts'
import { FILE_NAME_BYTES_MAX } from '../../wire/bittorrent/paths.ts'
import type { StateDb } from '../state/db.ts'
import { GLOB_BYTES_MAX, GLOBS_MAX } from './files/glob.ts'

const PREFIX = 'store/holding/'
const UNLISTED_PREFIX = 'store/unlisted/'
const UNLISTED = Uint8Array.of(1)
const PATH_BYTES_MAX = 4_096

const holdingCodec = struct({
  /** `share`: files of the user, never written. `download`: files that Shoal creates. */
  kind: oneOf(['share', 'download']),
  content: contentIdCodec,
  /** Absolute path of the folder below which all names are resolved. */
  root: text(PATH_BYTES_MAX),
  /** The content's own name below `root`; empty when `root` itself is the shared folder. */
  top: list(text(FILE_NAME_BYTES_MAX), 1),
  include: list(text(GLOB_BYTES_MAX), GLOBS_MAX),
  overwrite: bool,
  /** False for `--no-share`: it is fetched and never served. */
  serve: bool,
  /** Whether files get another name when the file system cannot hold their own. */
  rename: bool,
  /** Whether unfinished files with this content's names are ours. Set before the first one is created. */
  begun: bool,
  complete: bool
})
export type Holding = Readonly<Decoded<typeof holdingCodec>>

export class Catalogue {
  private readonly db: StateDb
  private readonly holdings = new Map<ContentId, Holding>()
  private readonly unlisted = new Set<ContentId>()

  constructor(db: StateDb) {
    this.db = db
    for (const value of db.scan(PREFIX).values()) {
      const holding = tryDecode(holdingCodec, value)
      if (holding !== undefined) this.holdings.set(holding.content, holding)
    }
    for (const key of db.scan(UNLISTED_PREFIX).keys()) {
      this.unlisted.add(key.slice(UNLISTED_PREFIX.length) as ContentId)
    }
  }

  get(content: ContentId): Holding | undefined {
    return this.holdings.get(content)
  }

  all(): Holding[] {
    return [...this.holdings.values()]
  }

  /** Durable when it resolves; readers see it only then. Throws ShoalError 'disk-full' or 'internal'. */
  async set(holding: Holding): Promise<void> {
    const record = { ...holding, top: [...holding.top], include: [...holding.include] }
    mustBeStored(await this.db.put(PREFIX + holding.content, encode(holdingCodec, record)))
    this.holdings.set(holding.content, holding)
  }

  isUnlisted(content: ContentId): boolean {
    return this.unlisted.has(content)
  }

  /** As set. */
  async setUnlisted(content: ContentId, unlisted: boolean): Promise<void> {
    if (unlisted === this.unlisted.has(content)) return
    mustBeStored(await this.db.put(UNLISTED_PREFIX + content, unlisted ? UNLISTED : undefined))
    if (unlisted) this.unlisted.add(content)
    else this.unlisted.delete(content)
  }

  /** As set. */
  async delete(content: ContentId): Promise<void> {
    mustBeStored(await this.db.put(PREFIX + content, undefined))
    this.holdings.delete(content)
  }
}

/** Throws ShoalError 'disk-full' or 'internal' when the state database failed to store the value. */
export function mustBeStored(result: Result): void {
  if (result.ok) return
  const isFull = result.reason === 'disk-full'
  throw new ShoalError(isFull ? 'disk-full' : 'internal', 'the state database cannot be written', {
    hint: isFull ? 'make room on the disk of the home' : 'check the disk of the home'
  })
}
