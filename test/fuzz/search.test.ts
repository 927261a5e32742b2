import { expect, it } from 'vitest'
import { equal, unhex } from '../../src/base/bytes.ts'
import { Random } from '../../src/base/random.ts'
import { decode, encode, varint, type Codec } from '../../src/wire/codec/codec.ts'
import { DecodeError } from '../../src/wire/codec/cursor.ts'
import { DESCRIPTOR_HEADER_BYTES } from '../../src/wire/gnutella/descriptor.ts'
import { ggep, wholeText } from '../../src/wire/gnutella/ggep.ts'
import { partsOf, patchProblem, QRP_BITS_MAX, QRP_BITS_MIN, QrpTable } from '../../src/wire/gnutella/qrp.ts'
import { searchMessage, type SearchMessage } from '../../src/wire/gnutella/search.ts'
import { golden } from '../unit/wire/gnutella/search.golden.ts'
import { pageOf, readWhole } from '../unit/wire/gnutella/pages.ts'
import { heapOf, slabOf } from './heap.ts'
import { Draw } from './search-messages.ts'
import { spoil } from './spoil.ts'

const INPUTS = process.env['SHOAL_TEST_SIZE'] === 'full' ? 1_000_000 : 50_000
const PATIENCE_MS = 15 * 60_000
const SEEDS = 60
/** Of what was read, so much is kept and weighed. */
const WEIGHED_MAX = 20_000
/** A value holds at most so many times its bytes on the wire ... */
const HEAP_TIMES_MAX = 4
/** ... and this: the objects of a message of a few bytes. */
const MESSAGE_HEAP_BYTES_MAX = 256
/** Where the length of a payload stands: tag 1 + id 16 + type, TTL and hops. */
const LENGTH_AT = 20

/** Both ends must be met, or the inputs are too wild or too tame to tell anything. */
interface Share {
  readonly least: number
  readonly most: number
}

