import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import type { ContentId } from '../../../../src/base/ids.ts'
import { MAGNET_LENGTH_MAX, formatMagnet, isMagnet, parseMagnet } from '../../../../src/wire/bittorrent/magnet.ts'

const ID = 'ab'.repeat(32) as ContentId
const V2 = `xt=urn:btmh:1220${ID}`

describe('a magnet link', () => {
  it('has a golden text', () => {
    expect(formatMagnet({ contentId: ID, name: undefined })).toBe(`magnet:?xt=urn:btmh:1220${ID}`)
    expect(formatMagnet({ contentId: ID, name: 'a b&c=文' })).toBe(
      `magnet:?xt=urn:btmh:1220${ID}&dn=a%20b%26c%3D%E6%96%87`
    )
  })

  it.each([undefined, '', 'plain', 'a b&c=d+e%20', '文件 🎵'])('is read back with the name %j', name => {
    expect(parseMagnet(formatMagnet({ contentId: ID, name }))).toEqual({ contentId: ID, name })
  })

  it.each([
    ['of a hybrid', `magnet:?xt=urn:btih:${'1'.repeat(40)}&${V2}&dn=x`],
    ['with trackers', `magnet:?dn=x&tr=udp%3A%2F%2Fhost%3A80&${V2}`],
    ['in capitals', `MAGNET:?XT=URN:BTMH:1220${ID.toUpperCase()}&dn=x`],
    ['with numbered topics', `magnet:?xt.1=urn:btih:1&xt.2=urn:btmh:1220${ID}&dn=x`],
    ['with the same topic twice', `magnet:?${V2}&${V2}&dn=x`]
  ])('%s is understood', (_what, text) => {
    expect(isMagnet(text)).toBe(true)
    expect(parseMagnet(text)).toEqual({ contentId: ID, name: 'x' })
  })

  it('keeps a name with invalid escapes unchanged', () => {
    expect(parseMagnet(`magnet:?${V2}&dn=%E6%`).name).toBe('%E6%')
  })

  it.each([
    ['v1 alone', `magnet:?xt=urn:btih:${'1'.repeat(40)}`, 'BitTorrent v1 infohash only'],
    ['no topic', 'magnet:?dn=x', 'has no content ID'],
    ['another hash', `magnet:?xt=urn:btmh:1114${ID}`, 'has no content ID'],
    ['a short ID', 'magnet:?xt=urn:btmh:1220abcd', '64 hexadecimal digits'],
    ['an ID that is not hexadecimal', `magnet:?xt=urn:btmh:1220${'zz'.repeat(32)}`, '64 hexadecimal digits'],
    ['two contents', `magnet:?${V2}&xt=urn:btmh:1220${'cd'.repeat(32)}`, 'more than one'],
    ['another scheme', `http:?${V2}`, 'not a magnet link'],
    ['its length', `magnet:?${V2}&dn=${'x'.repeat(MAGNET_LENGTH_MAX)}`, `longer than ${MAGNET_LENGTH_MAX}`]
  ])('is refused for %s', (_what, text, why) => {
    expect(() => parseMagnet(text)).toThrow(ShoalError)
    expect(() => parseMagnet(text)).toThrow(why)
  })
})
