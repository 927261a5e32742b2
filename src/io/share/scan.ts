/**
 * From a path to a content: walk the tree, hash what is new, write the manifest. Nothing here keeps a file's bytes or a large
 * file's leaf hashes in memory: peak memory is some buffers, and some kilobytes a file.
 *
 * The content's ID is libtorrent's for the same tree. Times of change, owners and further permissions are not part of it.
 * A folder that holds nothing but one file of the folder's own name has the same ID as that file alone, and is fetched as the
 * file: BEP 52 cannot tell the two apart.
 */
import { assert } from '../../base/assert.ts'
import { EMPTY_BYTES, equal } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { quotedPath } from '../../wire/bittorrent/paths.ts'
import { changed } from './errors.ts'
import {
  buildInfo,
  parseInfo,
  rootOf,
  sizeProblem,
  type Manifest,
  type TreeNode
} from '../../wire/bittorrent/metainfo.ts'
import { Hashing, type ScanOptions } from './hashing.ts'
import { pieceLengthFor } from './piece-length.ts'
import { walk, type FileStamp, type WalkedEntry, type FoundFile, type Skipped } from './walk.ts'

/** Of the whole: a file that changes is tried again by itself. */
const ATTEMPTS = 2

/** Where a file of the manifest is on the disk, and how to see that it is still the one that was hashed. */
export interface ScannedFile {
  readonly diskPath: string
  readonly stamp: FileStamp
}

export interface Scanned {
  readonly manifest: Manifest
  /** Of the files of more than one piece, by root in hexadecimal. */
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>
  /** As in the manifest. */
  readonly files: readonly ScannedFile[]
  readonly skipped: Skipped
  /** Read and hashed; empty files are in neither of these two. */
  readonly filesHashed: number
  readonly filesReused: number
  readonly bytesHashed: number
}

/**
 * Throws ShoalError: 'not-found', 'permission' (with the path), 'conflict' when a file keeps changing, 'bad-input' for what
 * cannot be shared, 'limit', 'disk-full'; or the signal's reason.
 */
export async function scan(target: string, options: ScanOptions): Promise<Scanned> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const scanned = await scanOnce(target, options)
    if (scanned !== undefined) return scanned
  }
  throw changed(target)
}

/** Undefined when files changed under it so much that the pieces should have another length. */
async function scanOnce(target: string, options: ScanOptions): Promise<Scanned | undefined> {
  const { top, skipped } = await walk(target, options.signal)
  const found = [...filesOf(top)]
  const wanted = options.pieceLengthBytes
  const pieceLengthBytes = wanted ?? pieceLengthOf(found.map(file => file.stamp))
  const problem = sizeProblem(
    found.map(file => file.stamp.sizeBytes),
    pieceLengthBytes
  )
  if (problem !== undefined) throw tooLarge(target, problem)
  const hashing = new Hashing(found, pieceLengthBytes, options)
  await hashing.run()
  const files = found.map((file, index): ScannedFile => ({ diskPath: file.diskPath, stamp: hashing.stampOf(index) }))
  if (wanted === undefined && pieceLengthOf(files.map(file => file.stamp)) !== pieceLengthBytes) return undefined
  const manifest = manifestOf(buildInfo(treeOf(top, hashing, { next: 0 }), pieceLengthBytes), target)
  checkMapping(manifest, found, hashing)
  const { pieceLayers, filesHashed, filesReused, bytesHashed } = hashing
  return { manifest, pieceLayers, files, skipped, filesHashed, filesReused, bytesHashed }
}

function pieceLengthOf(stamps: readonly FileStamp[]): number {
  return pieceLengthFor(stamps.reduce((sum, stamp) => sum + stamp.sizeBytes, 0))
}

function tooLarge(target: string, why: string, cause?: unknown): ShoalError {
  return new ShoalError('limit', `cannot share ${quotedPath(target)}: ${why}`, {
    hint: 'Share its parts one by one.',
    cause
  })
}

/** The manifest as everybody will read it: what others would refuse is refused here. */
function manifestOf(raw: Uint8Array, target: string): Manifest {
  try {
    return parseInfo(raw)
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
    throw tooLarge(target, error.message, error)
  }
}

function checkMapping(manifest: Manifest, found: readonly FoundFile[], hashing: Hashing): void {
  assert(manifest.files.length === found.length, 'the manifest has the files that were found')
  manifest.files.forEach((file, index) => {
    const [inManifest, hashed] = [rootOf(manifest, file) ?? EMPTY_BYTES, hashing.rootOf(index) ?? EMPTY_BYTES]
    assert(
      file.name === found[index]?.name && equal(inManifest, hashed),
      'files stand in the manifest in the order of the walk'
    )
  })
}

/** In the order of the manifest. */
function* filesOf(found: WalkedEntry): Generator<FoundFile> {
  if (found.kind === 'file') yield found
  else for (const child of found.children) yield* filesOf(child)
}

/** Files are numbered as they come, from `counter` on: as filesOf gives them. */
function treeOf(found: WalkedEntry, hashing: Hashing, counter: { next: number }): TreeNode {
  const { name } = found
  if (found.kind === 'folder') {
    return { kind: 'folder', name, children: found.children.map(child => treeOf(child, hashing, counter)) }
  }
  const index = counter.next++
  const lengthBytes = hashing.stampOf(index).sizeBytes
  return { kind: 'file', name, lengthBytes, executable: found.executable, root: hashing.rootOf(index) }
}
