/**
 * Shares one file or folder: hashes it, records it in the store, offers it to others, and only then removes the version that was
 * shared from this path before. Whatever fails until then leaves the previous share as it was.
 */
import { promises as fs } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import { storeError } from '../../io/share/errors.ts'
import type { FolderLeafStore } from '../../io/share/leaf-store.ts'
import { scan, type Scanned } from '../../io/share/scan.ts'
import type { StateDb } from '../../io/state/db.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { ResultOf } from '../../wire/control/methods.ts'
import { quotedPath } from '../../wire/bittorrent/paths.ts'
import { shareCache } from './share-cache.ts'
import type { ShareRequest, Work } from './share-jobs.ts'

export type SharedRow = ResultOf<'share'>['shares'][number]

export interface PublishParts {
  readonly log: Logger
  readonly db: StateDb
  readonly store: Pick<ContentStore, 'adopt' | 'holdings' | 'holding' | 'isUnlisted' | 'pathOf' | 'setUnlisted'>
  readonly leaves: FolderLeafStore
  /** The folder of the home. */
  readonly home: () => string
  /** Serves and publishes it. */
  readonly offer: (content: ContentId) => Promise<void>
  /** Neither the node nor the store holds it afterwards. Its files stay. */
  readonly remove: (content: ContentId) => Promise<void>
}

/** Throws ShoalError as scan; 'conflict' when the content is being fetched; or the reason of `work.signal`. */
export async function publish(parts: PublishParts, request: ShareRequest, work: Work): Promise<SharedRow> {
  const { target, strict } = request
  if (!path.isAbsolute(target)) throw new ShoalError('usage', `share takes absolute paths, not ${quotedPath(target)}`)
  await refuseHome(parts.home(), target)
  const { store, leaves, db } = parts
  const scanned = await scan(target, {
    ...{ signal: work.signal, leaves, cache: shareCache(db), strict },
    onProgress: ({ files, bytes, bytesTotal }) => {
      work.onProgress({ files, bytes, totalBytes: bytesTotal })
    }
  })
  work.commit()
  const { contentId } = scanned.manifest
  const previous = previousOf(parts, target, contentId)
  const wasUnlisted = previous.some(old => store.isUnlisted(old)) ? true : undefined
  await adopt(parts, { target, scanned, unlisted: request.unlisted ?? wasUnlisted })
  for (const old of previous) await removePrevious(parts, old)
  return rowOf(scanned, store.isUnlisted(contentId))
}

/** The node that gets this home would have the same identity, and the keys of the overlay. */
async function refuseHome(home: string, target: string): Promise<void> {
  const real = (one: string): Promise<string> => fs.realpath(one).catch(() => one)
  const [inner, outer] = await Promise.all([real(home), real(target)])
  if (!holds(outer, inner) && !holds(inner, outer)) return
  throw new ShoalError('bad-input', `cannot share ${target}: this node's home is in it, and its keys would be shared`, {
    hint: `share folders beside ${home}, or keep the home elsewhere: shoal --home DIR`
  })
}

function holds(outer: string, inner: string): boolean {
  const below = path.relative(outer, inner)
  return below !== '..' && !below.startsWith('../')
}

/** What was shared from this path before it changed. */
function previousOf({ store }: PublishParts, target: string, content: ContentId): ContentId[] {
  return store
    .holdings()
    .filter(old => old.kind === 'share' && old.content !== content && store.pathOf(old.content) === target)
    .map(old => old.content)
}

interface Adoption {
  readonly target: string
  readonly scanned: Scanned
  /** Undefined: as it is. */
  readonly unlisted: boolean | undefined
}

async function adopt({ store, offer, home }: PublishParts, { target, scanned, unlisted }: Adoption): Promise<void> {
  const { contentId } = scanned.manifest
  const was = store.isUnlisted(contentId)
  try {
    // First: a content that is held and not unlisted is indexed at once.
    if (unlisted !== undefined) await store.setUnlisted(contentId, unlisted)
    await store.adopt(target, scanned)
  } catch (error) {
    // The error that is thrown matters more than one of this.
    if (store.isUnlisted(contentId) !== was) await store.setUnlisted(contentId, was).catch(() => undefined)
    throw recordError(error, home())
  }
  await offer(contentId)
}

function recordError(cause: unknown, home: string): ShoalError {
  const error = storeError(cause, home)
  if (error instanceof ShoalError) return error
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ShoalError('internal', `cannot record the share in ${quotedPath(home)}: ${why}`, {
    hint: 'look at the disk of the home and the log of the daemon; what was shared before still is',
    cause
  })
}

/** The new version is shared already: a failure here is no failure of the share. Sharing the path again tries again. */
async function removePrevious({ remove, log }: PublishParts, content: ContentId): Promise<void> {
  try {
    await remove(content)
  } catch (err) {
    log.error({ err, content }, 'the previous version of a share could not be removed')
  }
}

function rowOf({ manifest, skipped, filesHashed, filesReused }: Scanned, unlisted: boolean): SharedRow {
  const { contentId, name, layout, files } = manifest
  return {
    ...{ id: contentId, name, bytes: layout.bytes, files: files.length, pieceLengthBytes: layout.pieceLengthBytes },
    ...{ filesHashed, filesReused, skipped: { ...skipped, examples: [...skipped.examples] } },
    ...(unlisted ? { unlisted } : {})
  }
}
