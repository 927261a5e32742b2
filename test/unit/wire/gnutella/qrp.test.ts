import { describe, expect, it } from 'vitest'
import { hex } from '../../../../src/base/bytes.ts'
import { Random } from '../../../../src/base/random.ts'
import {
  partsOf,
  patchProblem,
  QRP_BITS_MAX,
  QRP_BITS_MIN,
  QRP_FILL_PERCENT_MAX,
  QRP_PATCH_BYTES_MAX,
  QRP_PREFIX_POINTS_MAX,
  qrpHash,
  QrpTable
} from '../../../../src/wire/gnutella/qrp.ts'

const random = Random.from('qrp')
const LETTERS = ['a', 'b', 'c', 'e', 'n', 'o', 's', 't', '0', '7', 'ß', 'é', 'я', '語', '楽', '𝄞', '🐟']
const word = (): string => Array.from({ length: 1 + random.below(12) }, () => random.pick(LETTERS)!).join('')
const words = (count: number): string[] => Array.from({ length: count }, word)
const points = (text: string): string[] => Array.from(text)
const bytesIn = (patches: readonly Uint8Array[]): number => patches.reduce((sum, patch) => sum + patch.length, 0)
const hexes = (patches: readonly Uint8Array[]): string[] => patches.map(hex)

describe('the hash of 0.6', () => {
  // The test values of its reference implementation: bits, text, slot.
  it.each([
    [13, '', 0],
    [13, 'eb', 6791],
    [13, 'ebc', 7082],
    [13, 'ebck', 6698],
    [13, 'ebckl', 3179],
    [13, 'ebcklm', 3235],
    [13, 'ebcklme', 6438],
    [13, 'ebcklmen', 1062],
    [13, 'ebcklmenq', 3527],
    [16, 'n', 65003],
    [16, 'nd', 54193],
    [16, 'ndf', 4953],
    [16, 'ndfl', 58201],
    [16, 'ndfla', 34830],
    [16, 'ndflal', 36910],
    [16, 'ndflale', 34586],
    [16, 'ndflalem', 37658],
    [16, 'ndflaleme', 45559],
    [10, 'ol2j34lj', 318],
    [10, 'asdfas23', 503],
    [10, '9um3o34fd', 758],
    [10, 'zzzzzzzzzzz', 944]
  ])('of %i bits maps %j to its slot', (bits, text, slot) => {
    expect(qrpHash(text) >>> (32 - bits)).toBe(slot)
  })
})

describe('a table of words', () => {
  it('has each of its words, and each prefix of them', () => {
    const known = words(3_000)
    const table = QrpTable.of(known)
    for (const one of known) {
      for (let length = 1; length <= points(one).length; length++) {
        expect(table.has(points(one).slice(0, length).join(''))).toBe(true)
      }
    }
  })

  it.each([
    ['of one byte', 'abdfhjlo'],
    ['of four bytes', '𝐀🐟𝄞𠀀𐌰𓀀𝕏😀']
  ])('looks a word up by its first 8 code points, %s each', (_what, long) => {
    const table = QrpTable.of([`${long}tail`])
    expect(table.count).toBe(QRP_PREFIX_POINTS_MAX)
    expect(table.has(`${long}other tail`)).toBe(true)
    expect(table.has(`${points(long).slice(0, 7).join('')}x`)).toBe(false)
    expect(table.has('x')).toBe(false)
  })

  it('matches every query without words, and no others when it is empty', () => {
    const empty = QrpTable.of([])
    expect([empty.bits, empty.count]).toEqual([QRP_BITS_MIN, 0])
    expect(empty.mayMatch([])).toBe(true)
    expect(empty.has('')).toBe(true)
    expect(empty.mayMatch(['a'])).toBe(false)
  })

  it('matches a query only when it may have all of its words', () => {
    const table = QrpTable.of(['freeform', 'jazz'])
    expect(table.mayMatch(['free', 'jazz'])).toBe(true)
    expect(table.mayMatch(['free', 'rock'])).toBe(false)
  })

  it.each([10, 400, 3_000, 10_000, 30_000])(
    'of %i words has the smallest size for its fill, and few false positives',
    count => {
      const table = QrpTable.of(Array.from({ length: count }, () => random.u32().toString(36)))
      const fill = table.count / 2 ** table.bits
      expect(fill).toBeLessThanOrEqual(QRP_FILL_PERCENT_MAX / 100)
      // Two slots are folded into one: the fill is at most twice as high.
      if (table.bits > QRP_BITS_MIN) expect(fill).toBeGreaterThan(QRP_FILL_PERCENT_MAX / 200)
      let wrong = 0
      for (let i = 0; i < 2_000; i++) if (table.has(`-${random.u32().toString(36)}`)) wrong++
      expect(wrong / 2_000).toBeLessThan(2 * fill + 0.01)
    }
  )

  it('is at most as large as the given limit', () => {
    const many = Array.from({ length: 120_000 }, () => random.u32().toString(36))
    expect(QrpTable.of(many).bits).toBe(QRP_BITS_MAX)
    const small = QrpTable.of(many, 16)
    expect(small.bits).toBe(16)
    expect(many.every(one => small.has(one))).toBe(true)
    expect(() => QrpTable.of([], QRP_BITS_MAX + 1)).toThrow(RangeError)
    expect(() => QrpTable.of([], QRP_BITS_MIN - 1)).toThrow(RangeError)
  })

  it('does not depend on the order of its words', () => {
    const known = words(2_000)
    expect(hexes(QrpTable.of(known.toReversed()).patches())).toEqual(hexes(QrpTable.of(known).patches()))
  })
})

