/**
 * Why a download stands still when nobody offers what it misses: in words for `status` and `get`, and when it is said to wait for
 * an offer.
 */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Shortage } from '../../core/exchange/contract.ts'
import { pathOf, type Manifest } from '../../wire/bittorrent/metainfo.ts'

/** Files and members that a sentence names; the others are counted. */
const NAMED_MAX = 3
/** A download that stands still for so long, while every source says that it has dropped what is missing, waits for an offer. */
const DROPPED_MS = 3_000
/** A source that does not answer may be starting again. */
const SILENT_MS = 60_000
/** No download is judged before. */
export const JUDGED_AFTER_MS = DROPPED_MS

export interface ShortageOf {
  readonly content: ContentId
  readonly shortage: Shortage
  /** Undefined while it is not here. */
  readonly manifest: Manifest | undefined
  /** Members that held it when the download was asked for. */
  readonly holders: readonly NodeId[]
  readonly nameOf: (id: NodeId) => string
}

/** `waiting for 2.jpg: ant no longer has it`. */
export function shortageText(of: ShortageOf): string {
  return `waiting for ${missingText(of)}: ${whoText(of)}`
}

/** What a download waits for that has received nothing for `stillMs`. Undefined while it may continue by itself. */
export function shortageError(of: ShortageOf, stillMs: number): ShoalError | undefined {
  const { isAsking, withdrawnBy, silent } = of.shortage
  if (isAsking) return undefined
  const isCertain = withdrawnBy.length > 0 && silent.every(id => withdrawnBy.includes(id))
  if (stillMs < (isCertain ? DROPPED_MS : SILENT_MS)) return undefined
  return new ShoalError('not-found', `no member that answers has ${missingText(of)}: ${whoText(of)}`, {
    hint: `the download goes on when somebody offers it again: shoal get ${of.content} --timeout SECONDS waits for that`
  })
}

function missingText({ content, shortage, manifest }: ShortageOf): string {
  if (manifest === undefined || shortage.pieceCount === 0) return `the list of files of ${content}`
  const { layout, files } = manifest
  const numbers = [...new Set(shortage.pieces.map(piece => layout.fileOf(piece)))]
  const names = numbers.map(file => {
    const entry = files[file]
    return entry === undefined ? '' : pathOf(entry).join('/')
  })
  const isCut = shortage.pieces.length < shortage.pieceCount
  return listed(names, isCut ? 'more files' : 'other files')
}

function whoText({ shortage, holders, nameOf }: ShortageOf): string {
  const { withdrawnBy, silent } = shortage
  const dropped = withdrawnBy.map(nameOf)
  if (dropped.length > 0)
    return `${listed(dropped, 'others')} ${dropped.length === 1 ? 'no longer has it' : 'no longer have it'}`
  const gone = [...new Set([...holders, ...silent])].map(nameOf)
  return gone.length > 0
    ? `${listed(gone, 'others')} had it and ${gone.length === 1 ? 'does' : 'do'} not answer`
    : 'no member holds it'
}

function listed(names: readonly string[], others: string): string {
  const shown = names.slice(0, NAMED_MAX).join(', ')
  return names.length > NAMED_MAX ? `${shown} and ${names.length - NAMED_MAX} ${others}` : shown
}
