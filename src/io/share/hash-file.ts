/**
 * One file's leaf hashes, root and piece layer. While one chunk is hashed, the next is read; between chunks the event loop runs other
 * work. The file must have the same stamp before and after; one that changed is read a second time.
 */
import { constants } from 'node:fs'
import fs, { type FileHandle } from 'node:fs/promises'
import { expectDefined } from '../../base/assert.ts'
import { EMPTY_BYTES, sha256 } from '../../base/bytes.ts'
import { LEAF_BYTES } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { FileTree } from '../../wire/bittorrent/tree.ts'
import type { ReadBuffers } from './buffers.ts'
import { changed, diskError } from './errors.ts'
import type { LeafHashes } from './leaves.ts'
import { sameStamp, stampOf, type FileStamp } from './walk.ts'

const ATTEMPTS = 2
/** The path may be a symlink or a pipe by now: do not follow it, do not block on it. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export interface HashedFile {
  /** Undefined for an empty file. */
  readonly root: Uint8Array | undefined
  /** Empty for a file of one piece, or none. */
  readonly pieceLayer: Uint8Array
  /** Of the bytes that were hashed. */
  readonly stamp: FileStamp
}

export interface HashOptions {
  readonly leavesPerPiece: number
  readonly leaves: LeafHashes
  /** Of 1 MiB for large files: hashing one takes about 0.7 ms. */
  readonly buffers: ReadBuffers
  readonly signal: AbortSignal
  /** Called once before each attempt to read, with the stamp that the file then has. */
  readonly beforeReading: (stamp: FileStamp) => Promise<void>
  readonly onRead: (bytes: number) => void
}

/**
 * `stamp` is what the walk saw. Throws EntryError when the file changes during every attempt, or cannot be read; what `leaves` throws;
 * or the signal's reason.
 */
export async function hashFile(diskPath: string, stamp: FileStamp, options: HashOptions): Promise<HashedFile> {
  let before = stamp
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (before.sizeBytes === 0) return { root: undefined, pieceLayer: EMPTY_BYTES, stamp: before }
    await options.beforeReading(before)
    const hashed = await hashOnce(diskPath, before, options)
    if (hashed !== undefined) return hashed
    before = await currentStamp(diskPath)
  }
  throw changed(diskPath)
}

async function currentStamp(diskPath: string): Promise<FileStamp> {
  const stat = await reading(diskPath, fs.lstat(diskPath, { bigint: true }))
  if (!stat.isFile()) throw changed(diskPath)
  return stampOf(stat)
}

async function reading<T>(diskPath: string, call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw diskError(error, diskPath)
  }
}

/** Undefined when the file was not, or did not stay, as `stamp` says. */
async function hashOnce(diskPath: string, stamp: FileStamp, options: HashOptions): Promise<HashedFile | undefined> {
  const leafCount = Math.ceil(stamp.sizeBytes / LEAF_BYTES)
  const tree = new FileTree({ leafCount, leavesPerPiece: options.leavesPerPiece })
  const writer = leafCount > 1 ? await options.leaves.create(leafCount) : undefined
  let committed = false
  try {
    const whole = await readAll(diskPath, stamp.sizeBytes, options, async chunk => {
      const hashes = hashLeaves(chunk, tree)
      await writer?.append(hashes)
    })
    if (!whole || !sameStamp(await currentStamp(diskPath), stamp)) return undefined
    const finished = tree.finish()
    await writer?.commit(finished.root)
    committed = true
    return { ...finished, stamp }
  } finally {
    if (!committed) await writer?.discard()
  }
}

function hashLeaves(chunk: Uint8Array, tree: FileTree): Uint8Array {
  const hashes = new Uint8Array(Math.ceil(chunk.length / LEAF_BYTES) * HASH_BYTES)
  for (let leaf = 0; leaf * LEAF_BYTES < chunk.length; leaf++) {
    const hash = sha256(chunk.subarray(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES))
    tree.push(hash)
    hashes.set(hash, leaf * HASH_BYTES)
  }
  return hashes
}

/** The first `bytes` of the file, a buffer at a time. False when there are fewer. */
async function readAll(
  diskPath: string,
  bytes: number,
  options: HashOptions,
  take: (chunk: Uint8Array) => Promise<void>
): Promise<boolean> {
  await using file = await reading(diskPath, fs.open(diskPath, OPEN_FLAGS))
  const step = options.buffers.bytes
  const pair = [options.buffers.take(), options.buffers.take()]
  const read = (chunk: number): Promise<Buffer | undefined> => {
    const buffer = expectDefined(pair[chunk % 2], 'two buffers take turns')
    return reading(diskPath, fill(file, buffer.subarray(0, bytes - chunk * step), chunk * step))
  }
  try {
    let arrived = await read(0)
    for (let chunk = 1; arrived !== undefined; chunk++) {
      options.signal.throwIfAborted()
      const next = chunk * step < bytes ? read(chunk) : undefined
      // Settled together, so that no read is left behind when taking fails.
      const [taken, nextRead] = await Promise.allSettled([take(arrived), next])
      if (taken.status === 'rejected') throw taken.reason
      if (nextRead.status === 'rejected') throw nextRead.reason
      options.onRead(arrived.length)
      if (next === undefined) return true
      arrived = nextRead.value
    }
    return false
  } finally {
    for (const buffer of pair) options.buffers.give(buffer)
  }
}

/** The buffer, full; or undefined when the file ends before. */
async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<Buffer | undefined> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled)
    if (bytesRead === 0) return undefined
    filled += bytesRead
  }
  return buffer
}
