/**
 * The info dictionary of BitTorrent v2 (BEP 52), which describes the files of a content. Shoal hashes, stores and sends
 * its raw bytes and never encodes it again. Fields of hybrid torrents for v1 clients are ignored.
 *
 * A manifest is untrusted input. The whole manifest is refused for unsafe names, for impossible trees, and when it
 * claims more pieces than its size pays for (FURTHER_PIECES_MAX). Symlinks (BEP 47, attr `l`) and padding files (attr
 * `p`) are counted but left out of `files`, so they are never written to disk. Memory is proportional to the size of
 * the dictionary: a path is kept as a chain of folders and joined on demand.
 */
import { hex, latin1, sha256, utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { contentId, keyOf, type ContentId, type Key } from '../../base/ids.ts'
import { BencodeReader, BencodeWriter } from './bencode.ts'
import { DecodeError, Writer } from '../codec/cursor.ts'
import { FILES_MAX, LEAF_BYTES, Layout, PIECE_LENGTH_BYTES_MAX } from './layout.ts'
import { HASH_BYTES } from './merkle.ts'
import { PATH_BYTES_MAX, PATH_DEPTH_MAX, checkName, quoted } from './paths.ts'

/** About 500,000 files with names of 40 bytes. */
export const INFO_BYTES_MAX = 64 << 20
/**
 * Pieces beyond the first of each file. The first piece of a file takes about 70 bytes of the dictionary; further
 * pieces take none, so a small dictionary could claim any number. With the table of piece lengths this allows a file
 * of 8 TiB.
 */
export const FURTHER_PIECES_MAX = 1 << 19
const META_VERSION = 2
const ATTRIBUTES_BYTES_MAX = 32
const KEY_TAG = 'shoal/file/1\0'

export interface Folder {
  /** Undefined for a folder at the top level of the content. */
  readonly parent: Folder | undefined
  readonly name: string
  /** The number of names in its path, including its own: 1 to PATH_DEPTH_MAX. */
  readonly depth: number
  readonly pathBytes: number
}

export interface ManifestFile {
  readonly folder: Folder | undefined
  readonly name: string
  readonly lengthBytes: number
  readonly executable: boolean
  /** The offset of its root in the manifest's bytes; 0 for an empty file, which has no root. */
  readonly rootOffset: number
}

export interface Manifest {
  /** The info dictionary as it arrived. */
  readonly raw: Uint8Array
  /** SHA-256 of `raw`. */
  readonly contentId: ContentId
  /** The name of the folder or of the single file. utf8() of it gives the original bytes. */
  readonly name: string
  /** Whether the content is a single file called `name`, not a folder. */
  readonly singleFile: boolean
  readonly pieceLengthBytes: number
  /** In the order of the dictionary, which is that of `layout`. */
  readonly files: readonly ManifestFile[]
  readonly emptyFolders: readonly Folder[]
  readonly layout: Layout
  /** Entries of the dictionary that are never fetched. */
  readonly skipped: { readonly symlinks: number; readonly paddingFiles: number }
}

/** The names from the top level of the content down to the folder, without the content's own name. */
export function folderPathOf(folder: Folder | undefined): string[] {
  const names: string[] = []
  for (let up = folder; up !== undefined; up = up.parent) names.push(up.name)
  return names.reverse()
}

/** Like folderPathOf, for a file. */
export function pathOf(file: ManifestFile): string[] {
  return [...folderPathOf(file.folder), file.name]
}

/** A view of the file's root, 32 bytes; undefined for an empty file. */
export function rootOf(manifest: Manifest, file: ManifestFile): Uint8Array | undefined {
  if (file.rootOffset === 0) return undefined
  return manifest.raw.subarray(file.rootOffset, file.rootOffset + HASH_BYTES)
}

/**
 * A key for a single file that is the same in every content: SHA-256 of a tag, the root, and the length as 8 bytes,
 * big-endian. The length is included because the root of BEP 52 does not cover it.
 */
export function fileKey(root: Uint8Array, lengthBytes: number): Key {
  const writer = new Writer()
  writer.raw(utf8(KEY_TAG))
  writer.raw(root)
  writer.u32(Math.floor(lengthBytes / 0x1_0000_0000))
  writer.u32(lengthBytes % 0x1_0000_0000)
  return keyOf(sha256(writer.finish()))
}

export function refuse(what: string): never {
  throw new ShoalError('bad-input', `invalid manifest: ${what}`, { hint: 'Its author must create it again.' })
}

/** Runs a parser and turns its DecodeError into a ShoalError 'bad-input'. */
export function refusing<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof DecodeError) refuse(error.message)
    throw error
  }
}

/**
 * Parses an info dictionary. Throws ShoalError 'bad-input' when it is invalid or exceeds a limit. Keeps a reference to
 * `raw`, which must not change afterwards.
 */