/** Feeds drawn inputs to `read`, which gives back what the value is written as; returns inputs that were read. */
function fuzz(
  name: string,
  draw: (random: Random) => Uint8Array,
  rewrite: (input: Uint8Array) => Uint8Array,
  { least, most }: Share
): Uint8Array[] {
  const random = Random.from(`fuzz ${name}`)
  const kept: Uint8Array[] = []
  let read = 0
  for (let round = 0; round < INPUTS; round++) {
    const input = draw(random)
    try {
      if (!equal(rewrite(input), input)) throw new Error(`two encodings of one value, in round ${round}`)
      read++
      if (kept.length < WEIGHED_MAX) kept.push(input)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  expect(read / INPUTS).toBeGreaterThan(least)
  expect(read / INPUTS).toBeLessThan(most)
  return kept
}

function weigh(inputs: readonly Uint8Array[], read: (input: Uint8Array) => unknown): void {
  const at = slabOf(inputs)
  const wireBytes = inputs.reduce((sum, input) => sum + input.length, 0)
  const heapBytes = heapOf(inputs.length, index => read(at(index)))
  expect(heapBytes).toBeLessThan(HEAP_TIMES_MAX * wireBytes + MESSAGE_HEAP_BYTES_MAX * inputs.length)
}

/** Most inputs get past the header only with the length that their payload has now. */
function withLength(input: Uint8Array): Uint8Array {
  const payload = input.length - 1 - DESCRIPTOR_HEADER_BYTES
  if (payload >= 0) new DataView(input.buffer, input.byteOffset).setUint32(LENGTH_AT, payload, true)
  return input
}

const shares: Array<readonly [SearchMessage['kind'], Share]> = [
  ['ping', { least: 0.01, most: 0.9 }],
  ['pong', { least: 0.01, most: 0.9 }],
  ['query', { least: 0.01, most: 0.9 }],
  ['query-hit', { least: 0.01, most: 0.9 }],
  ['push', { least: 0.01, most: 0.9 }],
  ['route-table', { least: 0.01, most: 0.9 }],
  ['accept', { least: 0.001, most: 0.9 }]
]

it.each(shares)(
  `reads ${INPUTS} spoilt messages of kind %s as what they are, to the byte, or refuses them with DecodeError`,
  (kind, share) => {
    const drawing = new Draw(Random.from(`seeds of ${kind}`))
    const seeds = golden.filter(row => row[1].kind === kind).map(row => unhex(row[2])!)
    while (seeds.length < SEEDS) seeds.push(encode(searchMessage, drawing.message(kind)))
    const others = golden.map(row => unhex(row[2])!)
    const kept = fuzz(
      kind,
      random => {
        const input = spoil(random, random.pick(seeds)!, random.pick(random.chance(0.5) ? seeds : others)!)
        return random.chance(0.7) ? withLength(input) : input
      },
      input => {
        const { message, results } = readWhole(input)
        // A page is passed on as it came, which would tell nothing here.
        return encode(searchMessage, message.kind === 'query-hit' ? { ...message, page: pageOf(results) } : message)
      },
      share
    )
    weigh(kept, readWhole)
  },
  PATIENCE_MS
)

it.each([true, false])(
  `reads ${INPUTS} spoilt GGEP blocks as what they are, or refuses them; betweenNuls is %s`,
  betweenNuls => {
    const raw: Codec<Uint8Array> = {
      write: (w, v) => {
        w.raw(v)
      },
      read: r => new Uint8Array(r.take(r.left))
    }
    const block = ggep(
      { raw: { id: 'LF', data: raw }, number: { id: 'm', data: varint }, text: { id: 'p', data: wholeText(300) } },
      { betweenNuls }
    )
    const drawing = Random.from('seeds of ggep')
    const draw = new Draw(drawing)
    const seeds = Array.from({ length: SEEDS }, () => {
      const zeros = drawing.range(0, 0.5)
      const data = drawing.bytes(drawing.below(300)).map(byte => (drawing.chance(zeros) ? 0 : byte))
      return encode(block, { raw: data, number: draw.size(), text: drawing.chance(0.5) ? draw.text(1, 80) : undefined })
    })
    const read = (input: Uint8Array): unknown => decode(block, input)
    const kept = fuzz(
      `ggep ${betweenNuls}`,
      random => spoil(random, random.pick(seeds)!, random.pick(seeds)!),
      input => encode(block, decode(block, input)),
      { least: 0.01, most: 0.9 }
    )
    weigh(kept, read)
  },
  PATIENCE_MS
)

/** As one input: the size that a table is said to have, a byte, then its only patch. */
it(
  `makes tables of ${INPUTS} spoilt patches, each of which gives the same patches again, or none`,
  () => {
    const draw = new Draw(Random.from('seeds of qrp'))
    // From a few gaps to plain bits, and beyond the least size.
    const seeds = Array.from({ length: SEEDS }, (_, i) => {
      const table = draw.table(i < 50 ? i * 6 : i * 8)
      return Uint8Array.of(table.bits, ...table.patches()[0]!)
    })
    const rewrite = (input: Uint8Array): Uint8Array => {
      const [bits = 0, patch] = [input[0], input.subarray(1)]
      const table = QrpTable.fromPatches(bits, [patch])
      if (table === undefined) throw new DecodeError('no table')
      return Uint8Array.of(table.bits, ...table.patches()[0]!)
    }
    const kept = fuzz(
      'qrp',
      random => {
        const input = spoil(random, random.pick(seeds)!, random.pick(seeds)!)
        if (input.length > 0 && random.chance(0.7)) input[0] = QRP_BITS_MIN + (random.chance(0.1) ? random.below(6) : 0)
        return input
      },
      rewrite,
      { least: 0.01, most: 0.9 }
    )
    const tables = kept.filter(input => input.length > 2 ** QRP_BITS_MIN / 8 / HEAP_TIMES_MAX)
    expect(tables.length).toBeGreaterThan(kept.length / 100)
    weigh(tables, input => QrpTable.fromPatches(input[0]!, [input.subarray(1)]))
  },
  PATIENCE_MS
)

it(
  `never finds fault with what it makes of ${INPUTS} patches of any size, and never throws`,
  () => {
    const random = Random.from('fuzz patches')
    const draw = new Draw(Random.from('seeds of patches'))
    const seeds = Array.from({ length: 20 }, (_, i) => draw.table(i * 3).patches()[0]!)
    let sound = 0
    for (let round = 0; round < INPUTS; round++) {
      const bits = QRP_BITS_MIN + random.below(QRP_BITS_MAX - QRP_BITS_MIN + 1)
      const patches = Array.from({ length: random.chance(0.95) ? partsOf(bits) : random.below(9) }, () =>
        spoil(random, random.pick(seeds)!, random.pick(seeds)!)
      )
      const table = QrpTable.fromPatches(bits, patches)
      if (table === undefined) continue
      if (patches.some(patch => patchProblem(bits, patch) !== undefined))
        throw new Error(`an unsound patch, in round ${round}`)
      sound++
    }
    expect(sound).toBeGreaterThan(INPUTS / 1_000)
  },
  PATIENCE_MS
)
