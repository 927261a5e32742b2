/** What kind of file a name says that it is: by its extension alone, since a search sees names and no bytes. */

export const KINDS = ['video', 'audio', 'image', 'archive', 'text'] as const
export type Kind = (typeof KINDS)[number]

/** Code units of an extension; what follows the last dot of a name and is longer is none. */
export const EXTENSION_CHARS_MAX = 16

const EXTENSIONS: Readonly<Record<Kind, string>> = {
  video: '3gp asf avi divx f4v flv h264 hevc m2ts m4v mkv mov mp4 mpeg mpg mts ogm ogv rm rmvb ts vob webm wmv',
  audio:
    'aac aif aiff alac amr ape au flac m3u m4a m4b mid midi mka mp2 mp3 mpc oga ogg opus ra spx tta wav weba wma wv',
  image:
    'ai arw avif bmp cr2 dng eps gif heic heif ico jfif jpeg jpg jxl nef pcx png psd raw svg svgz tga tif tiff webp xcf',
  archive:
    '7z ace apk ar arj br bz2 cab cpio deb dmg gz img iso jar lha lz lz4 lzh lzma rar rpm tar tbz2 tgz txz war xar xz z zip zst',
  text:
    'adoc azw3 c cfg conf cpp css csv djvu doc docx epub go h htm html ini java js json log md mobi nfo odp ods odt pdf php ppt ' +
    'pptx ps py rb rs rst rtf sh sql srt sub tex toml tsv txt vtt xls xlsx xml yaml yml'
}

const KIND_OF = new Map<string, Kind>(
  KINDS.flatMap(kind => EXTENSIONS[kind].split(' ').map(extension => [extension, kind] as const))
)
const EXTENSION = new RegExp(`^[^./\\s\\p{C}]{1,${EXTENSION_CHARS_MAX}}$`, 'u')

export interface NameKind {
  /** Without its dot, folded; undefined: the name has none. */
  readonly extension: string | undefined
  readonly kind: Kind | undefined
}

/** Of a file's name, or of a path's last name. A dot at the beginning makes a hidden file and no extension. */
export function kindOfName(name: string): NameKind {
  const own = name.slice(name.lastIndexOf('/') + 1)
  const dot = own.lastIndexOf('.')
  const extension = dot < 1 ? undefined : foldExtension(own.slice(dot + 1))
  return { extension, kind: extension === undefined ? undefined : KIND_OF.get(extension) }
}

/** A kind, or an extension with or without its dot, as `fitsType` takes it; undefined: it can be neither. */
export function typeOf(text: string): string | undefined {
  return foldExtension(text.trim().replace(/^\./u, ''))
}

/** Whether a file of this name is of the type: one of `KINDS`, or an extension folded by `typeOf`. */
export function fitsType(name: string, type: string): boolean {
  const { extension, kind } = kindOfName(name)
  return isKind(type) ? kind === type : extension === type
}

export function isKind(type: string): type is Kind {
  return (KINDS as readonly string[]).includes(type)
}

function foldExtension(text: string): string | undefined {
  const folded = text.normalize('NFKC').toLowerCase()
  return EXTENSION.test(folded) ? folded : undefined
}
