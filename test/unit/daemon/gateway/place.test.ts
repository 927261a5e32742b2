import { describe, expect, it } from 'vitest'
import { encodedPath, findIn, parsePlace, URL_LETTERS_MAX } from '../../../../src/daemon/gateway/place.ts'
import { makeContent } from '../../io/store/contents.ts'

const ID = '0123456789abcdef'.repeat(4)
const bytes = new Uint8Array([1])
const places = (path: string): readonly string[] => parsePlace(`/content/${ID}${path}`).names

describe('a path', () => {
  it('is split before it is decoded', () => {
    expect(parsePlace(`/content/${ID}`)).toEqual({ content: ID, names: [], asFolder: false })
    expect(parsePlace(`/content/${ID}/`)).toEqual({ content: ID, names: [], asFolder: true })
    expect(parsePlace(`/content/${ID}/a%20b/%E6%97%A5/`)).toEqual({ content: ID, names: ['a b', '日'], asFolder: true })
    expect(places('/a?b=/../c')).toEqual(['a'])
    expect(places('/%3F%23%25')).toEqual(['?#%'])
  })

  it.each([
    ...[
      '/..',
      '/%2e%2e',
      '/.',
      '/a/../b',
      '/a//b',
      '//a',
      '/a%2Fb',
      '/%00',
      '/a%00',
      '/%ff',
      '/%',
      '/%zz',
      '/%ed%a0%80'
    ],
    `/${'a'.repeat(256)}`,
    `/${'%E6%97%A5'.repeat(86)}`,
    '/a'.repeat(129),
    `/${'a'.repeat(URL_LETTERS_MAX)}`
  ])('%s is refused', path => {
    expect(() => places(path)).toThrow(expect.objectContaining({ code: 'bad-input' }))
  })

  it.each([
    '/',
    '/content/',
    '/content/abc/x',
    `/content/${ID.toUpperCase()}/x`,
    `//content/${ID}/x`,
    `http://h/content/${ID}`
  ])('%s names no content', url => {
    expect(() => parsePlace(url)).toThrow(expect.objectContaining({ code: 'bad-input' }))
  })

  it('is what is encoded of its names', () => {
    const names = ['a b', '日本', '?#%&', "it's", '\u202egpj', '\u0007', 'x'.repeat(255)]
    expect(places(`/${encodedPath(names)}`)).toEqual(names)
  })
})

describe('in a folder', () => {
  const { manifest } = makeContent('album', {
    'a/b/c.txt': { bytes },
    'a/x.txt': { bytes },
    'b/c.txt': { bytes },
    'empty/inner/': null
  })
  const kind = (...names: string[]): string | undefined => findIn(manifest, names)?.kind

  it('files and folders are found by their whole path only', () => {
    expect([kind(), kind('a'), kind('a', 'b'), kind('empty'), kind('empty', 'inner')]).toEqual(Array(5).fill('folder'))
    expect([kind('a', 'b', 'c.txt'), kind('b', 'c.txt')]).toEqual(['file', 'file'])
    expect([kind('c.txt'), kind('b', 'b'), kind('x.txt'), kind('inner'), kind('a', 'b', 'c.txt', 'd')]).toEqual(
      Array(5).fill(undefined)
    )
    expect(findIn(manifest, ['b', 'c.txt'])).toMatchObject({ file: 2 })
  })

  it('a name of the language is no name of the content', () => {
    expect([kind('__proto__'), kind('constructor')]).toEqual([undefined, undefined])
  })
})

it('a content of one file is that file, by its name or without', () => {
  const { manifest } = makeContent('lone', { lone: { bytes } })
  expect(findIn(manifest, [])).toMatchObject({ kind: 'file', file: 0 })
  expect(findIn(manifest, ['lone'])).toMatchObject({ kind: 'file', file: 0 })
  expect(findIn(manifest, ['other'])).toBeUndefined()
})