export function parseInfo(raw: Uint8Array): Manifest {
  if (raw.length > INFO_BYTES_MAX) refuse(`it has ${raw.length} bytes (the limit is ${INFO_BYTES_MAX})`)
  const fields = refusing(() => readInfo(raw))
  const { tree, metaVersion, name, pieceLengthBytes } = fields
  if (tree === undefined || metaVersion === undefined) refuseOther(fields)
  if (metaVersion !== META_VERSION) refuse(`it has version ${metaVersion}, and only version 2 is supported`)
  if (name === undefined) refuse('it has no name')
  if (tree.files.length === 0 && tree.emptyFolders.length === 0) refuse('it has no files')
  const pieceLength = checkedPieceLength(pieceLengthBytes)
  const lengths = tree.files.map(file => file.lengthBytes)
  const problem = sizeProblem(lengths, pieceLength)
  if (problem !== undefined) refuse(problem)
  const only = tree.files.length === 1 && tree.emptyFolders.length === 0 ? tree.files[0] : undefined
  return {
    raw,
    contentId: contentId(sha256(raw)),
    name,
    singleFile: only !== undefined && only.folder === undefined && only.name === name,
    pieceLengthBytes: pieceLength,
    files: tree.files,
    emptyFolders: tree.emptyFolders,
    layout: new Layout(pieceLength, lengths),
    skipped: { symlinks: tree.symlinks, paddingFiles: tree.paddingFiles }
  }
}

interface Tree {
  readonly files: ManifestFile[]
  readonly emptyFolders: Folder[]
  folders: number
  symlinks: number
  paddingFiles: number
}

interface InfoFields {
  tree: Tree | undefined
  metaVersion: number | undefined
  name: string | undefined
  pieceLengthBytes: number | undefined
  hasV1Pieces: boolean
}

function readInfo(raw: Uint8Array): InfoFields {
  const reader = new BencodeReader(raw)
  const fields: InfoFields = {
    tree: undefined,
    metaVersion: undefined,
    name: undefined,
    pieceLengthBytes: undefined,
    hasV1Pieces: false
  }
  reader.dictionary(key => {
    const field = asciiOf(key)
    if (field === 'file tree') fields.tree = readTree(reader)
    else if (field === 'meta version') fields.metaVersion = reader.integer()
    else if (field === 'name') fields.name = checkedName(reader.string(raw.length))
    else if (field === 'piece length') fields.pieceLengthBytes = reader.integer()
    else {
      if (field === 'pieces') fields.hasV1Pieces = true
      reader.skip()
    }
  })
  reader.end()
  return fields
}

/** The key as text, or '' for a long key. A key that is not ASCII equals none of ours. */
function asciiOf(key: Uint8Array): string {
  return key.length > 16 ? '' : latin1(key)
}

function refuseOther(fields: InfoFields): never {
  if (fields.tree === undefined && fields.hasV1Pieces) {
    throw new ShoalError('bad-input', 'this is a BitTorrent v1 torrent, and v2 or a hybrid is required', {
      hint: 'Create it again from the files, as v2 or as a hybrid.'
    })
  }
  refuse(fields.tree === undefined ? 'it has no file tree' : 'it has no version')
}

function checkedName(bytes: Uint8Array): string {
  const checked = checkName(bytes)
  if (!checked.ok) refuse(`it contains ${checked.problem}`)
  return checked.name
}

function checkedPieceLength(bytes: number | undefined): number {
  if (bytes === undefined) refuse('it has no piece length')
  if (bytes < LEAF_BYTES || bytes > PIECE_LENGTH_BYTES_MAX || !Number.isInteger(Math.log2(bytes))) {
    refuse(`its piece length of ${bytes} is not a power of two from ${LEAF_BYTES} to ${PIECE_LENGTH_BYTES_MAX}`)
  }
  return bytes
}

/** Why a content cannot have files of these lengths; undefined when it can. */
export function sizeProblem(lengths: readonly number[], pieceLengthBytes: number): string | undefined {
  let bytes = 0
  let pieces = 0
  for (const length of lengths) {
    bytes += length
    pieces += Math.ceil(length / pieceLengthBytes)
  }
  if (!Number.isSafeInteger(bytes)) return 'its files have more than 2^53 - 1 bytes'
  const max = lengths.length + FURTHER_PIECES_MAX
  return pieces > max ? `it has ${pieces} pieces (the limit for ${lengths.length} files is ${max})` : undefined
}

function readTree(reader: BencodeReader): Tree {
  const tree: Tree = { files: [], emptyFolders: [], folders: 0, symlinks: 0, paddingFiles: 0 }
  reader.dictionary(key => {
    readEntry(reader, tree, undefined, checkedName(key))
  })
  return tree
}

