/**
 * Query routing as in Gnutella 0.6's QRP. A table has 2^bits slots; the slots of a node's words are set, chosen by the
 * hash of 0.6. A neighbour looks a query up in the table before it sends the query on its last hop. The answer of a
 * lookup is "certainly not" or "maybe".
 *
 * Deviations: Search matches prefixes, so a word is entered with each of its prefixes of 1 to 8 code points and is
 * cut to 8 code points before a lookup. A slot is set or not; there is no distance. A table is always sent whole, in
 * parts of equal size. A part is sent as plain bits or as the gaps between set slots, whichever is shorter, without
 * compression.
 *
 * A table has the smallest size that its fill allows: at half the size it would be more than QRP_FILL_PERCENT_MAX full,
 * unless it has the minimum size. Patches that are smaller than a quarter of their table are refused, so the memory
 * that a neighbour can make a node use is proportional to the bytes that the neighbour sends.
 */
import { utf8 } from '../../base/bytes.ts'
import { greatest } from '../../base/numbers.ts'
import { DecodeError, Reader } from '../codec/cursor.ts'

export const QRP_BITS_MIN = 14
export const QRP_BITS_MAX = 21
/** At this fill, a lookup of one absent word answers "maybe" once in 16 times, and of two absent words once in 280. */
export const QRP_FILL_PERCENT_MAX = 6
export const QRP_PREFIX_POINTS_MAX = 8
export const QRP_PART_SLOTS_MAX = 1 << 18
/** The size of a part as plain bits. */
export const QRP_PATCH_BYTES_MAX = QRP_PART_SLOTS_MAX / 8

/** The multiplier of 0.6's hash, close to the golden ratio's fraction times 2^32. */
const MULTIPLIER = 0x4f1bbcdc
/** The most UTF-16 code units that a prefix of 8 code points has. */
const PREFIX_UNITS_MAX = 2 * QRP_PREFIX_POINTS_MAX

/**
 * 0.6's hash of a text: its bytes XORed into 32 bits, then multiplied. A table uses the highest `bits` bits as the
 * slot.
 */
export function qrpHash(text: string): number {
  return hashOf(utf8(text).reduce((sum, byte, i) => sum ^ (byte << (8 * (i & 3))), 0))
}

function hashOf(sum: number): number {
  return Math.imul(sum, MULTIPLIER) >>> 0
}

/** The number of parts in which a table of 2^bits slots is sent: 1 to 8. */
export function partsOf(bits: number): number {
  return Math.max(1, 2 ** bits / QRP_PART_SLOTS_MAX)
}

export class QrpTable {
  /** Log2 of the number of slots: QRP_BITS_MIN to QRP_BITS_MAX. */
  readonly bits: number
  /** The number of set slots. */
  readonly count: number
  /** One bit per slot, the highest bit of each byte first. */
  private readonly slots: Uint8Array

  private constructor(slots: Uint8Array) {
    this.bits = bitsOf(slots)
    this.count = countOf(slots)
    this.slots = slots
  }

  /** The table of folded words (words.ts), with at most 2^bitsMax slots; smaller when the fill allows it. */
  static of(words: Iterable<string>, bitsMax = QRP_BITS_MAX): QrpTable {
    const builder = QrpTable.builder(bitsMax)
    builder.add(words)
    return builder.table()
  }

  /** Like `of`, for words that are added in several steps. `table` returns a table of all words added so far. */
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

  /** The union of tables, built at the size of the largest, because at a smaller size nearly all slots would be set. */
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

  /** Rebuilds a table from all of its patches, in order. Undefined when they are not a valid table. */
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

  /** Whether some word of the table may begin with the first 8 code points of `word`. False is certain, true is not. */
  has(word: string): boolean {
    let whole: number | undefined
    eachPrefix(word, sum => {
      whole = sum
    })
    // The empty word is a prefix of every word.
    return whole === undefined || hasSlot(this.slots, hashOf(whole) >>> (32 - this.bits))
  }

  /** Whether `has` is true for all of the words. True for an empty list. */
  mayMatch(words: readonly string[]): boolean {
    return words.every(word => this.has(word))
  }

  /** The table as `partsOf(bits)` patches of at most QRP_PATCH_BYTES_MAX bytes each. */
  patches(): Uint8Array[] {
    return packed(this.slots)
  }
}

/** Why a patch of a table of 2^bits slots is invalid; undefined when it is valid. */
export function patchProblem(bits: number, patch: Uint8Array): string | undefined {
  const plainBytes = partBytesOf(bits)
  if (patch.length > plainBytes) return `patch of ${patch.length} bytes for ${plainBytes * 8} slots`
  if (patch.length === plainBytes) return gapsOf(patch) === undefined ? undefined : 'plain bits where gaps are shorter'
  return gapsProblem(patch, plainBytes * 8)
}

const isTableSize = (bits: number): boolean => Number.isInteger(bits) && bits >= QRP_BITS_MIN && bits <= QRP_BITS_MAX
const bitsOf = (slots: Uint8Array): number => Math.log2(slots.length * 8)
const partBytesOf = (bits: number): number => 2 ** bits / partsOf(bits) / 8

/** Calls `visit` with the XORed bytes of each prefix of 1 to 8 code points, the shortest first. */
function eachPrefix(word: string, visit: (sum: number) => void): void {
  const bytes = utf8(word.slice(0, PREFIX_UNITS_MAX))
  let sum = 0
  let points = 0
  for (let i = 0; i < bytes.length && points < QRP_PREFIX_POINTS_MAX; i++) {
    sum ^= (bytes[i] ?? 0) << (8 * (i & 3))
    // The next byte continues this code point.
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
/** The byte with each pair of adjacent bits ORed into one: a table of half the size uses one hash bit less. */
const HALVED = Uint8Array.from({ length: 256 }, (_, byte) =>
  [3, 2, 1, 0].reduce((half, pair) => (half << 1) | (((byte >> (2 * pair)) & 3) === 0 ? 0 : 1), 0)
)
/** The nibble with each bit doubled. */
const DOUBLED = Uint8Array.from({ length: 16 }, (_, nibble) =>
  [3, 2, 1, 0].reduce((byte, bit) => (byte << 2) | ((nibble >> bit) & 1 ? 3 : 0), 0)
)

/**
 * Calls `visit` with every non-zero byte and others near it. Most bytes of a table are zero, so it tests four at
 * once.
 */
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
 * Whether the patches are smaller than a quarter of their table. Patches of real words have at least half the size of
 * their table, because of its fill. A table of 2^21 slots that are all set in one part and clear in the others is an
 * eighth. It takes a million words chosen for their hashes, so refusing it harms no honest node.
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

/** The gaps before each set slot, as varints; undefined when they are not shorter than the plain bits. */
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

/** Why the gaps are invalid for a part of `slots` slots; undefined when they are valid. */
function gapsProblem(patch: Uint8Array, slots: number): string | undefined {
  const reader = new Reader(patch)
  let next = 0
  try {
    while (reader.left > 0) {
      next += reader.varint() + 1
      if (next > slots) return 'slot past the end'
    }
  } catch (error) {
    if (error instanceof DecodeError) return error.message
    throw error
  }
  return undefined
}
