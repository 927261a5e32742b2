import { describe, expect, it } from 'vitest'
import { bytesText, cut, secondsText, table, width } from '../../../../src/cli/terminal/format.ts'
import { progressText } from '../../../../src/cli/commands/get.ts'
import type { TransferRow } from '../../../../src/wire/control/methods.ts'

it.each([
  [0, '0 B'],
  [1, '1 B'],
  [1023, '1023 B'],
  [1024, '1.00 KiB'],
  [1536, '1.50 KiB'],
  [10_234, '9.99 KiB'],
  [10_236, '10.0 KiB'],
  [102_340, '99.9 KiB'],
  [102_400, '100 KiB'],
  [1_048_063, '1023 KiB'],
  [1_048_065, '1.00 MiB'],
  [2 ** 30, '1.00 GiB'],
  [2 ** 53, '8.00 PiB']
])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text)
})

it.each([
  [0, '0.0 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1 min'],
  [125, '2 min 5 s'],
  [3_600, '1 h'],
  [12_000, '3 h 20 min'],
  [86_400 * 4 + 3_700, '4 d 1 h'],
  [Infinity, '?'],
  [NaN, '?']
])('%d seconds are %s', (seconds, text) => {
  expect(secondsText(seconds)).toBe(text)
})

describe('a column', () => {
  it('counts wide letters twice, and letters with marks once', () => {
    expect(['abc', '鱼', '🐟', 'e\u0301', '한국', ''].map(width)).toEqual([3, 2, 2, 1, 4, 0])
  })

  it('counts flags, families and keycaps as one picture', () => {
    expect(['🇩🇪', '👩‍👩‍👧', '1️⃣', '☺️', '\u2026', '한', 'ｱ'].map(width)).toEqual([2, 2, 2, 2, 1, 2, 1])
  })

  it('is cut between letters, never inside one', () => {
    expect([cut('abc', 3), cut('abcd', 3), cut('鱼鱼鱼', 4), cut('a', 1)]).toEqual(['abc', 'ab…', '鱼…', 'a'])
  })

  it('lines up, and ends without blanks', () => {
    const columns = [
      { head: 'A', cell: ([a]: readonly [string, string]) => a },
      { head: 'NUMBER', cell: ([, b]: readonly [string, string]) => b, align: 'right' as const },
      { head: 'Z', cell: () => '' }
    ]
    expect(
      table(columns, [
        ['鱼', '1'],
        ['a\nb', '22']
      ] as const)
    ).toBe('A     NUMBER  Z\n鱼         1\na\\nb      22\n')
  })
})

it('prints a table of 1,000,000 rows', () => {
  const rows = Array.from({ length: 1_000_000 }, (_, at) => at)
  const text = table([{ head: 'FILE', cell: at => `f${at}` }], rows)
  expect(text.split('\n')).toHaveLength(rows.length + 2)
})

describe('progress', () => {
  const row: TransferRow = {
    ...{ id: 'ab'.repeat(32), name: 'x', state: 'fetching', bytes: 1000, haveBytes: 999, fetchedBytes: 999 },
    ...{ reusedBytes: 0, bytesPerSecond: 0, sources: [] }
  }

  it('is 100 % only when it is whole', () => {
    expect(progressText({ ...row, bytes: 1e9, haveBytes: 1e9 - 1 })).toContain('  99.9 %  ')
    expect(progressText({ ...row, haveBytes: 1000 })).toContain('  100.0 %  ')
    expect(progressText({ ...row, bytes: 0, haveBytes: 0 })).toContain('  100.0 %  ')
  })

  it('says what a download that stands still waits for', () => {
    expect(progressText({ ...row, bytesPerSecond: 0 })).toContain('stalled')
    const problem = 'waiting for 2.jpg: ant no longer has it'
    expect(progressText({ ...row, bytesPerSecond: 0, reason: 'not-offered', problem })).toContain(`  ${problem}  `)
  })

  it('is stalled without a rate', () => {
    expect(progressText(row)).toBe('x  99.9 %  999 B of 1000 B  0 B/s  stalled  0 sources')
  })

  it('says why it does not fetch', () => {
    expect(progressText({ ...row, name: '', state: 'paused', reason: 'the disk\nis full' })).toBe(
      'abababababababab  paused: the disk\\nis full'
    )
  })
})
