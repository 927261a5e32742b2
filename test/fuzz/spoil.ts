/** Binary messages as hostile and broken neighbours send them, drawn from a seed. */
import type { Random } from '../../src/base/random.ts'

/** Lengths and numbers at their ends, as varints, in GGEP's six bits, little-endian and in COBS; and what frames blocks. */
const TOKENS = [
  ...['00', '01', '7f', '80', 'ff', '8000', 'ff7f', 'ffffffffffffff0f', 'ffffffffffffffffff01'],
  ...['3f', '40', '41', '7f', 'bf7f', 'bfbf7f', '808040', 'bfbfbf7f', 'c0'],
  ...['ffff', 'ffffffff', 'ffffff7f', '00000100', '01000100', 'feffffff'],
  ...['c3', 'c3816140', '81', 'c1', 'ffff01', '0101', '4c46', '53484f41022020', '616200'],
  ...['c3a9', 'eda080', 'f0908080', 'c080', 'e280ae']
].map(text => Buffer.from(text, 'hex'))
const NOISE_BYTES_MAX = 200

/** One input in eight is noise; the others are one to three changes of `bytes`, to which `other` lends. */
export function spoil(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  if (random.chance(1 / 8)) return random.bytes(random.below(NOISE_BYTES_MAX))
  let now = Buffer.from(bytes)
  for (let changes = 1 + random.below(3); changes > 0; changes--) now = change(random, now, other)
  return new Uint8Array(now)
}

function change(random: Random, bytes: Buffer, other: Uint8Array): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1)
  const end = Math.min(bytes.length, at + random.below(40))
  const token = random.pick(TOKENS) ?? Buffer.alloc(0)
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.below(8)) {
    case 0:
      if (at < bytes.length) bytes[at] = bytes.readUInt8(at) ^ (1 << random.below(8))
      return Buffer.concat([bytes])
    case 1:
      if (at < bytes.length) bytes[at] = random.below(256)
      return Buffer.concat([bytes])
    case 2:
      return Buffer.concat([before])
    case 3:
      return Buffer.concat([before, bytes.subarray(end)])
    case 4:
      return Buffer.concat([bytes.subarray(0, end), behind])
    case 5: {
      const from = random.below(other.length + 1)
      return Buffer.concat([before, other.subarray(from, from + random.below(60)), behind])
    }
    case 6:
      return Buffer.concat([before, token, behind])
    default:
      return Buffer.concat([before, token, bytes.subarray(Math.min(bytes.length, at + token.length))])
  }
}
