/** A word of four letters for a number. No word is a prefix of another. */
export function tagOf(n: number): string {
  const digits = n.toString(20).padStart(4, '0')
  return [...digits].map(digit => String.fromCharCode(0x61 + Number.parseInt(digit, 20))).join('')
}
