/**
 * `.torrent` files of BitTorrent v2 (BEP 52): the info dictionary, and the piece layer of every file of more than one
 * piece. The bytes of the dictionary are kept unchanged.
 */
import { expectDefined } from '../../base/assert.ts'
import { equal, latin1, unhex } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { BencodeReader, BencodeWriter } from './bencode.ts'
import { DecodeError } from '../codec/cursor.ts'
import { FILES_MAX } from './layout.ts'
import { HASH_BYTES, powerOfTwo } from './merkle.ts'
import { FURTHER_PIECES_MAX, INFO_BYTES_MAX, parseInfo, pathOf, refuse, rootKey, rootOf } from './metainfo.ts'
import type { Manifest } from './metainfo.ts'
import { quoted } from './paths.ts'
import { MerkleStack } from './tree.ts'

/** Maps the root of a file in hexadecimal to its piece layer: the concatenated roots of its pieces. */
export type PieceLayers = ReadonlyMap<string, Uint8Array>

/**
 * The largest info dictionary and the largest piece layers with their keys; the latter twice, for fields of other
 * programs.
 */
export const TORRENT_BYTES_MAX = INFO_BYTES_MAX + 2 * (FURTHER_PIECES_MAX + FILES_MAX) * HASH_BYTES
/** Hashes that verifyPieceLayers checks between two yields: about 1 ms. */
const HASHES_PER_STEP = 1_024

export interface Torrent {
  readonly manifest: Manifest
  /** The piece layers that the file contained. Some may be missing; see hasPieceLayers. */
  readonly pieceLayers: PieceLayers
}

/**
 * Throws ShoalError 'bad-input' for anything but a v2 or hybrid torrent, 'integrity' for a piece layer that does not
 * match its root. A missing layer is not an error: see hasPieceLayers. The result holds no views of `bytes`.
 */
export function parseTorrent(bytes: Uint8Array): Torrent {
  const { manifest, pieceLayers } = readTorrent(bytes)
  const steps = verifyPieceLayers(manifest, pieceLayers)
  while (steps.next().done !== true);
  return { manifest, pieceLayers }
}

/** Like parseTorrent, but does not verify the piece layers: for callers that must not block for long. */
export function readTorrent(bytes: Uint8Array): Torrent {
  if (bytes.length > TORRENT_BYTES_MAX) refuse(`it has ${bytes.length} bytes (the limit is ${TORRENT_BYTES_MAX})`)
  // new Uint8Array copies. slice() of a Buffer would return a view.
  const { info, layers } = outerOf(bytes)
  if (info === undefined) noTorrent('it has no info dictionary')
  const manifest = parseInfo(new Uint8Array(info))
  const pieceLayers = new Map<string, Uint8Array>()
  for (const { root } of layeredFiles(manifest)) {
    const layer = layers.get(rootKey(root))
    if (layer !== undefined) pieceLayers.set(rootKey(root), new Uint8Array(layer))
  }
  return { manifest, pieceLayers }
}

/** Reports invalid bencode as "not a .torrent file": most likely it is truncated or another kind of file. */
function outerOf(bytes: Uint8Array): ReturnType<typeof readOuter> {
  try {
    return readOuter(bytes)
  } catch (error) {
    if (error instanceof DecodeError) noTorrent(error.message)
    throw error
  }
}

function noTorrent(why: string): never {
  throw new ShoalError('bad-input', `this is not a .torrent file, or it is truncated: ${why}`, {
    hint: 'Get the file again, or use its magnet link.'
  })
}

function readOuter(bytes: Uint8Array): { info: Uint8Array | undefined; layers: Map<string, Uint8Array> } {
  const reader = new BencodeReader(bytes)
  const layers = new Map<string, Uint8Array>()
  let info: Uint8Array | undefined
  reader.dictionary(key => {
    const field = key.length > 16 ? '' : latin1(key)
    if (field === 'info') info = reader.raw()
    else if (field === 'piece layers') readLayers(reader, layers)
    else reader.skip()
  })
  reader.end()
  return { info, layers }
}

function readLayers(reader: BencodeReader, layers: Map<string, Uint8Array>): void {
  reader.dictionary(root => {
    if (root.length !== HASH_BYTES) refuse(`the key of a piece layer has ${root.length} bytes`)
    if (layers.size >= FILES_MAX) refuse(`it has more than ${FILES_MAX} piece layers`)
    layers.set(rootKey(root), reader.string(TORRENT_BYTES_MAX))
  })
}

/** The files of more than one piece. */
function* layeredFiles(manifest: Manifest): Generator<{ file: number; root: Uint8Array; pieces: number }> {
  for (const [index, file] of manifest.files.entries()) {
    const pieces = Math.ceil(file.lengthBytes / manifest.pieceLengthBytes)
    const root = rootOf(manifest, file)
    if (pieces > 1 && root !== undefined) yield { file: index, root, pieces }
  }
}

/** Whether every file of more than one piece has its layer. */
export function hasPieceLayers(manifest: Manifest, layers: PieceLayers): boolean {
  for (const { root } of layeredFiles(manifest)) if (!layers.has(rootKey(root))) return false
  return true
}

/**
 * Checks every present layer against its file's root. The caller must drain the generator; it yields about every
 * millisecond, so that the caller can let other work run in between. Throws ShoalError 'integrity'.
 */
export function* verifyPieceLayers(manifest: Manifest, layers: PieceLayers): Generator<void, void, void> {
  const padHeight = Math.log2(manifest.layout.leavesPerPiece)
  let hashes = 0
  for (const { file, root, pieces } of layeredFiles(manifest)) {
    const layer = layers.get(rootKey(root))
    if (layer === undefined) continue
    if (layer.length !== pieces * HASH_BYTES) refuseLayer(manifest, file)
    const stack = new MerkleStack(padHeight)
    for (let at = 0; at < layer.length; at += HASH_BYTES) {
      stack.push(layer.subarray(at, at + HASH_BYTES))
      if (++hashes % HASHES_PER_STEP === 0) yield
    }
    if (!equal(stack.finish(powerOfTwo(pieces)), root)) refuseLayer(manifest, file)
  }
}

function refuseLayer(manifest: Manifest, index: number): never {
  const file = expectDefined(manifest.files[index], 'a file of the manifest')
  const path = quoted(pathOf(file).join('/'))
  throw new ShoalError('integrity', `the piece hashes of ${path} do not match its root`, {
    hint: 'Get the torrent from another source.'
  })
}

/** A `.torrent` with `rawInfo` unchanged and all of `layers`, even those that belong to no file of the dictionary. */
export function buildTorrent(rawInfo: Uint8Array, layers: PieceLayers): Uint8Array {
  const writer = new BencodeWriter()
  const entries = [...layers].map(([root, layer]) => {
    return [
      expectDefined(unhex(root), 'a root is hexadecimal'),
      () => {
        writer.string(layer)
      }
    ] as const
  })
  writer.dictionary([
    [
      'info',
      () => {
        writer.encoded(rawInfo)
      }
    ],
    [
      'piece layers',
      () => {
        writer.dictionary(entries)
      }
    ]
  ])
  return writer.finish()
}
