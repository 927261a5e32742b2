/**
 * Query routing as in Gnutella 0.6's QRP: a table of 2^bits slots in which those of a node's words are set, by 0.6's hash. A
 * neighbour asks the table before it sends a query on its last hop. The table answers "surely not" or "maybe".
 *
 * Deviations: a word is entered with each of its prefixes of 1 to 8 code points, and is cut to 8 before it is looked up, since
 * search matches prefixes; slots say present or absent, there is no distance; a table travels whole, in parts of equal
 * numbers of slots, each as plain bits or as the gaps between set slots, whichever is shorter, and nothing is deflated.
 *
 * A table is as small as its fill allows: folded to half its size it would be over QRP_FILL_PERCENT_MAX full, or it has the
 * smallest size. Patches that weigh less than a quarter of their table are refused. So what a neighbour can make a node keep
 * is in proportion to what it has to send.
 */
import { utf8 } from '../../base/bytes.ts'
import { greatest } from '../../base/numbers.ts'
import { DecodeError, Reader } from '../codec/cursor.ts'

export const QRP_BITS_MIN = 14
export const QRP_BITS_MAX = 21
/** Where a lookup of one word that is not there says maybe once in sixteen times, and of two words once in 280. */
export const QRP_FILL_PERCENT_MAX = 6
export const QRP_PREFIX_POINTS_MAX = 8
export const QRP_PART_SLOTS_MAX = 1 << 18
/** A part as plain bits. */
export const QRP_PATCH_BYTES_MAX = QRP_PART_SLOTS_MAX / 8

/** 0.6: the golden ratio's fraction as a number of 32 bits, a little off. */
const MULTIPLIER = 0x4f1bbcdc
/** No prefix of 8 code points has more units of UTF-16. */
const PREFIX_UNITS_MAX = 2 * QRP_PREFIX_POINTS_MAX

/** 0.6's hash of a text: its bytes folded into 32 bits, multiplied, of which a table takes the highest. */
export function qrpHash(text: string): number {
  return hashOf(utf8(text).reduce((sum, byte, i) => sum ^ (byte << (8 * (i & 3))), 0))
}

function hashOf(sum: number): number {
  return Math.imul(sum, MULTIPLIER) >>> 0
}

/** In how many parts a table of 2^bits slots travels: 1 to 8. */
export function partsOf(bits: number): number {
  return Math.max(1, 2 ** bits / QRP_PART_SLOTS_MAX)
}

export class QrpTable {
  /** Of the number of slots: QRP_BITS_MIN to QRP_BITS_MAX. */
  readonly bits: number
  /** Slots that are set. */
  readonly count: number
  /** A bit for each slot, the highest of each byte first. */
  private readonly slots: Uint8Array

  private constructor(slots: Uint8Array) {
    this.bits = bitsOf(slots)
    this.count = countOf(slots)
    this.slots = slots
  }

  /** Of folded words (`wire/gnutella/words.ts`); of 2^bitsMax slots, or of fewer as soon as they do. */
  static of(words: Iterable<string>, bitsMax = QRP_BITS_MAX): QrpTable {
    const builder = QrpTable.builder(bitsMax)
    builder.add(words)
    return builder.table()
  }

  /** As `of`, for words that come in parts: `table` has all that were added. */
  static builder(bitsMax = QRP_BITS_MAX): { add(words: Iterable<string>): void; table(): QrpTable } {
    if (!isTableSize(bitsMax)) throw new RangeError(`a table of 2^${bitsMax} slots`)
    const slots = new Uint8Array(2 ** bitsMax / 8)
    const add = (words: Iterable<string>): void => {
      for (const word of words) {
        eachPrefix(word, sum => {
          setSlot(slots, hashOf(sum) >>> (32 - bitsMax))
        })
      }
    }
    return { add, table: () => new QrpTable(fitted(slots.slice())) }
  }

  /** All that any of them has, at the size of the largest: at a smaller one it would say maybe to nearly everything. */
  static merge(tables: Iterable<QrpTable>): QrpTable {
    const all = [...tables]
    const sizes = all.map(table => table.bits)
    const merged = new Uint8Array(2 ** greatest(QRP_BITS_MIN, sizes) / 8)
    for (const table of all) {
      let slots = table.slots
      while (slots.length < merged.length) slots = doubled(slots)
      for (let i = 0; i < merged.length; i++) merged[i] = (merged[i] ?? 0) | (slots[i] ?? 0)
    }
    return new QrpTable(fitted(merged))
  }

