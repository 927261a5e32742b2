/**
 * The names of a content's files in the target. Usually these are the content's own names. Names that the file system
 * cannot hold are refused, or with `--rename` replaced by other names, which are the same on every run.
 *
 * The name of an unfinished file is the final name plus `.part`. When that is too long, or the content has a file of
 * that name, the name contains a hash of the path.
 */
import { sha256Hex, utf8 } from '../../../base/bytes.ts'
import { ShoalError } from '../../../base/errors.ts'
import { folderPathOf, pathOf, type Manifest } from '../../../wire/bittorrent/metainfo.ts'
import { FILE_NAME_BYTES_MAX, quoted } from '../../../wire/bittorrent/paths.ts'

export const PART_SUFFIX = '.part'
const HASH_DIGITS = 8
/** Characters that FAT and related file systems refuse in a name, and those that they drop from its end. */
// eslint-disable-next-line no-control-regex -- control characters are among them
const UNUSUAL = /[\u0001-\u001f"*:<>?\\|]|[. ]$/

export interface NamingOptions {
  /** Whether the target's file system is case-insensitive. */
  readonly foldsCase: boolean
  /** Whether files get another name when the file system cannot hold their own. */
  readonly rename: boolean
}

export class Naming {
  private readonly manifest: Manifest
  private readonly rename: boolean
  /** Files whose last name is replaced. */
  private readonly renamed = new Map<number, string>()
  /** Paths of the content with a name that ends in `.part`. */
  private readonly partLike: Set<string>

  /** Throws ShoalError 'conflict' when two files would have the same name in the target. */
  constructor(manifest: Manifest, options: NamingOptions) {
    this.manifest = manifest
    this.rename = options.rename
    this.partLike = pathsLikeParts(manifest)
    if (options.foldsCase) this.separateFolded()
  }

  /** The names below the content's top; empty for a content that is a single file. */
  final(file: number): string[] {
    if (this.manifest.singleFile) return []
    const entry = this.manifest.files[file]
    if (entry === undefined) throw new RangeError(`file ${file} of ${this.manifest.files.length}`)
    const names = pathOf(entry).map(name => this.usual(name))
    const other = this.renamed.get(file)
    return other === undefined ? names : [...names.slice(0, -1), other]
  }

  emptyFolder(index: number): string[] {
    const entry = this.manifest.emptyFolders[index]
    if (entry === undefined) throw new RangeError(`folder ${index} of ${this.manifest.emptyFolders.length}`)
    return folderPathOf(entry).map(name => this.usual(name))
  }

  /** The name of the unfinished file beside `finalName`; `path` are the names below the top. */
  part(path: readonly string[], finalName: string): string {
    const plain = finalName + PART_SUFFIX
    if (Buffer.byteLength(plain) <= FILE_NAME_BYTES_MAX && !this.taken(path, plain)) return plain
    for (let n = 0; ; n++) {
      const name = shortened(finalName, `~${hashOf(`${n}/${path.join('/')}`)}${PART_SUFFIX}`)
      if (!this.taken(path, name)) return name
    }
  }

  private taken(path: readonly string[], name: string): boolean {
    return this.partLike.has([...path.slice(0, -1), name].join('/'))
  }

  private usual(name: string): string {
    if (!this.rename || !UNUSUAL.test(name)) return name
    return shortened(name.replace(new RegExp(UNUSUAL, 'g'), '_'), `~${hashOf(name)}`)
  }

  private separateFolded(): void {
    const byFolded = new Map<string, string>()
    for (let file = 0; file < this.manifest.files.length; file++) {
      const names = this.final(file)
      const path = names.join('/')
      const folded = path.toLowerCase()
      const first = byFolded.get(folded)
      if (first === undefined) {
        byFolded.set(folded, path)
      } else if (this.rename) {
        this.renamed.set(file, shortened(names.at(-1) ?? '', `~${hashOf(path)}`))
      } else {
        throw new ShoalError('conflict', `${quoted(first)} and ${quoted(path)} are the same name on this file system`, {
          hint: 'get it to another disk, or with --rename, which gives one of the two another name'
        })
      }
    }
  }
}

function hashOf(text: string): string {
  return sha256Hex(utf8(text)).slice(0, HASH_DIGITS)
}

/** The name truncated at a code point, plus `ending`, within the maximum length of a name. */
function shortened(name: string, ending: string): string {
  const letters = [...name]
  while (Buffer.byteLength(letters.join('') + ending) > FILE_NAME_BYTES_MAX) letters.pop()
  return letters.join('') + ending
}

function pathsLikeParts(manifest: Manifest): Set<string> {
  const found = new Set<string>()
  const look = (names: readonly string[]): void => {
    names.forEach((name, depth) => {
      if (name.endsWith(PART_SUFFIX)) found.add(names.slice(0, depth + 1).join('/'))
    })
  }
  for (const file of manifest.files) look(pathOf(file))
  for (const folder of manifest.emptyFolders) look(folderPathOf(folder))
  return found
}
