import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../../src/base/bytes.ts'
import { checkName, quoted, quotedPath } from '../../../../src/wire/bittorrent/paths.ts'

describe('names', () => {
  it.each([
    'a',
    '文件',
    '...',
    '.hidden',
    ' ',
    'a\\b',
    'n'.repeat(255),
    '長'.repeat(85),
    '\ufeffbom',
    'con',
    'e\u0301'
  ])('accepts %j unchanged', name => {
    expect(checkName(utf8(name))).toEqual({ ok: true, name })
  })

  it.each([
    ['', 'an empty name'],
    ['.', 'the name "."'],
    ['..', 'the name ".."'],
    ['/', 'a separator'],
    ['../up', 'a separator'],
    ['/etc', 'a separator'],
    ['a\0', 'a NUL'],
    ['n'.repeat(256), '256 bytes'],
    ['長'.repeat(86), '258 bytes']
  ])('refuses %j', (name, why) => {
    expect(checkName(utf8(name))).toEqual({ ok: false, problem: expect.stringContaining(why) as string })
  })

  it.each([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe9]])('refuses bytes that are not UTF-8: %j', (...bytes) => {
    expect(checkName(Uint8Array.from(bytes))).toEqual({ ok: false, problem: 'a name that is not UTF-8' })
  })

  it('are quoted for messages without control characters', () => {
    expect(quoted('a"b')).toBe('"a\\"b"')
    expect(quoted('\u001b[31m\u009b\u202e')).toBe('"\\u001b[31m\\u009b\\u202e"')
    expect(quoted('文')).toBe('"文"')
    expect(quoted('x'.repeat(100))).toHaveLength(82)
    expect(quotedPath(`\u001b${'x'.repeat(100)}`)).toBe(`"\\u001b${'x'.repeat(100)}"`)
  })
})
