import { makeContent, randomBytes, type Made } from './contents.ts'

/**
 * Pieces of many leaves and many small files, so that writing a piece and finishing both take long enough to be killed.
 */
export function crashContent(): Made {
  const small = Array.from({ length: 60 }, (_, n) => [`small/${n}`, { bytes: randomBytes(`s${n}`, 500 + n) }] as const)
  return makeContent(
    'crash',
    { 'big.bin': { bytes: randomBytes('crash', 3_000_000) }, ...Object.fromEntries(small) },
    256 << 10
  )
}
