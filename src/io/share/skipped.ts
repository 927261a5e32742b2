/**
 * What a share leaves out: counts by reason, and the first few paths. Symlinks and special files are never shared. A file or folder
 * that fails is left out too, unless the share is strict: then its error ends the scan.
 */
import { quotedPath } from '../../wire/bittorrent/paths.ts'
import type { EntryError, SkipReason } from './errors.ts'

export interface Skipped {
  readonly symlinks: number
  readonly specials: number
  readonly names: number
  readonly paths: number
  readonly unreadable: number
  readonly failing: number
  readonly changed: number
  readonly vanished: number
  /** The first EXAMPLES_MAX of all, escaped for a terminal. */
  readonly examples: ReadonlyArray<{ readonly path: string; readonly reason: SkipReason }>
}

const EXAMPLES_MAX = 10

export class SkipList {
  /** The first entry that failed. */
  firstError: EntryError | undefined
  private readonly strict: boolean
  private readonly counts: Record<SkipReason, number> = {
    ...{ symlink: 0, special: 0, name: 0, path: 0, unreadable: 0, failing: 0, changed: 0, vanished: 0 }
  }
  private readonly examples: Array<{ path: string; reason: SkipReason }> = []

  constructor({ strict }: { strict: boolean }) {
    this.strict = strict
  }

  /** Something that is never shared. */
  skip(diskPath: string, reason: 'symlink' | 'special'): void {
    this.note(diskPath, reason)
  }

  /** Throws the error when the share is strict. */
  leaveOut(error: EntryError): void {
    if (this.strict) throw error
    this.firstError ??= error
    this.note(error.diskPath, error.reason)
  }

  result(): Skipped {
    const { symlink, special, name, path, ...others } = this.counts
    return { symlinks: symlink, specials: special, names: name, paths: path, ...others, examples: [...this.examples] }
  }

  private note(diskPath: string, reason: SkipReason): void {
    this.counts[reason]++
    if (this.examples.length < EXAMPLES_MAX) this.examples.push({ path: quotedPath(diskPath), reason })
  }
}
