/**
 * What a path of a URL means inside a content. The path is split where the URL says and decoded after that, each name is held against
 * the rules of a manifest's names, and only what the manifest names is ever looked up: no path leads to the disk.
 */
import { utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { isId, type ContentId } from '../../base/ids.ts'
import type { Folder, Manifest, ManifestFile } from '../../wire/bittorrent/metainfo.ts'
import { checkName, PATH_BYTES_MAX, PATH_DEPTH_MAX } from '../../wire/bittorrent/paths.ts'

export const CONTENT_PREFIX = '/content/'
/** Every byte of the longest path escaped, and the content ID. */
export const URL_LETTERS_MAX = PATH_BYTES_MAX * 3 + 128

export interface Place {
  readonly content: ContentId
  readonly names: readonly string[]
  /** It ends in a slash: only a folder, or the top of the content, is meant. */
  readonly asFolder: boolean
}

export type ResolvedPath =
  | { readonly kind: 'file'; readonly file: number; readonly entry: ManifestFile }
  /** Undefined: the top of the content. */
  | { readonly kind: 'folder'; readonly folder: Folder | undefined }

const bad = (what: string): ShoalError =>
  new ShoalError('bad-input', what, { hint: 'a path is /content/ID/NAME/NAME…, each name percent-encoded' })

/** Of the target of a request. Throws ShoalError 'bad-input'. */
export function parsePlace(url: string): Place {
  if (url.length > URL_LETTERS_MAX) throw bad(`a path has at most ${URL_LETTERS_MAX} letters`)
  const [path = ''] = url.split(/[?#]/, 1)
  if (!path.startsWith(CONTENT_PREFIX)) throw bad('nothing but contents is here')
  const [id = '', ...rest] = path.slice(CONTENT_PREFIX.length).split('/')
  if (!isId(id)) throw bad('a content ID has 64 hexadecimal digits, in lower case')
  const asFolder = rest.at(-1) === ''
  if (asFolder) rest.pop()
  if (rest.length > PATH_DEPTH_MAX) throw bad(`a path has at most ${PATH_DEPTH_MAX} names`)
  return { content: id as ContentId, names: rest.map(decoded), asFolder }
}

function decoded(segment: string): string {
  let name: string
  try {
    name = decodeURIComponent(segment)
  } catch {
    throw bad('a name is not UTF-8, percent-encoded')
  }
  const checked = checkName(utf8(name))
  if (!checked.ok) throw bad(`the path holds ${checked.problem}`)
  return name
}

/** The path of a URL below the content's ID; every name is escaped. */
export function encodedPath(names: readonly string[]): string {
  return names.map(name => encodeURIComponent(name)).join('/')
}

/** Undefined when the content has nothing of these names. A content of one file is that file, by its name or without. */
export function findIn(manifest: Manifest, names: readonly string[]): ResolvedPath | undefined {
  const { files, singleFile } = manifest
  const [only] = files
  if (singleFile && only !== undefined) {
    const isIt = names.length === 0 || (names.length === 1 && names[0] === manifest.name)
    return isIt ? { kind: 'file', file: 0, entry: only } : undefined
  }
  if (names.length === 0) return { kind: 'folder', folder: undefined }
  const name = names.at(-1)
  const above = names.slice(0, -1)
  const file = files.findIndex(one => one.name === name && isFolder(one.folder, above))
  const entry = files[file]
  if (entry !== undefined) return { kind: 'file', file, entry }
  const folder = folderIn(manifest, names)
  return folder === undefined ? undefined : { kind: 'folder', folder }
}

function folderIn({ files, emptyFolders }: Manifest, names: readonly string[]): Folder | undefined {
  const seen = new Set<Folder>()
  const above = function* (start: Folder | undefined): Generator<Folder> {
    for (let folder = start; folder !== undefined && !seen.has(folder); folder = folder.parent) {
      seen.add(folder)
      yield folder
    }
  }
  for (const file of files) for (const folder of above(file.folder)) if (isFolder(folder, names)) return folder
  for (const empty of emptyFolders) for (const folder of above(empty)) if (isFolder(folder, names)) return folder
  return undefined
}

function isFolder(folder: Folder | undefined, names: readonly string[]): boolean {
  if ((folder?.depth ?? 0) !== names.length) return false
  let up = folder
  for (let at = names.length - 1; up !== undefined; at--, up = up.parent) if (up.name !== names[at]) return false
  return true
}
