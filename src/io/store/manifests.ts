/**
 * Manifests on disk. One file per content has the raw info dictionary and the piece layers; it is verified whenever it
 * is read. The layers are concatenated in the order of the files. A file of one piece has no layer, because its piece's
 * root is the file's root.
 */
import { promises as fs } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { LruMap } from '../../base/bounded.ts'
import { equal } from '../../base/bytes.ts'
import { expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { PieceIndex } from '../../wire/bittorrent/layout.ts'
import { HASH_BYTES, pieceRoot, powerOfTwo } from '../../wire/bittorrent/merkle.ts'
import { parseInfo, rootOf, type Manifest } from '../../wire/bittorrent/metainfo.ts'
import { MerkleStack } from '../../wire/bittorrent/tree.ts'
import { errno } from './files/safe-dir.ts'
import { readWhole, writeWhole } from './files/atomic.ts'

/** Parsed manifests in the cache. */
export const MANIFESTS_AT_HAND_MAX = 32
/** Hashes per turn of the event loop while layers are verified: some 5 ms. */
const HASHES_PER_TURN = 8_192
const MAGIC = Buffer.from('shoalmf1')
/** The magic, the length of the dictionary and the length of the layers, 4 bytes each. */
const HEAD_BYTES = MAGIC.length + 8

/** A manifest with its verified piece layers. */
export class Held {
  readonly manifest: Manifest
  readonly layers: Uint8Array
  /** Where each file's layer begins, in hashes. */
  private readonly layerStart: Uint32Array

  constructor(manifest: Manifest, layers: Uint8Array) {
    this.manifest = manifest
    this.layers = layers
    this.layerStart = layerStarts(manifest)
  }

  /** The Merkle root of the piece's leaves. */
  pieceHash(piece: PieceIndex): Uint8Array {
    const { layout, files } = this.manifest
    const file = layout.fileOf(piece)
    const { first, end } = layout.piecesOf(file)
    if (end - first === 1)
      return expectDefined(
        rootOf(this.manifest, expectDefined(files[file], 'a file of the content')),
        'a file that is not empty has a root'
      )
    const at = ((this.layerStart[file] ?? 0) + piece - first) * HASH_BYTES
    return this.layers.subarray(at, at + HASH_BYTES)
  }

  /** Whether `leafHashes` are the leaf hashes of the piece. */
  proves(piece: PieceIndex, leafHashes: Uint8Array): boolean {
    const { layout } = this.manifest
    const leaves = layout.leavesOf(piece)
    if (leafHashes.length !== leaves * HASH_BYTES) return false
    const { first, end } = layout.piecesOf(layout.fileOf(piece))
    const width = end - first === 1 ? powerOfTwo(leaves) : layout.leavesPerPiece
    return equal(pieceRoot(leafHashes, width), this.pieceHash(piece))
  }
}

function layerStarts(manifest: Manifest): Uint32Array {
  const starts = new Uint32Array(manifest.files.length + 1)
  let hashes = 0
  for (let file = 0; file < manifest.files.length; file++) {
    starts[file] = hashes
    const { first, end } = manifest.layout.piecesOf(file)
    if (end - first > 1) hashes += end - first
  }
  starts[manifest.files.length] = hashes
  return starts
}

/** Total length of the content's piece layers. */
export function layerBytesOf(manifest: Manifest): number {
  return (layerStarts(manifest)[manifest.files.length] ?? 0) * HASH_BYTES
}

/**
 * Verifies a manifest from an untrusted source. Throws ShoalError: 'integrity' when the dictionary is not that of
 * `content` or a layer does not have its root, 'bad-input' when the dictionary is invalid.
 */
export async function checkManifest(content: ContentId, info: Uint8Array, layers: Uint8Array): Promise<Held> {
  const manifest = parseInfo(info)
  if (manifest.contentId !== content)
    throw new ShoalError('integrity', `expected the manifest of ${content}, got that of ${manifest.contentId}`)
  if (layers.length !== layerBytesOf(manifest))
    throw new ShoalError('integrity', `the piece layers of ${content} have the wrong length`)
  await checkLayers(manifest, layers)
  return new Held(manifest, layers)
}

async function checkLayers(manifest: Manifest, layers: Uint8Array): Promise<void> {
  const { layout, files } = manifest
  const stack = new MerkleStack(Math.log2(layout.leavesPerPiece))
  let at = 0
  let hashed = 0
  for (let file = 0; file < files.length; file++) {
    const { first, end } = layout.piecesOf(file)
    const count = end - first
    if (count < 2) continue
    for (let i = 0; i < count; i++, at += HASH_BYTES) {
      stack.push(layers.subarray(at, at + HASH_BYTES))
      if (++hashed % HASHES_PER_TURN === 0) await turn()
    }
    const root = rootOf(manifest, expectDefined(files[file], 'a file of the content'))
    if (root === undefined || !equal(stack.finish(powerOfTwo(count)), root)) {
      throw new ShoalError('integrity', `a piece layer of ${manifest.contentId} does not match its root`)
    }
  }
}

export class Manifests {
  private readonly folder: string
  private readonly atHand = new LruMap<ContentId, Held>(MANIFESTS_AT_HAND_MAX)

  /** `folder` must exist. */
  constructor(folder: string) {
    this.folder = folder
  }

  private pathOf(content: ContentId): string {
    return join(this.folder, content)
  }

  /** Undefined when there is none. A damaged file counts as none, so the manifest is fetched again. */
  async get(content: ContentId): Promise<Held | undefined> {
    const known = this.atHand.touch(content)
    if (known !== undefined) return known
    const file = await readWhole(this.pathOf(content))
    const parts = file === undefined ? undefined : split(file)
    if (parts === undefined) return undefined
    try {
      const held = await checkManifest(content, parts.info, parts.layers)
      this.atHand.set(content, held)
      return held
    } catch (error) {
      if (error instanceof ShoalError) return undefined
      throw error
    }
  }

  /** Durable when it resolves. Throws the system's error. */
  async put(held: Held): Promise<void> {
    const { raw, contentId } = held.manifest
    const head = Buffer.alloc(HEAD_BYTES)
    MAGIC.copy(head)
    head.writeUInt32BE(raw.length, MAGIC.length)
    head.writeUInt32BE(held.layers.length, MAGIC.length + 4)
    await writeWhole(this.pathOf(contentId), [head, raw, held.layers])
    this.atHand.set(contentId, held)
  }

  async remove(content: ContentId): Promise<void> {
    this.atHand.delete(content)
    await fs.unlink(this.pathOf(content)).catch((error: unknown) => {
      if (errno(error) !== 'ENOENT') throw error
    })
  }
}

function split(file: Buffer): { info: Uint8Array; layers: Uint8Array } | undefined {
  if (file.length < HEAD_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const infoBytes = file.readUInt32BE(MAGIC.length)
  const layerBytes = file.readUInt32BE(MAGIC.length + 4)
  if (file.length !== HEAD_BYTES + infoBytes + layerBytes) return undefined
  return { info: file.subarray(HEAD_BYTES, HEAD_BYTES + infoBytes), layers: file.subarray(HEAD_BYTES + infoBytes) }
}
