/**
 * From a path to a content: walk the tree, hash what is new, write the manifest. Nothing here keeps a file's bytes or a large
 * file's leaf hashes in memory: peak memory is some buffers, and some kilobytes a file. One file or folder that cannot be read does
 * not keep the others from being shared (skipped.ts).
 *
 * The content's ID is libtorrent's for the same tree. Times of change, owners and further permissions are not part of it.
 * A folder that holds nothing but one file of the folder's own name has the same ID as that file alone, and is fetched as the
 * file: BEP 52 cannot tell the two apart.
 */
import { assert, expectDefined } from '../../base/assert.ts'
import { EMPTY_BYTES, equal } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { quotedPath } from '../../wire/bittorrent/paths.ts'
import {
  buildInfo,
  parseInfo,
  rootOf,
  sizeProblem,
  type Manifest,
  type TreeNode
} from '../../wire/bittorrent/metainfo.ts'
import { Hashing, type HashingState, type ScanOptions } from './hashing.ts'
import { pieceLengthFor } from './piece-length.ts'
import { SkipList, type Skipped } from './skipped.ts'
import { nothingToShare, walk, type FileStamp, type WalkedEntry, type FoundFile } from './walk.ts'

/** How often the piece length follows the size of a folder that changes while it is hashed. */
const ATTEMPTS = 3

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
 * Shares what can be read of a folder; `skipped` says what was left out. Throws ShoalError: 'not-found', 'bad-input' when there is
 * nothing to share, 'limit', 'disk-full'; the error of the entry (errors.ts) when `target` is a file, nothing else is left, or
 * `strict` is set; or the signal's reason.
 */
export async function scan(target: string, options: ScanOptions): Promise<Scanned> {
  const skips = new SkipList({ strict: options.strict ?? false })
  const { top, checkTop } = await walk(target, { skips, signal: options.signal })
  const found = [...filesOf(top)]
  const state: HashingState = {
    ...{ found, leftOut: new Set(), hashed: new Set() },
    skips: top.kind === 'file' ? new SkipList({ strict: true }) : skips
  }
  const { hashing, pieceLengthBytes, bytesHashed } = await hashAll(target, state, options)
  // A folder on a disk that was removed meanwhile looks like one whose files vanished.
  if (top.kind === 'folder') await checkTop()
  const tree = treeOf(top, hashing, { leftOut: state.leftOut, next: 0 })
  if (tree === undefined || (tree.kind === 'folder' && tree.children.length === 0)) {
    throw skips.firstError ?? nothingToShare(target)
  }
  const manifest = manifestOf(buildInfo(tree, pieceLengthBytes), target)
  const kept = found
    .keys()
    .filter(index => !state.leftOut.has(index))
    .toArray()
  checkMapping(
    manifest,
    kept.map(index => ({ name: expectDefined(found[index], 'it was found').name, root: hashing.rootOf(index) }))
  )
  const files = kept.map(index => ({
    diskPath: expectDefined(found[index], 'it was found').diskPath,
    stamp: hashing.stampOf(index)
  }))
  const filesHashed = state.hashed.size
  const filesReused = files.filter(({ stamp }) => stamp.sizeBytes > 0).length - filesHashed
  const { pieceLayers } = hashing
  return { manifest, pieceLayers, files, skipped: skips.result(), filesHashed, filesReused, bytesHashed }
}

interface Hashed {
  readonly hashing: Hashing
  readonly pieceLengthBytes: number
  /** In all attempts. */
  readonly bytesHashed: number
}

/**
 * Hashes the files again, mostly from the cache, when so much changed or was left out that their size wants another piece length. The
 * last attempt keeps its piece length: a folder that never rests is shared too.
 */
async function hashAll(target: string, state: HashingState, options: ScanOptions): Promise<Hashed> {
  const wanted = options.pieceLengthBytes
  let stamps = state.found.map(({ stamp }) => stamp)
  let bytesHashed = 0
  for (let attempt = 1; ; attempt++) {
    const sizes = stamps.filter((_, index) => !state.leftOut.has(index)).map(({ sizeBytes }) => sizeBytes)
    const pieceLengthBytes = wanted ?? pieceLengthOf(sizes)
    const problem = sizeProblem(sizes, pieceLengthBytes)
    if (problem !== undefined) throw tooLarge(target, problem)
    const found = state.found.map((file, index) => ({ ...file, stamp: expectDefined(stamps[index], 'of each file') }))
    const hashing = new Hashing({ ...state, found }, pieceLengthBytes, options)
    await hashing.run()
    bytesHashed += hashing.bytesHashed
    stamps = found.map((_, index) => hashing.stampOf(index))
    const after = stamps.filter((_, index) => !state.leftOut.has(index)).map(({ sizeBytes }) => sizeBytes)
    if (wanted !== undefined || attempt === ATTEMPTS || pieceLengthOf(after) === pieceLengthBytes) {
      return { hashing, pieceLengthBytes, bytesHashed }
    }
  }
}

function pieceLengthOf(sizes: readonly number[]): number {
  return pieceLengthFor(sizes.reduce((sum, bytes) => sum + bytes, 0))
}

function tooLarge(target: string, why: string, cause?: unknown): ShoalError {
  return new ShoalError('limit', `cannot share ${quotedPath(target)}: ${why}`, {
    hint: 'Share its parts one by one.',
    cause
  })
}

/** As all nodes will read it: a manifest that others would refuse is refused here. */
function manifestOf(raw: Uint8Array, target: string): Manifest {
  try {
    return parseInfo(raw)
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
    throw tooLarge(target, error.message, error)
  }
}

function checkMapping(manifest: Manifest, files: ReadonlyArray<{ name: string; root: Uint8Array | undefined }>): void {
  assert(manifest.files.length === files.length, 'the manifest has the files that were hashed')
  manifest.files.forEach((file, index) => {
    const root = rootOf(manifest, file) ?? EMPTY_BYTES
    assert(
      file.name === files[index]?.name && equal(root, files[index].root ?? EMPTY_BYTES),
      'the manifest has the files in the order of the walk'
    )
  })
}

/** In the order of the manifest. */
function* filesOf(found: WalkedEntry): Generator<FoundFile> {
  if (found.kind === 'file') yield found
  else for (const child of found.children) yield* filesOf(child)
}

/** Files are numbered from `counter.next` on, as filesOf yields them. Undefined for a file that was left out. */
function treeOf(
  found: WalkedEntry,
  hashing: Hashing,
  counter: { readonly leftOut: ReadonlySet<number>; next: number }
): TreeNode | undefined {
  const { name } = found
  if (found.kind === 'folder') {
    const children = found.children.map(child => treeOf(child, hashing, counter)).filter(child => child !== undefined)
    return { kind: 'folder', name, children }
  }
  const index = counter.next++
  if (counter.leftOut.has(index)) return undefined
  const lengthBytes = hashing.stampOf(index).sizeBytes
  return { kind: 'file', name, lengthBytes, executable: found.executable, root: hashing.rootOf(index) }
}
