import { describe, expect, it } from 'vitest'
import { figure, median, quantile, ratio, table, reported } from '../../bench/figures.ts'

describe('figures', () => {
  it('give the middle value, and between two the mean', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([10, 1, 2, 3])).toBe(2.5)
    expect(() => median([])).toThrow(RangeError)
  })

  it('give the value that a share of them does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect([0.5, 0.95, 1].map(share => quantile(hundred, share))).toEqual([50, 95, 100])
    expect(quantile([7], 0.95)).toBe(7)
    expect(() => quantile([], 0.5)).toThrow(RangeError)
  })

  it('tell the middle and the range, and of one run no range', () => {
    expect(reported(figure([2, 1, 4]))).toBe('2.00 (1.00–4.00)')
    expect(reported(figure([1.25]), 1)).toBe('1.3')
  })

  it('compare runs that took place in turn pair by pair', () => {
    // The second pair met a busy machine: the ratio of the medians would say 6.
    expect(ratio([2, 12, 12], [1, 6, 2])).toBe(2)
  })

  it('draw a table with columns as wide as their widest cell', () => {
    const rows = [
      ['shoal', '1.00'],
      ['rsync over ssh', '12.00']
    ]
    expect(table(['', 's'], rows)).toBe(
      [
        '                       s',
        '  --------------   -----',
        '  shoal             1.00',
        '  rsync over ssh   12.00'
      ].join('\n')
    )
  })
})
