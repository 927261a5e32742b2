/** Sizes as people write them. */

const POWERS = ['', 'k', 'm', 'g', 't', 'p'] as const
const SIZE = /^([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?:([kmgtp])(i?b)?|b)?$/i

/**
 * Bytes of `500`, `10M`, `1.5GiB`, `700 MB`: as GNU tools read them, K and KiB are 1,024 bytes and KB is 1,000. Undefined for
 * what is no size, or more than 2^53 bytes.
 */
export function parseSize(text: string): number | undefined {
  const [, digits, letter = '', rest = ''] = SIZE.exec(text.trim()) ?? []
  if (digits === undefined) return undefined
  const base = rest.toLowerCase() === 'b' ? 1_000 : 1_024
  const bytes = Math.round(Number(digits) * base ** POWERS.findIndex(power => power === letter.toLowerCase()))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
