import { expect, it } from 'vitest'
import { parseSize } from '../../../../src/cli/terminal/sizes.ts'

it.each([
  ['0', 0],
  ['500', 500],
  ['500B', 500],
  ['1K', 1_024],
  ['1k', 1_024],
  ['1KiB', 1_024],
  ['1KB', 1_000],
  ['10M', 10 * 1_024 ** 2],
  ['1.5GiB', 1.5 * 1_024 ** 3],
  ['700 MB', 700e6],
  [' 2T ', 2 * 1_024 ** 4],
  ['7.99P', Math.round(7.99 * 1_024 ** 5)],
  ['8P', undefined],
  ['', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['M', undefined],
  ['10X', undefined],
  ['1.', undefined],
  ['10 M M', undefined],
  ['١٠', undefined]
])('%j is %s bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})
