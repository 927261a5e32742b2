/** Magnet links of BitTorrent v2 (BEP 52): `magnet:?xt=urn:btmh:1220…`, the content's ID behind the multihash prefix of SHA-256. */
import { ShoalError } from '../../base/errors.ts'
import { isId, type ContentId } from '../../base/ids.ts'
import { quoted } from './paths.ts'

export const MAGNET_LENGTH_MAX = 8_192
const SCHEME = 'magnet:?'
const V2 = 'urn:btmh:1220'
const V1 = 'urn:btih:'

export interface Magnet {
  readonly contentId: ContentId
  /** What the link calls it: for showing, nothing else. */
  readonly name: string | undefined
}

/** Whether the text means to be a magnet link. */
export function isMagnet(text: string): boolean {
  return text.slice(0, SCHEME.length).toLowerCase() === SCHEME
}

/** Throws ShoalError 'bad-input' for what is no magnet link with a v2 content. */
export function parseMagnet(text: string): Magnet {
  if (text.length > MAGNET_LENGTH_MAX) bad(`a magnet link has more than ${MAGNET_LENGTH_MAX} letters`)
  if (!isMagnet(text)) bad(`${quoted(text)} is no magnet link`)
  const fields = text.slice(SCHEME.length).split('&').map(fieldOf)
  const topics = fields.filter(([key]) => key === 'xt' || key.startsWith('xt.')).map(([, value]) => value.toLowerCase())
  const ids = new Set(topics.filter(topic => topic.startsWith(V2)).map(topic => topic.slice(V2.length)))
  const [id] = ids
  if (id === undefined) {
    bad(
      topics.some(topic => topic.startsWith(V1))
        ? 'this magnet link is of BitTorrent v1 only, and v2 is needed'
        : 'the magnet link names no content'
    )
  }
  if (!isId(id)) bad('the content ID of the magnet link is not 64 hexadecimal digits')
  if (ids.size > 1) bad('the magnet link names more than one content')
  return { contentId: id as ContentId, name: fields.find(([key]) => key === 'dn')?.[1] }
}

function fieldOf(field: string): readonly [key: string, value: string] {
  const split = field.indexOf('=')
  const value = split < 0 ? '' : field.slice(split + 1)
  return [(split < 0 ? field : field.slice(0, split)).toLowerCase(), unescaped(value)]
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '))
  } catch {
    return value
  }
}

function bad(what: string): never {
  throw new ShoalError('bad-input', what, {
    hint: 'A link looks like magnet:?xt=urn:btmh:1220 and 64 hexadecimal digits.'
  })
}

export function formatMagnet(magnet: Magnet): string {
  const name = magnet.name === undefined ? '' : `&dn=${encodeURIComponent(magnet.name)}`
  return `${SCHEME}xt=${V2}${magnet.contentId}${name}`
}
