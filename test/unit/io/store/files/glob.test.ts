import { describe, expect, it } from 'vitest'
import {
  compileGlobs,
  exactGlob,
  GLOB_BYTES_MAX,
  GLOB_LENGTH_MAX,
  GLOBS_MAX,
  matches
} from '../../../../../src/io/store/files/glob.ts'

const takes = (globs: string[], path: string): boolean => compileGlobs(globs)(path.split('/'))

describe('a glob', () => {
  it.each([
    ['*.txt', 'a.txt', true],
    ['*.txt', 'deep/down/a.txt', true],
    ['*.txt', 'a.txt.gz', false],
    ['docs', 'docs/a/b.md', true],
    ['docs/', 'docs/a/b.md', true],
    ['docs/*.md', 'docs/a.md', true],
    ['docs/*.md', 'docs/a/b.md', false],
    ['docs/**', 'docs/a/b.md', true],
    ['docs/**/b.md', 'docs/a/c/b.md', true],
    ['docs/**/b.md', 'docs/b.md', true],
    ['docs/**/b.md', 'docs/ab.md', false],
    ['**/*.md', 'b.md', true],
    ['**', 'any/thing', true],
    ['a?c', 'abc', true],
    ['a?c/x', 'a/c/x', false],
    ['[ab]', 'a', false],
    ['*', 'x', true],
    ['文*', '文件', true],
    ['/a.txt', 'a.txt', true],
    ['/a.txt', 'deep/a.txt', false],
    ['/*.txt', 'deep/a.txt', false],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['a\\?*', 'a?c', true],
    ['a\\?*', 'abc', false],
    ['a\\\\b', 'a\\b', true],
    ['x\\', 'x\\', true]
  ])('%s against %s: %s', (glob, path, expected) => {
    expect(takes([glob], path)).toBe(expected)
  })

  it.each(['a.txt', 'a*b?', 'a/b\\*c', '[x]', '**', '\\', 'a\nb', '文件/é', ' '])(
    'matches exactly the path %j',
    path => {
      expect(takes([exactGlob(path)], path)).toBe(true)
      for (const other of [`x/${path}`, `${path}x`, path.replace(/[*?]/g, 'y'), 'other']) {
        expect([other, takes([exactGlob(path)], other)]).toEqual([other, other === path])
      }
    }
  )

  it('matches exactly the longest path, without delay', () => {
    const path = `${'*'.repeat(255)}/`.repeat(16).slice(0, -1)
    const takesIt = compileGlobs([exactGlob(path)])
    const start = process.cpuUsage().user
    for (let i = 0; i < 1_000; i++) expect(takesIt(path.replace('*', 'x').split('/'))).toBe(false)
    expect(takesIt(path.split('/'))).toBe(true)
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(2_000)
  })

  it('matches everything when the list is empty, and otherwise what any of the list matches', () => {
    expect(takes([], 'a/b')).toBe(true)
    expect(takes(['*.a', '*.b'], 'x.b')).toBe(true)
    expect(takes(['*.a', '*.b'], 'x.c')).toBe(false)
  })

  it('that makes backtracking matchers exponential is matched without delay', () => {
    const start = process.cpuUsage().user
    expect(matches(`${'*a'.repeat(200)}b`, 'a'.repeat(3_000))).toBe(false)
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(2_000)
  })

  it('over a limit is refused', () => {
    expect(() => compileGlobs(['*'.repeat(GLOB_LENGTH_MAX + 1)])).toThrow(/1 to/)
    expect(() => compileGlobs(['x'.repeat(GLOB_BYTES_MAX + 1)])).toThrow(/1 to/)
    expect(() => compileGlobs([''])).toThrow(/1 to/)
    expect(() => compileGlobs(Array.from({ length: GLOBS_MAX + 1 }, () => 'x'))).toThrow(/limit/)
  })
})
