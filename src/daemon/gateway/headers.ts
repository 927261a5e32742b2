/**
 * What is said about a file beside its bytes. A content is anybody's making and a browser runs what it is given: nothing is sniffed,
 * everything is in a sandbox of its own origin, and no other site may read it.
 */
import { hex } from '../../base/bytes.ts'
import type { Manifest, ManifestFile } from '../../wire/bittorrent/metainfo.ts'
import { rootOf } from '../../wire/bittorrent/metainfo.ts'

export type Headers = Record<string, string | number>

/** By the last ending of a name. What is not here is a stream of bytes, to be saved and not shown. */
const TYPES: Readonly<Record<string, string>> = {
  aac: 'audio/aac',
  avi: 'video/x-msvideo',
  avif: 'image/avif',
  bmp: 'image/bmp',
  flac: 'audio/flac',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  m4a: 'audio/mp4',
  m4v: 'video/mp4',
  mkv: 'video/x-matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  mpg: 'video/mpeg',
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  ogv: 'video/ogg',
  opus: 'audio/ogg',
  pdf: 'application/pdf',
  png: 'image/png',
  srt: 'text/plain; charset=utf-8',
  ts: 'video/mp2t',
  txt: 'text/plain; charset=utf-8',
  md: 'text/plain; charset=utf-8',
  vtt: 'text/vtt; charset=utf-8',
  wav: 'audio/wav',
  webm: 'video/webm',
  webp: 'image/webp'
}
/** Types that are known and would run or rearrange themselves: named rightly, and saved rather than shown. */
const SAVED_TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  gz: 'application/gzip',
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  xhtml: 'application/xhtml+xml',
  xml: 'application/xml',
  zip: 'application/zip'
}
const BYTES = 'application/octet-stream'
const SANDBOX = 'sandbox'
/** A page of ours: no script, no style, no picture, no form. */
const BARE_PAGE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
/** The name in a header: what is cut still ends as it did. */
const NAME_LETTERS_MAX = 200

/** Of everything that is answered. */
const ALWAYS: Headers = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer'
}

/** Of a file of this content: it is the same for good. */
export function fileHeaders(manifest: Manifest, entry: ManifestFile): Headers {
  const { type, isShown } = typeOf(entry.name)
  return {
    ...ALWAYS,
    'content-type': type,
    'content-security-policy': SANDBOX,
    'content-disposition': disposition(isShown ? 'inline' : 'attachment', entry.name),
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    etag: tagOf(manifest, entry)
  }
}

/** Of a listing or an error. */
export function pageHeaders(type: 'text/html' | 'text/plain' | 'application/json', body: Buffer): Headers {
  return {
    ...ALWAYS,
    'content-type': `${type}; charset=utf-8`,
    'content-length': body.length,
    'content-security-policy': BARE_PAGE,
    'cache-control': 'no-store'
  }
}

/** Strong: equal tags are equal bytes. BEP 52 does not bind the length into the root, so it stands beside it. */
export function tagOf(manifest: Manifest, entry: ManifestFile): string {
  const root = rootOf(manifest, entry)
  return root === undefined ? '"empty"' : `"${hex(root)}-${entry.lengthBytes.toString(16)}"`
}

function typeOf(name: string): { type: string; isShown: boolean } {
  const ending = /\.([a-z0-9]{1,8})$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  const shown = Object.hasOwn(TYPES, ending) ? TYPES[ending] : undefined
  if (shown !== undefined) return { type: shown, isShown: true }
  return { type: (Object.hasOwn(SAVED_TYPES, ending) ? SAVED_TYPES[ending] : undefined) ?? BYTES, isShown: false }
}

/** RFC 6266: an ASCII name for all, and the name itself in UTF-8. Neither can end the header or pass for another name. */
function disposition(how: 'inline' | 'attachment', name: string): string {
  const letters = [...name]
  const kept = letters.length <= NAME_LETTERS_MAX ? letters : letters.slice(-NAME_LETTERS_MAX)
  const ascii = kept.map(letter => (/^[\w .()+,@-]$/.test(letter) ? letter : '_')).join('')
  // Marks that turn the direction of writing make `gpj.exe` of `exe.jpg`.
  const plain = kept.join('').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '_')
  const escaped = encodeURIComponent(plain).replace(/['()*!]/g, letter => {
    return `%${letter.charCodeAt(0).toString(16).toUpperCase()}`
  })
  return `${how}; filename="${ascii}"; filename*=UTF-8''${escaped}`
}
