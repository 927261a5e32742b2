/** Contents made in memory, and homes and targets on a real disk, for the tests of the store and of the blocks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { hash } from 'node:crypto'
import { expectDefined } from '../../../../src/base/assert.ts'
import type { ContentId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { newIdentity, publisherOf } from '../../../../src/io/identity.ts'
import type { Publisher } from '../../../../src/io/store/lineages.ts'
import { StateDb } from '../../../../src/io/state/db.ts'
import { ContentStore, type SharedLeafHashes } from '../../../../src/io/store/store.ts'
import { hashLeaves } from '../../../../src/io/store/content.ts'
import { encode } from '../../../../src/wire/codec/codec.ts'
import { LEAF_BYTES, type Layout, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { LINEAGE_DOMAIN, lineage, lineageClaim } from '../../../../src/wire/lineage.ts'
import {
  buildInfo,
  parseInfo,
  pathOf,
  rootKey,
  type Manifest,
  type TreeNode
} from '../../../../src/wire/bittorrent/metainfo.ts'
import { FileTree } from '../../../../src/wire/bittorrent/tree.ts'

export interface FileSpec {
  readonly bytes: Uint8Array
  readonly executable?: boolean
}

export interface Made {
  readonly id: ContentId
  readonly manifest: Manifest
  readonly layout: Layout
  readonly info: Uint8Array
  readonly layers: Uint8Array
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>
  /** The bytes of the files, in the manifest's order. */
  readonly files: readonly Uint8Array[]
}

export function randomBytes(seed: string, length: number): Uint8Array {
  const block = Random.from(seed).bytes(Math.min(length, 65_521))
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += block.length) {
    bytes.set(block.subarray(0, length - at), at)
    if (at + 4 <= length) new DataView(bytes.buffer).setUint32(at, at)
  }
  return bytes
}

/**
 * Paths with slashes. A path that ends in a slash is an empty folder. A single path equal to `name` is a content of one
 * file.
 */
export function makeContent(name: string, files: Record<string, FileSpec | null>, pieceLengthBytes = 64 << 10): Made {
  const pieceLayers = new Map<string, Uint8Array>()
  const node = (path: string, spec: FileSpec): TreeNode => {
    const base = {
      kind: 'file' as const,
      name: expectDefined(path.split('/').at(-1), 'a name'),
      lengthBytes: spec.bytes.length,
      executable: spec.executable === true
    }
    if (spec.bytes.length === 0) return { ...base, root: undefined }
    const tree = new FileTree({
      leafCount: Math.ceil(spec.bytes.length / LEAF_BYTES),
      leavesPerPiece: pieceLengthBytes / LEAF_BYTES
    })
    for (let at = 0; at < spec.bytes.length; at += LEAF_BYTES)
      tree.push(hash('sha256', spec.bytes.subarray(at, at + LEAF_BYTES), 'buffer'))
    const { root, pieceLayer } = tree.finish()
    if (pieceLayer.length > 0) pieceLayers.set(rootKey(root), pieceLayer)
    return { ...base, root }
  }
  const folder = (prefix: string): TreeNode[] => {
    const names = new Set(
      Object.keys(files)
        .filter(path => path.startsWith(prefix) && path !== prefix)
        .map(path => expectDefined(path.slice(prefix.length).split('/')[0], 'a name'))
    )
    return [...names]
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(child => {
        const spec = files[prefix + child]
        return spec
          ? node(prefix + child, spec)
          : { kind: 'folder', name: child, children: folder(`${prefix}${child}/`) }
      })
  }
  const lone = files[name]
  const top: TreeNode =
    lone && Object.keys(files).length === 1 ? node(name, lone) : { kind: 'folder', name, children: folder('') }
  const info = buildInfo(top, pieceLengthBytes)
  const manifest = parseInfo(info)
  const bytes = manifest.files.map(
    file => expectDefined(files[pathOf(file).join('/')] ?? undefined, 'a file of the content').bytes
  )
  const layers = manifest.files.flatMap((file, index) => {
    const { first, end } = manifest.layout.piecesOf(index)
    const root = info.subarray(file.rootOffset, file.rootOffset + 32)
    return end - first > 1 ? [expectDefined(pieceLayers.get(rootKey(root)), 'a layer')] : []
  })
  return {
    id: manifest.contentId,
    manifest,
    layout: manifest.layout,
    info,
    layers: Buffer.concat(layers),
    pieceLayers,
    files: bytes
  }
}

