/** What is said about contents: headers, listings, and to whom. Names are as hostile as a manifest may hold them. */
import http from 'node:http'
import { describe, expect, it } from 'vitest'
import { fileHeaders, tagOf } from '../../../../src/daemon/gateway/headers.ts'
import { isOwnHost } from '../../../../src/daemon/control/own-host.ts'
import { listingOf, listingPage, LISTING_ENTRIES_MAX } from '../../../../src/daemon/gateway/listing.ts'
import { makeContent } from '../../io/store/contents.ts'

const bytes = new Uint8Array([1])
const HOSTILE = [
  '\r\nset-cookie: a=b',
  '\u0001\u001b]0;title\u0007',
  '\u202egpj.exe',
  '\u2066\u200f\ufeff',
  '"; filename="evil.exe',
  "a'b''c",
  '<script>alert(1)',
  '"><img src=x onerror=y>',
  'javascript:alert(1)',
  '&lt;b&gt;',
  '%0d%0a',
  '日'.repeat(85),
  '\u{1f41f}'.repeat(63)
]

function headersOf(name: string): Record<string, string | number> {
  const { manifest } = makeContent('top', { [name]: { bytes }, other: { bytes } })
  return fileHeaders(
    manifest,
    manifest.files.find(file => file.name === name)!
  )
}

describe('of a file', () => {
  it.each([
    ['film.MP4', 'video/mp4', 'inline'],
    ['song.flac', 'audio/flac', 'inline'],
    ['read me.txt', 'text/plain; charset=utf-8', 'inline'],
    ['page.html', 'text/html; charset=utf-8', 'attachment'],
    ['drawing.svg', 'image/svg+xml', 'attachment'],
    ['noending', 'application/octet-stream', 'attachment'],
    ['x.constructor', 'application/octet-stream', 'attachment'],
    ['x.__proto__', 'application/octet-stream', 'attachment']
  ])('%s is %s, %s', (name, type, how) => {
    const headers = headersOf(name)
    expect(headers['content-type']).toBe(type)
    expect(headers['content-disposition']).toMatch(new RegExp(`^${how};`))
  })

  it.each(HOSTILE)('the name %j ends no header and turns nothing', name => {
    const headers = headersOf(name)
    for (const [key, value] of Object.entries(headers)) http.validateHeaderValue(key, String(value))
    const said = String(headers['content-disposition'])
    expect(said).toMatch(/^attachment; filename="[\w .()+,@-]*"; filename\*=UTF-8''[\w.~%-]*$/)
    const told = decodeURIComponent(/UTF-8''(.*)$/.exec(said)![1]!)
    expect(told).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(said.length).toBeLessThan(3_000)
  })

  it('equal bytes have equal tags, other bytes and other lengths have others', () => {
    const { manifest } = makeContent('top', {
      a: { bytes: new Uint8Array(10) },
      b: { bytes: new Uint8Array(10) },
      c: { bytes: new Uint8Array(11) },
      d: { bytes: new Uint8Array([1]) },
      empty: { bytes: new Uint8Array(0) }
    })
    const [a, b, c, d, empty] = manifest.files.map(file => tagOf(manifest, file))
    expect(a).toBe(b)
    expect(new Set([a, c, d, empty]).size).toBe(4)
    for (const tag of [a, empty]) expect(tag).toMatch(/^"[0-9a-z-]+"$/)
  })
})

describe('a listing', () => {
  it('has what stands in the folder itself, folders first, with the bytes below', () => {
    const { manifest } = makeContent('top', {
      'b/x': { bytes: new Uint8Array(5) },
      'b/c/y': { bytes: new Uint8Array(7) },
      a: { bytes },
      'void/': null
    })
    expect(listingOf(manifest, undefined)).toEqual({
      entries: [
        { name: 'b', kind: 'folder', bytes: 12 },
        { name: 'void', kind: 'folder', bytes: 0 },
        { name: 'a', kind: 'file', bytes: 1 }
      ],
      more: 0
    })
    const b = manifest.files.find(({ name }) => name === 'x')!.folder
    expect(listingOf(manifest, b).entries.map(({ name }) => name)).toEqual(['c', 'x'])
  })

  it('is bounded', () => {
    const names = Array.from({ length: LISTING_ENTRIES_MAX + 3 }, (_, i) => [`f${i}`, { bytes: new Uint8Array(0) }])
    const { entries, more } = listingOf(makeContent('top', Object.fromEntries(names) as never).manifest, undefined)
    expect([entries.length, more]).toEqual([LISTING_ENTRIES_MAX, 3])
  })

  it.each(HOSTILE)('the name %j is text and a link to itself, and no markup', name => {
    const page = listingPage([name], { entries: [{ name, kind: 'file', bytes: 1 }], more: 0 })
    const tags = page.match(/<[^>]*>/g)!
    const known = /^<(!doctype html|meta charset="utf-8"|\/?title|\/?h1|\/?ul|\/?li|\/?bdi|\/a|a href="\.\/[^"<>&]*")>$/
    for (const tag of tags) expect(tag).toMatch(known)
    // eslint-disable-next-line no-control-regex -- that is what must not be there
    expect(page).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e\u2066\u200f\ufeff]/)
    const href = /<a href="\.\/([^"]*)">/.exec(page)![1]!
    expect(decodeURIComponent(href)).toBe(name)
  })
})

describe('a request over TCP', () => {
  it.each(['127.0.0.1:80', 'localhost:80', 'LOCALHOST', '127.0.0.1', '[::1]:80', '127.9.9.9:80'])(
    'to %s is ours',
    host => {
      expect(isOwnHost(host, 80)).toBe(true)
    }
  )

  it.each([
    ...['evil.example', 'evil.example:80', '127.0.0.1:81', 'localhost.evil:80', '127.0.0.1.evil', '10.0.0.1:80'],
    ...[
      '0.0.0.0:80',
      '[::]:80',
      '::1:80',
      '127.1:80',
      '2130706433:80',
      '127.0.0.1:80:80',
      '127.0.0.1:080000',
      '',
      'a@localhost'
    ],
    ...[`localhost:80\r\nx: y`, 'localhost:', 'a'.repeat(10_000)]
  ])('to %j is not', host => {
    expect(isOwnHost(host, 80)).toBe(false)
  })

  it('without a host is not', () => {
    expect(isOwnHost(undefined, 80)).toBe(false)
  })
})
