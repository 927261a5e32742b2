/** Mutations of bytes, drawn from a seed: what bit rot, bad clients and people with time do to a message. */
import type { Random } from '../../src/base/random.ts'

/** Text that means something in bencode. */
const TOKENS = [
  ...['i', 'e', 'l', 'd', ':', '-', '0', '9', '0:', 'de', 'le', 'i0e', 'i-1e', '1:.', '2:..', '1:/', '1:\0', '3:a/b'],
  ...['i9007199254740991e', 'i9007199254740992e', 'i99999999999999999999e', '999999999999999:', 'd0:d6:lengthi0eee'],
  ...['4:attr1:l', '4:attr1:p', '6:length', '11:pieces root', '12:piece length', 'i1e', 'i16384e', 'i3e', '9:file tree']
].map(text => Buffer.from(text, 'latin1'))

/** One to four changes; `other` lends bytes. */
export function mutate(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  let now: Buffer = Buffer.from(bytes)
  for (let changes = 1 + random.below(4); changes > 0; changes--) now = change(random, now, other)
  return new Uint8Array(now)
}

function change(random: Random, bytes: Buffer, other: Uint8Array): Buffer {
  const at = random.below(bytes.length + 1)
  const end = Math.min(bytes.length, at + random.below(40))
  switch (random.below(7)) {
    case 0:
      if (at < bytes.length) bytes[at] = bytes.readUInt8(at) ^ (1 << random.below(8))
      return bytes
    case 1:
      return bytes.subarray(0, at)
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
    case 3:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
    case 4: {
      const from = random.below(other.length)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + random.below(60)), bytes.subarray(at)])
    }
    case 5:
      return Buffer.concat([bytes.subarray(0, at), random.pick(TOKENS) ?? Buffer.alloc(0), bytes.subarray(at)])
    default:
      return Buffer.concat([bytes.subarray(0, at), random.pick(TOKENS) ?? Buffer.alloc(0), bytes.subarray(end)])
  }
}