  /** The table that travelled as these, in their order; undefined when nobody makes such a table. */
  static fromPatches(bits: number, patches: readonly Uint8Array[]): QrpTable | undefined {
    if (!isTableSize(bits) || patches.length !== partsOf(bits)) return undefined
    const tableBytes = 2 ** bits / 8
    if (bits > QRP_BITS_MIN && tooLight(patches, tableBytes)) return undefined
    const partBytes = partBytesOf(bits)
    const slots = new Uint8Array(tableBytes)
    for (const [part, patch] of patches.entries()) {
      if (patchProblem(bits, patch) !== undefined) return undefined
      unpack(patch, slots.subarray(part * partBytes, (part + 1) * partBytes))
    }
    return spareHalf(slots) === undefined ? new QrpTable(slots) : undefined
  }

  /** Whether some word begins with this one, as far as 8 code points tell. False is certain, true is not. */
  has(word: string): boolean {
    let whole: number | undefined
    eachPrefix(word, sum => {
      whole = sum
    })
    // Every word begins with the empty one.
    return whole === undefined || hasSlot(this.slots, hashOf(whole) >>> (32 - this.bits))
  }

  /** Whether all of the words may be here; so it is for none. */
  mayMatch(words: readonly string[]): boolean {
    return words.every(word => this.has(word))
  }

  /** `partsOf(bits)` of them, of at most QRP_PATCH_BYTES_MAX bytes each. */
  patches(): Uint8Array[] {
    return packed(this.slots)
  }
}

/** What is wrong with a patch of a table of 2^bits slots, or undefined. */
export function patchProblem(bits: number, patch: Uint8Array): string | undefined {
  const plainBytes = partBytesOf(bits)
  if (patch.length > plainBytes) return `a patch of ${patch.length} bytes for ${plainBytes * 8} slots`
  if (patch.length === plainBytes) return gapsOf(patch) === undefined ? undefined : 'plain bits where gaps are shorter'
  return gapsProblem(patch, plainBytes * 8)
}

const isTableSize = (bits: number): boolean => Number.isInteger(bits) && bits >= QRP_BITS_MIN && bits <= QRP_BITS_MAX
const bitsOf = (slots: Uint8Array): number => Math.log2(slots.length * 8)
const partBytesOf = (bits: number): number => 2 ** bits / partsOf(bits) / 8

/** Folded sums of the prefixes of 1 to 8 code points, the longest last. */
function eachPrefix(word: string, visit: (sum: number) => void): void {
  const bytes = utf8(word.slice(0, PREFIX_UNITS_MAX))
  let sum = 0
  let points = 0
  for (let i = 0; i < bytes.length && points < QRP_PREFIX_POINTS_MAX; i++) {
    sum ^= (bytes[i] ?? 0) << (8 * (i & 3))
    // The next byte goes on with this code point.
    if (i + 1 < bytes.length && ((bytes[i + 1] ?? 0) & 0xc0) === 0x80) continue
    points++
    visit(sum)
  }
}

function setSlot(slots: Uint8Array, slot: number): void {
  slots[slot >> 3] = (slots[slot >> 3] ?? 0) | (0x80 >> (slot & 7))
}

function hasSlot(slots: Uint8Array, slot: number): boolean {
  return ((slots[slot >> 3] ?? 0) & (0x80 >> (slot & 7))) !== 0
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)
/** Each pair of neighbouring bits as one: the highest bit of a hash less is what a table of half the size takes. */
const HALVED = Uint8Array.from({ length: 256 }, (_, byte) =>
  [3, 2, 1, 0].reduce((half, pair) => (half << 1) | (((byte >> (2 * pair)) & 3) === 0 ? 0 : 1), 0)
)
/** Each bit of a nibble as two. */
const DOUBLED = Uint8Array.from({ length: 16 }, (_, nibble) =>
  [3, 2, 1, 0].reduce((byte, bit) => (byte << 2) | ((nibble >> bit) & 1 ? 3 : 0), 0)
)