describe('merged tables', () => {
  it('are the union, at the size of the largest', () => {
    const groups = [words(20), words(9_000), Array.from({ length: 30_000 }, () => random.u32().toString(36))]
    const tables = groups.map(group => QrpTable.of(group))
    const merged = QrpTable.merge(tables)
    expect(merged.bits).toBe(Math.max(...tables.map(table => table.bits)))
    expect(groups.flat().every(one => merged.has(one))).toBe(true)
    expect(merged.count).toBeLessThan((2 ** merged.bits * (tables.length * QRP_FILL_PERCENT_MAX)) / 100)
    expect(hexes(QrpTable.merge(tables.toReversed()).patches())).toEqual(hexes(merged.patches()))
    const travelled = QrpTable.fromPatches(merged.bits, merged.patches())!
    expect(groups.flat().every(one => travelled.has(one))).toBe(true)
  })

  it('equal the table when there is one, and an empty table when there is none', () => {
    const table = QrpTable.of(words(5_000))
    expect(hexes(QrpTable.merge([table]).patches())).toEqual(hexes(table.patches()))
    expect(QrpTable.merge([]).count).toBe(0)
  })
})

describe('patches', () => {
  it('have golden bytes', () => {
    // Of 2^14 slots ab takes 9715 and ba 13003, a 15968 and b 4647. Gaps of 4647, 5067, 3287 and 2964, as varints.
    const slots = ['b', 'ab', 'ba', 'a'].map(text => qrpHash(text) >>> (32 - 14))
    expect(slots).toEqual([4647, 9715, 13003, 15968])
    expect(hexes(QrpTable.of(['ab', 'ba']).patches())).toEqual(['a724cb27d7199417'])
  })

  it.each([0, 1, 50, 3_000, 40_000, 150_000])('encode a table of %i words without loss', count => {
    const table = QrpTable.of(Array.from({ length: count }, () => random.u32().toString(36)))
    const patches = table.patches()
    expect(patches.length).toBe(partsOf(table.bits))
    for (const patch of patches) expect(patch.length).toBeLessThanOrEqual(QRP_PATCH_BYTES_MAX)
    expect(bytesIn(patches)).toBeLessThanOrEqual(2 ** table.bits / 8)
    for (const patch of patches) expect(patchProblem(table.bits, patch)).toBeUndefined()
    const travelled = QrpTable.fromPatches(table.bits, patches)!
    expect([travelled.bits, travelled.count]).toEqual([table.bits, table.count])
    expect(hexes(travelled.patches())).toEqual(hexes(patches))
  })

  it('of a few words have a few bytes', () => {
    expect(bytesIn(QrpTable.of(['free', 'jazz']).patches())).toBeLessThanOrEqual(16)
  })

  it.each([
    ['an invalid size', 13, [[]]],
    ['an invalid size', 22, [[]]],
    ['an invalid size', 14.5, [[]]],
    ['too few patches', 19, [[]]],
    ['too many patches', 14, [[], []]],
    ['a slot past the end', 14, [[0x80, 0x80, 0x01]]],
    ['a truncated number', 14, [[0x80]]],
    ['a number that is not in its shortest form', 14, [[0x80, 0x00]]],
    ['a number that is too large', 14, [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]]],
    ['more bytes than plain bits', 14, [new Array<number>(2_049).fill(0)]],
    ['plain bits where gaps are shorter', 14, [new Array<number>(2_048).fill(0)]],
    ['a table larger than it needs to be', 15, [new Array<number>(900).fill(20)]],
    ['patches much smaller than their table', 21, new Array<number[]>(8).fill([])]
  ])('are refused with %s', (_what, bits, patches) => {
    expect(
      QrpTable.fromPatches(
        bits,
        patches.map(patch => Uint8Array.from(patch))
      )
    ).toBeUndefined()
  })

  it('are refused below a quarter of the size of their table, even for words chosen for their hashes', () => {
    // All slots of one part and none of the others are set: 1/8 full, and 1/8 of the bytes.
    const full = [...new Array<Uint8Array>(7).fill(new Uint8Array(0)), new Uint8Array(QRP_PATCH_BYTES_MAX).fill(0xff)]
    expect(QrpTable.fromPatches(QRP_BITS_MAX, full)).toBeUndefined()
    const half = new Uint8Array(QRP_PATCH_BYTES_MAX).fill(0xff)
    const table = QrpTable.fromPatches(19, [new Uint8Array(0), half])!
    expect(table.count).toBe(2 ** 18)
    expect(hexes(table.patches())).toEqual(hexes([new Uint8Array(0), half]))
  })
})