/** A dictionary whose first key is empty is a file; any other is a folder. */
function readEntry(reader: BencodeReader, tree: Tree, parent: Folder | undefined, name: string): void {
  const seen: { file: boolean; folder: Folder | undefined } = { file: false, folder: undefined }
  const depth = (parent?.depth ?? 0) + 1
  const pathBytes = (parent === undefined ? 0 : parent.pathBytes + 1) + Buffer.byteLength(name)
  if (depth > PATH_DEPTH_MAX) refuse(`a path has more than ${PATH_DEPTH_MAX} names`)
  if (pathBytes > PATH_BYTES_MAX) refuse(`a path has more than ${PATH_BYTES_MAX} bytes`)
  reader.dictionary(key => {
    if (seen.file) refuse(`${quoted(name)} is a file and a folder`)
    if (key.length === 0) {
      seen.file = true
      readFile(reader, tree, parent, name)
      return
    }
    seen.folder ??= { parent, name, depth, pathBytes }
    readEntry(reader, tree, seen.folder, checkedName(key))
  })
  if (seen.file) return
  if (seen.folder === undefined) tree.emptyFolders.push({ parent, name, depth, pathBytes })
  count(tree, ++tree.folders)
}

function count(tree: Tree, folders: number): void {
  if (tree.files.length + folders > FILES_MAX) refuse(`it has more than ${FILES_MAX} files and folders`)
}

function readFile(reader: BencodeReader, tree: Tree, folder: Folder | undefined, name: string): void {
  let attributes = ''
  let lengthBytes: number | undefined
  let rootOffset = 0
  reader.dictionary(key => {
    const field = asciiOf(key)
    if (field === 'attr') attributes = latin1(reader.string(ATTRIBUTES_BYTES_MAX))
    else if (field === 'length') lengthBytes = reader.integer()
    else if (field === 'pieces root') rootOffset = readRoot(reader, name)
    else reader.skip()
  })
  if (attributes.includes('l')) tree.symlinks++
  else if (attributes.includes('p')) tree.paddingFiles++
  else {
    if (lengthBytes === undefined || lengthBytes < 0) refuse(`${quoted(name)} has no length`)
    if (lengthBytes > 0 && rootOffset === 0) refuse(`${quoted(name)} has no root`)
    if (lengthBytes === 0 && rootOffset !== 0) refuse(`${quoted(name)} is empty and has a root`)
    tree.files.push({ folder, name, lengthBytes, executable: attributes.includes('x'), rootOffset })
    count(tree, tree.folders)
  }
}

function readRoot(reader: BencodeReader, name: string): number {
  const root = reader.string(HASH_BYTES)
  if (root.length !== HASH_BYTES) refuse(`the root of ${quoted(name)} has ${root.length} bytes`)
  return reader.offset - HASH_BYTES
}

export type TreeNode =
  | {
      readonly kind: 'file'
      readonly name: string
      readonly lengthBytes: number
      readonly executable: boolean
      readonly root: Uint8Array | undefined
    }
  | { readonly kind: 'folder'; readonly name: string; readonly children: readonly TreeNode[] }

/** The info dictionary of a file or folder. It is not checked: parseInfo may refuse it for exceeding a limit. */
export function buildInfo(top: TreeNode, pieceLengthBytes: number): Uint8Array {
  const writer = new BencodeWriter()
  const entries = top.kind === 'file' ? [top] : top.children
  writer.dictionary([
    [
      'file tree',
      () => {
        writeFolder(writer, entries)
      }
    ],
    [
      'meta version',
      () => {
        writer.integer(META_VERSION)
      }
    ],
    [
      'name',
      () => {
        writer.string(top.name)
      }
    ],
    [
      'piece length',
      () => {
        writer.integer(pieceLengthBytes)
      }
    ]
  ])
  return writer.finish()
}

function writeFolder(writer: BencodeWriter, children: readonly TreeNode[]): void {
  writer.dictionary(
    children.map(child => [
      child.name,
      () => {
        if (child.kind === 'folder') writeFolder(writer, child.children)
        else writeFile(writer, child)
      }
    ])
  )
}

/** Pre-encoded parts of a file's dictionary, `d0:d…ee`. A large manifest consists mostly of these. */
const PLAIN_FILE = utf8('d0:d6:length')
const EXECUTABLE_FILE = utf8('d0:d4:attr1:x6:length')
const ROOT_KEY = utf8('11:pieces root')
const FILE_END = utf8('ee')

function writeFile(writer: BencodeWriter, file: TreeNode & { kind: 'file' }): void {
  writer.encoded(file.executable ? EXECUTABLE_FILE : PLAIN_FILE)
  writer.integer(file.lengthBytes)
  if (file.root !== undefined) {
    writer.encoded(ROOT_KEY)
    writer.string(file.root)
  }
  writer.encoded(FILE_END)
}

/** The key of a root in PieceLayers. */
export function rootKey(root: Uint8Array): string {
  return hex(root)
}