/** The bytes of a piece, or of a range of its leaves. */
export function bytesOf(
  made: Made,
  piece: number,
  leafStart = 0,
  leafCount = made.layout.leavesOf(piece as PieceIndex) - leafStart
): Uint8Array {
  const file = made.layout.fileOf(piece as PieceIndex)
  const at = made.layout.offsetInFile(piece as PieceIndex) + leafStart * LEAF_BYTES
  const range = { piece: piece as PieceIndex, leafStart, leafCount }
  return expectDefined(made.files[file], 'a file').subarray(at, at + made.layout.rangeBytes(range))
}

export function leafHashesOf(made: Made, piece: number): Uint8Array {
  return hashLeaves(bytesOf(made, piece))
}

/** Writes the content's files below `folder`/NAME, as another program would. */
export async function layOut(made: Made, folder: string): Promise<string> {
  const top = join(folder, made.manifest.name)
  await Promise.all(
    made.manifest.files.map(async (file, index) => {
      const path = made.manifest.singleFile ? top : join(top, ...pathOf(file))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, expectDefined(made.files[index], 'a file'), { mode: file.executable ? 0o755 : 0o644 })
    })
  )
  return top
}

export interface Place {
  readonly folder: string
  readonly home: string
  readonly target: string
  db: StateDb
  store: ContentStore
  /** Reopens the store on the same home, as a new process would. */
  restart(): Promise<void>
  remove(): Promise<void>
}

export async function openPlace(
  options: { folder?: string; shared?: SharedLeafHashes; publisher?: Publisher } = {}
): Promise<Place> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'shoal-store-'))
  const home = join(folder, 'home')
  const target = join(folder, 'target')
  await mkdir(home, { recursive: true })
  const { folder: _, ...parts } = { publisher: publisherOf(newIdentity()), ...options }
  const open = async (): Promise<{ db: StateDb; store: ContentStore }> => {
    const db = StateDb.open(join(home, 'state.db'))
    return {
      db,
      store: await ContentStore.open({ home, db, ...parts })
    }
  }
  const place: Place = {
    folder,
    home,
    target,
    ...(await open()),
    async restart() {
      place.store.closeAll()
      await place.db.close()
      Object.assign(place, await open())
    },
    async remove() {
      place.store.closeAll()
      await place.db.close()
      rmSync(folder, { recursive: true })
    }
  }
  return place
}

/** Adds a download and its manifest. */
export async function startDownload(
  place: Place,
  made: Made,
  options: { include?: string[]; overwrite?: boolean; rename?: boolean; lineage?: Uint8Array } = {}
): Promise<void> {
  await place.store.addDownload({
    ...{ content: made.id, folder: place.target, include: options.include ?? [], serve: true },
    ...{ overwrite: options.overwrite ?? false, rename: options.rename ?? false }
  })
  const { lineage } = options
  await place.store.putManifest(made.id, made.info, made.layers, lineage === undefined ? {} : { lineage })
}

/** The lineage claim of `publisher` that `made` replaces `older`. */
export function lineageOf({ signer }: Publisher, made: Made, older: readonly Made[] = []): Uint8Array {
  const replaces = older.map(({ id }) => id)
  const signature = signer.sign(LINEAGE_DOMAIN, encode(lineageClaim, { content: made.id, replaces }))
  return encode(lineage, { publisher: signer.id, replaces, signature })
}

/** Writes whole pieces like the receiver: leaf hashes first. */
export async function writePieces(place: Place, made: Made, pieces: Iterable<number>): Promise<void> {
  for (const piece of pieces) {
    const index = piece as PieceIndex
    const kept = await place.store.keepLeafHashes(made.id, index, leafHashesOf(made, piece))
    const written = await place.store.write(made.id, { piece: index, leafStart: 0 }, bytesOf(made, piece))
    if (!kept.ok || !written.ok) throw new Error(`piece ${piece} was refused`)
  }
}