/** Most tables are of few words, and nearly all of their bytes zero: four are looked at together. */
function eachByte(slots: Uint8Array, visit: (byte: number, at: number) => void): void {
  const quads = new Uint32Array(slots.buffer, slots.byteOffset, slots.length / 4)
  for (let quad = 0; quad < quads.length; quad++) {
    if (quads[quad] === 0) continue
    for (let at = 4 * quad; at < 4 * quad + 4; at++) visit(slots[at] ?? 0, at)
  }
}

function countOf(slots: Uint8Array): number {
  let count = 0
  eachByte(slots, byte => {
    count += ONES[byte] ?? 0
  })
  return count
}

function halved(slots: Uint8Array): Uint8Array {
  const half = new Uint8Array(slots.length / 2)
  eachByte(slots, (byte, at) => {
    half[at >> 1] = (half[at >> 1] ?? 0) | ((HALVED[byte] ?? 0) << (at & 1 ? 0 : 4))
  })
  return half
}

function doubled(slots: Uint8Array): Uint8Array {
  const twice = new Uint8Array(slots.length * 2)
  for (let i = 0; i < twice.length; i++) twice[i] = DOUBLED[((slots[i >> 1] ?? 0) >> (i & 1 ? 0 : 4)) & 15] ?? 0
  return twice
}

/** The table at half its size, where that would do. */
function spareHalf(slots: Uint8Array): Uint8Array | undefined {
  if (bitsOf(slots) === QRP_BITS_MIN) return undefined
  const half = halved(slots)
  return countOf(half) * 100 <= QRP_FILL_PERCENT_MAX * half.length * 8 ? half : undefined
}

/**
 * By their fill tables of words weigh half or more of what they take. One of 2^21 slots, all set in one part and none in the
 * others, weighs an eighth: it takes a million words chosen for their hashes, and its neighbours do without.
 */
function tooLight(patches: readonly Uint8Array[], tableBytes: number): boolean {
  return 4 * patches.reduce((sum, patch) => sum + patch.length, 0) < tableBytes
}

function fitted(slots: Uint8Array): Uint8Array {
  let fit = slots
  for (let half = spareHalf(fit); half !== undefined; half = spareHalf(half)) fit = half
  return fit
}

function packed(slots: Uint8Array): Uint8Array[] {
  const bits = bitsOf(slots)
  const partBytes = partBytesOf(bits)
  return Array.from({ length: partsOf(bits) }, (_, part) => {
    const plain = slots.slice(part * partBytes, (part + 1) * partBytes)
    return gapsOf(plain) ?? plain
  })
}

function unpack(patch: Uint8Array, into: Uint8Array): void {
  if (patch.length === into.length) {
    into.set(patch)
    return
  }
  let slot = -1
  for (let at = 0; at < patch.length;) {
    let scale = 1
    let gap = 0
    for (;;) {
      const byte = patch[at++] ?? 0
      gap += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 128
    }
    slot += gap + 1
    setSlot(into, slot)
  }
}

/** The gaps before each slot that is set, as varints; undefined where they are not shorter than the plain bits. */
function gapsOf(plain: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(plain.length - 1)
  let length = 0
  let next = 0
  for (let i = 0; i < plain.length; i++) {
    for (let rest = plain[i] ?? 0; rest !== 0;) {
      const bit = Math.clz32(rest) - 24
      rest &= ~(0x80 >> bit)
      const slot = i * 8 + bit
      for (let gap = slot - next; ; gap >>= 7) {
        if (length === out.length) return undefined
        out[length++] = gap < 0x80 ? gap : (gap & 0x7f) | 0x80
        if (gap < 0x80) break
      }
      next = slot + 1
    }
  }
  return out.slice(0, length)
}

/** What is wrong with the gaps of a part of so many slots. */
function gapsProblem(patch: Uint8Array, slots: number): string | undefined {
  const reader = new Reader(patch)
  let next = 0
  try {
    while (reader.left > 0) {
      next += reader.varint() + 1
      if (next > slots) return 'a slot behind the last'
    }
  } catch (error) {
    if (error instanceof DecodeError) return error.message
    throw error
  }
  return undefined
}
