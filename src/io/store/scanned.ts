/** Converts the result of a scan (io/share) to the store's manifest and file records. */
import { expectDefined } from '../../base/assert.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'
import { rootKey, rootOf, type Manifest } from '../../wire/bittorrent/metainfo.ts'
import { Held, layerBytesOf } from './manifests.ts'
import { FileStats } from './files/stats.ts'

/** The part of io/share's `Scanned` that the store uses. */
export interface ScannedContent {
  readonly manifest: Manifest
  /** The layers of files with more than one piece, by `rootKey`. */
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>
  /** The files in the manifest's order. */
  readonly files: ReadonlyArray<{ readonly stamp: { sizeBytes: number; mtimeNs: bigint; inode: bigint } }>
}

export function heldOf(scanned: Pick<ScannedContent, 'manifest' | 'pieceLayers'>): Held {
  return new Held(scanned.manifest, layersInOrder(scanned))
}

export function seenOfScanned(scanned: ScannedContent): FileStats {
  const seen = new FileStats(scanned.manifest.files.length)
  scanned.files.forEach(({ stamp }, file) => {
    seen.set(file, { size: BigInt(stamp.sizeBytes), mtimeNs: stamp.mtimeNs, ino: stamp.inode })
  })
  return seen
}

function layersInOrder(scanned: Pick<ScannedContent, 'manifest' | 'pieceLayers'>): Uint8Array {
  const { manifest, pieceLayers } = scanned
  const layers = new Uint8Array(layerBytesOf(manifest))
  let at = 0
  manifest.files.forEach((file, index) => {
    const { first, end } = manifest.layout.piecesOf(index)
    const root = rootOf(manifest, file)
    if (end - first < 2 || root === undefined) return
    layers.set(expectDefined(pieceLayers.get(rootKey(root)), 'a file of many pieces has a layer'), at)
    at += (end - first) * HASH_BYTES
  })
  return layers
}
