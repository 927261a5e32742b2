/**
 * Magnet links of BitTorrent v2 (BEP 52): `magnet:?xt=urn:btmh:1220…`. `1220` is the multihash prefix of SHA-256; the
 * content ID follows.
 */
import { ShoalError } from '../../base/errors.ts'
import { isId, type ContentId } from '../../base/ids.ts'
import { quoted } from './paths.ts'

export const MAGNET_LENGTH_MAX = 8_192
const SCHEME = 'magnet:?'
const V2 = 'urn:btmh:1220'
const V1 = 'urn:btih:'

export interface Magnet {
  readonly contentId: ContentId
  /** The display name in the link; it is for display only. */
  readonly name: string | undefined
}

/** Whether the text has the scheme of magnet links. */
export function isMagnet(text: string): boolean {
  return text.slice(0, SCHEME.length).toLowerCase() === SCHEME
}

/** Throws ShoalError 'bad-input' for anything but a magnet link with exactly one v2 content ID. */
export function parseMagnet(text: string): Magnet {
  if (text.length > MAGNET_LENGTH_MAX) bad(`the magnet link is longer than ${MAGNET_LENGTH_MAX} characters`)
  if (!isMagnet(text)) bad(`${quoted(text)} is not a magnet link`)
  const fields = text.slice(SCHEME.length).split('&').map(fieldOf)
  const topics = fields.filter(([key]) => key === 'xt' || key.startsWith('xt.')).map(([, value]) => value.toLowerCase())
  const ids = new Set(topics.filter(topic => topic.startsWith(V2)).map(topic => topic.slice(V2.length)))
  const [id] = ids
  if (id === undefined) {
    bad(
      topics.some(topic => topic.startsWith(V1))
        ? 'the magnet link has a BitTorrent v1 infohash only, and v2 is required'
        : 'the magnet link has no content ID'
    )
  }
  if (!isId(id)) bad('the content ID of the magnet link is not 64 hexadecimal digits')
  if (ids.size > 1) bad('the magnet link has more than one content ID')
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
    hint: 'A magnet link is magnet:?xt=urn:btmh:1220 followed by 64 hexadecimal digits.'
  })
}

export function formatMagnet(magnet: Magnet): string {
  const name = magnet.name === undefined ? '' : `&dn=${encodeURIComponent(magnet.name)}`
  return `${SCHEME}xt=${V2}${magnet.contentId}${name}`
}
