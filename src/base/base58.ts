/** Base 58 with Bitcoin's alphabet, in which libp2p writes peer IDs. The running time is quadratic in the length. */

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const DIGIT = new Map(Array.from(ALPHABET).map((letter, digit) => [letter, digit]))
/** `decode` refuses longer texts at once. A peer ID has 52 characters. */
const TEXT_LENGTH_MAX = 128

function encode(bytes: Uint8Array): string {
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++
  let number = 0n
  for (const byte of bytes) number = (number << 8n) | BigInt(byte)
  let text = ''
  while (number > 0n) {
    text = ALPHABET.charAt(Number(number % 58n)) + text
    number /= 58n
  }
  return '1'.repeat(zeros) + text
}

/** Undefined when `text` is not base 58 or has more than 128 characters. */
function decode(text: string): Uint8Array | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined
  let zeros = 0
  while (zeros < text.length && text[zeros] === '1') zeros++
  let number = 0n
  for (const letter of text) {
    const digit = DIGIT.get(letter)
    if (digit === undefined) return undefined
    number = number * 58n + BigInt(digit)
  }
  const tail: number[] = []
  while (number > 0n) {
    tail.unshift(Number(number & 0xffn))
    number >>= 8n
  }
  return Uint8Array.from([...new Array<number>(zeros).fill(0), ...tail])
}

export const base58 = { encode, decode }
