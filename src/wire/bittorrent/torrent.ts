/**
 * `.torrent` files of BitTorrent v2 (BEP 52): the info dictionary, and for every file of more than one piece the layer of
 * its tree that holds the pieces' roots. The dictionary's bytes go in and out as they are.
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

/** By the root in hexadecimal: the roots of the file's pieces, one after the other. */
export type PieceLayers = ReadonlyMap<string, Uint8Array>

/** The info dictionary, every piece that the limits allow with its part of a key, and as much again for what others add. */
export const TORRENT_BYTES_MAX = INFO_BYTES_MAX + 2 * (FURTHER_PIECES_MAX + FILES_MAX) * HASH_BYTES
/** Hashes between two breaths of verifyPieceLayers: about 1 ms. */
const HASHES_A_STEP = 1_024

export interface Torrent {
  readonly manifest: Manifest
  /** Those that were there, all of them right. */
  readonly pieceLayers: PieceLayers
}

/**
 * Throws ShoalError 'bad-input' for what is no v2 or hybrid torrent, 'integrity' for a piece layer that is wrong. A layer
 * that is missing is no error: see hasPieceLayers. Keeps nothing of `bytes`.
 */
export function parseTorrent(bytes: Uint8Array): Torrent {
  const { manifest, pieceLayers } = readTorrent(bytes)
  const steps = verifyPieceLayers(manifest, pieceLayers)
  while (steps.next().done !== true);
  return { manifest, pieceLayers }
}

/** As parseTorrent, but the piece layers are not verified yet: for callers that must not stop for long. */
export function readTorrent(bytes: Uint8Array): Torrent {
  if (bytes.length > TORRENT_BYTES_MAX) refuse(`it has ${bytes.length} bytes (the limit is ${TORRENT_BYTES_MAX})`)
  // Copies even of a Buffer, whose own slice() is a view.
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

/** What is no dictionary at all was cut short, or is another kind of file: nobody made it wrong. */
function outerOf(bytes: Uint8Array): ReturnType<typeof readOuter> {
  try {
    return readOuter(bytes)
  } catch (error) {
    if (error instanceof DecodeError) noTorrent(error.message)
    throw error
  }
}

function noTorrent(why: string): never {
  throw new ShoalError('bad-input', `this is no .torrent file, or not all of it: ${why}`, {
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
    if (root.length !== HASH_BYTES) refuse(`a piece layer under a root of ${root.length} bytes`)
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
 * Checks every layer that is there against its file's root: drain the generator, and rest between its steps of about a
 * millisecond if you have others to serve. Throws ShoalError 'integrity'.
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
      if (++hashes % HASHES_A_STEP === 0) yield
    }
    if (!equal(stack.finish(powerOfTwo(pieces)), root)) refuseLayer(manifest, file)
  }
}

function refuseLayer(manifest: Manifest, index: number): never {
  const file = expectDefined(manifest.files[index], 'a file of the manifest')
  const path = quoted(pathOf(file).join('/'))
  throw new ShoalError('integrity', `the piece hashes of ${path} do not match its root`, {
    hint: 'Get the torrent from somewhere else.'
  })
}

/** A `.torrent` with the dictionary as it is. Layers of files that the dictionary does not have may be among them. */
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
