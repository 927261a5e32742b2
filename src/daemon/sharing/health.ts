/**
 * What is known to be wrong with the files of one complete content, and which pieces can be served because of it. Pure:
 * it is told how files look (io/store/inspection.ts) and answers what to withdraw and what to restore.
 *
 *   sound                    as recorded, or verified since
 *   verifying                same size, other mtime or inode: served, each leaf is checked when sent; it is read through
 *   missing, changed, wrong  faults; a `wrong` file was read, has its size and some wrong pieces: the others are served
 *
 * A content that is away as a whole (its folder is gone or empty) has no state of single files: when it is back every
 * file counts as missing until it was looked at.
 */
import type { PieceIndex } from '../../wire/bittorrent/layout.ts'
import type { FileLook } from '../../io/store/inspection.ts'
import { sameSeen, type Seen } from '../../io/store/files/stats.ts'

/** Pieces of a file: from `first` up to `end`, which is not one of them. */
export interface FilePieces {
  readonly first: number
  readonly end: number
}

export type Fault =
  | { readonly kind: 'missing' }
  | { readonly kind: 'changed' }
  /** `seen`: how the file looked when these pieces were read. */
  | { readonly kind: 'wrong'; readonly seen: Seen; readonly pieces: readonly PieceIndex[]; readonly readAtMs: number }

export interface Verifying {
  readonly seen: Seen
  /** The next piece to read. */
  readonly next: PieceIndex
  readonly wrong: readonly PieceIndex[]
}

/** What changes for others. */
export interface Change {
  readonly withdraw: readonly PieceIndex[]
  readonly restore: readonly PieceIndex[]
  /** The state of the file is another one now: its neighbours may have changed too. */
  readonly isNews: boolean
}

const NOTHING: Change = { withdraw: [], restore: [], isNews: false }

export class ShareHealth {
  isAway = false
  /** By file. The order is that in which they are looked at again. */
  readonly faults = new Map<number, Fault>()
  readonly verifying = new Map<number, Verifying>()

  get isSound(): boolean {
    return !this.isAway && this.faults.size === 0
  }

  /** `missing` when any file is missing. */
  get state(): 'sound' | 'changed' | 'missing' {
    if (this.isSound) return 'sound'
    if (this.isAway) return 'missing'
    for (const { kind } of this.faults.values()) if (kind === 'missing') return 'missing'
    return 'changed'
  }

  /** The folder is gone: nothing of the content can be served. */
  away(): void {
    this.isAway = true
    this.faults.clear()
    this.verifying.clear()
  }

  /** The folder is there again: each of its files is to be looked at. */
  back(files: number): void {
    this.isAway = false
    for (let file = 0; file < files; file++) this.faults.set(file, { kind: 'missing' })
  }

  /** The file was looked at. `look` is undefined for a file that is not held. */
  looked(file: number, look: FileLook | undefined, pieces: FilePieces): Change {
    const fault = this.faults.get(file)
    // To the end of the order, whatever comes of it.
    if (fault !== undefined && this.faults.delete(file)) this.faults.set(file, fault)
    if (look === undefined || look.kind === 'same') return this.lookedSame(file, look?.seen, pieces)
    if (look.kind === 'touched') return this.touched(file, look.seen, pieces)
    this.verifying.delete(file)
    this.faults.set(file, { kind: look.kind })
    return { withdraw: all(pieces), restore: [], isNews: fault?.kind !== look.kind }
  }

  private lookedSame(file: number, seen: Seen | undefined, pieces: FilePieces): Change {
    const fault = this.faults.get(file)
    this.verifying.delete(file)
    // It was read at this very stat, and was wrong: a disk that fails.
    if (fault === undefined || (fault.kind === 'wrong' && sameSeen(fault.seen, seen))) return NOTHING
    this.faults.delete(file)
    return { withdraw: [], restore: all(pieces), isNews: true }
  }

  private touched(file: number, seen: Seen, pieces: FilePieces): Change {
    const fault = this.faults.get(file)
    const known = fault?.kind === 'wrong' ? fault.seen : undefined
    if (sameSeen(known, seen) || sameSeen(this.verifying.get(file)?.seen, seen)) return NOTHING
    this.verifying.set(file, { seen, next: pieces.first as PieceIndex, wrong: [] })
    // What was wrong before stays withdrawn until it was read again.
    if (fault === undefined || fault.kind === 'wrong') return NOTHING
    this.faults.delete(file)
    return { withdraw: [], restore: all(pieces), isNews: true }
  }

  /** Further pieces of a file were read. `isDone`: the file is verified now and has no wrong piece. */
  read(
    file: number,
    { next, wrong }: { next: PieceIndex; wrong: readonly PieceIndex[] },
    pieces: FilePieces,
    nowMs: number
  ): Change & { isDone: boolean } {
    const verifying = this.verifying.get(file)
    if (verifying === undefined) return { ...NOTHING, isDone: false }
    const found = [...verifying.wrong, ...wrong]
    const { seen } = verifying
    if (found.length > 0) this.faults.set(file, { kind: 'wrong', seen, pieces: found, readAtMs: nowMs })
    if (next < pieces.end) {
      this.verifying.set(file, { seen, next, wrong: found })
      return { withdraw: wrong, restore: [], isNews: false, isDone: false }
    }
    this.verifying.delete(file)
    const isDone = found.length === 0
    if (isDone) this.faults.delete(file)
    const bad = new Set(found)
    return { withdraw: found, restore: all(pieces).filter(piece => !bad.has(piece)), isNews: false, isDone }
  }

  /** Single pieces of a file that looks like `seen` were read, because a read of them had failed before. */
  probed(
    file: number,
    seen: Seen,
    { right, wrong }: { right: readonly PieceIndex[]; wrong: readonly PieceIndex[] },
    nowMs: number
  ): Change {
    const fault = this.faults.get(file)
    const before = fault?.kind === 'wrong' ? fault.pieces : []
    const good = new Set(right)
    const pieces = [...new Set([...before, ...wrong])].filter(piece => !good.has(piece))
    if (pieces.length === 0) this.faults.delete(file)
    else this.faults.set(file, { kind: 'wrong', seen, pieces, readAtMs: nowMs })
    return { withdraw: wrong, restore: right, isNews: false }
  }
}

function all({ first, end }: FilePieces): PieceIndex[] {
  return Array.from({ length: end - first }, (_, i) => (first + i) as PieceIndex)
}
