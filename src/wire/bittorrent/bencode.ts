/**
 * Bencode (BEP 3), strict: keys are sorted and distinct, numbers have no leading zeros and no minus zero, so that every
 * value has exactly one encoding. The reader is a cursor: it builds no tree of values, so its caller decides how much
 * memory a hostile input takes. It returns views of the input; `raw` returns the bytes of a value, for hashing. It
 * throws only DecodeError.
 */
import { assert } from '../../base/assert.ts'
import { compare, utf8 } from '../../base/bytes.ts'
import { DecodeError } from '../codec/cursor.ts'

/** Nesting of lists and dictionaries. A path of wire/bittorrent/paths.ts takes one level per name. */
export const BENCODE_DEPTH_MAX = 160
/** The most digits that a 64-bit number has. Longer numbers are refused. */
const INTEGER_DIGITS_MAX = 20
/** Digits of a string's length: enough for any input. */
const LENGTH_DIGITS_MAX = 15

const [DIGIT_0, DIGIT_9, COLON, MINUS] = [0x30, 0x39, 0x3a, 0x2d]
const [END, INTEGER, LIST, DICTIONARY] = [0x65, 0x69, 0x6c, 0x64]

export type BencodeKind = 'integer' | 'string' | 'list' | 'dictionary'

export class BencodeReader {
  private readonly input: Uint8Array
  private at = 0
  private depth = 0

  constructor(input: Uint8Array) {
    this.input = input
  }

  /** Where the next value begins. */
  get offset(): number {
    return this.at
  }

  private fail(what: string): never {
    throw new DecodeError(`bencode: ${what} at byte ${this.at}`)
  }

  private byte(): number {
    const byte = this.input[this.at]
    if (byte === undefined) this.fail('unexpected end of input')
    return byte
  }

  private digits(terminator: number, max: number): number {
    const start = this.at
    let value = 0
    for (let byte = this.byte(); byte !== terminator; byte = this.byte()) {
      if (byte < DIGIT_0 || byte > DIGIT_9) this.fail('not a digit')
      if (this.at - start === max) this.fail('number with too many digits')
      value = value * 10 + (byte - DIGIT_0)
      this.at++
    }
    if (this.at === start) this.fail('number without digits')
    if (this.input[start] === DIGIT_0 && this.at - start > 1) this.fail('leading zero')
    this.at++
    return value
  }

  /** The kind of the next value. */
  kind(): BencodeKind {
    const byte = this.byte()
    if (byte === INTEGER) return 'integer'
    if (byte === LIST) return 'list'
    if (byte === DICTIONARY) return 'dictionary'
    if (byte >= DIGIT_0 && byte <= DIGIT_9) return 'string'
    return this.fail('not a value')
  }

  private open(kind: BencodeKind): void {
    const found = this.kind()
    if (found !== kind) this.fail(`expected ${kind}, found ${found}`)
    this.at++
  }

  private integerOrBigger(): number {
    this.open('integer')
    const negative = this.byte() === MINUS
    if (negative) this.at++
    const value = this.digits(END, INTEGER_DIGITS_MAX)
    if (negative && value === 0) this.fail('minus zero')
    return negative ? -value : value
  }

  /** A safe integer: -(2^53 - 1) to 2^53 - 1. */
  integer(): number {
    const value = this.integerOrBigger()
    if (!Number.isSafeInteger(value)) this.fail('number over 2^53 - 1')
    return value
  }

  /** A view of at most `maxBytes` bytes. */
  string(maxBytes: number): Uint8Array {
    if (this.kind() !== 'string') this.fail(`expected string, found ${this.kind()}`)
    const length = this.digits(COLON, LENGTH_DIGITS_MAX)
    if (length > maxBytes) this.fail(`string of ${length} bytes (the limit is ${maxBytes})`)
    if (length > this.input.length - this.at) this.fail('truncated string')
    const start = this.at
    this.at += length
    return this.input.subarray(start, this.at)
  }

  private descend(): void {
    if (++this.depth > BENCODE_DEPTH_MAX) this.fail(`more than ${BENCODE_DEPTH_MAX} levels of nesting`)
  }

  /** Calls `onEntry` with every key. The callback must consume the value with exactly one call of this reader. */
  dictionary(onEntry: (key: Uint8Array) => void): void {
    this.open('dictionary')
    this.descend()
    let last: Uint8Array | undefined
    while (this.byte() !== END) {
      const key = this.string(this.input.length)
      const order = last === undefined ? -1 : compare(last, key)
      if (order === 0) this.fail('duplicate key')
      if (order > 0) this.fail('keys out of order')
      last = key
      const start = this.at
      onEntry(key)
      assert(this.at > start, 'every value of a dictionary is consumed')
    }
    this.at++
    this.depth--
  }

  /** Calls `onItem` for every item, which the callback must consume with exactly one call of this reader. */
  list(onItem: () => void): void {
    this.open('list')
    this.descend()
    while (this.byte() !== END) {
      const start = this.at
      onItem()
      assert(this.at > start, 'every item of a list is consumed')
    }
    this.at++
    this.depth--
  }

  /** Skips a value of any kind and checks its syntax. */
  skip(): void {
    switch (this.kind()) {
      case 'integer':
        this.integerOrBigger()
        break
      case 'string':
        this.string(this.input.length)
        break
      case 'list':
        this.list(() => {
          this.skip()
        })
        break
      case 'dictionary':
        this.dictionary(() => {
          this.skip()
        })
        break
    }
  }

  /** Skips the next value, checks its syntax and returns a view of its bytes. */
  raw(): Uint8Array {
    const start = this.at
    this.skip()
    return this.input.subarray(start, this.at)
  }

  /** Throws DecodeError when any bytes follow. */
  end(): void {
    if (this.at < this.input.length) this.fail(`${this.input.length - this.at} trailing bytes`)
  }
}

/** Writes values in sequence. Throws RangeError for a value without an encoding, which is a bug of the caller. */
export class BencodeWriter {
  private out = Buffer.alloc(256)
  private length = 0

  /** Reserves `bytes` bytes and returns their offset. */
  private step(bytes: number): number {
    const at = this.length
    this.length += bytes
    if (this.length > this.out.length) {
      const grown = Buffer.alloc(Math.max(this.length, this.out.length * 2))
      grown.set(this.out)
      this.out = grown
    }
    return at
  }

  private put(bytes: Uint8Array): void {
    const at = this.step(bytes.length)
    this.out.set(bytes, at)
  }

  private ascii(text: string): void {
    const at = this.step(text.length)
    this.out.write(text, at, 'latin1')
  }

  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`)
    this.ascii(`i${value}e`)
  }

  string(value: Uint8Array | string): void {
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length
    this.ascii(`${length}:`)
    if (typeof value !== 'string') this.put(value)
    else {
      const at = this.step(length)
      this.out.write(value, at)
    }
  }

  /** Writes a value that is already encoded. */
  encoded(value: Uint8Array): void {
    this.put(value)
  }

  list(writeItems: () => void): void {
    this.ascii('l')
    writeItems()
    this.ascii('e')
  }

  /** Sorts the entries; each callback writes one value. Throws RangeError for a duplicate key. */
  dictionary(entries: ReadonlyArray<readonly [key: Uint8Array | string, writeValue: () => void]>): void {
    const sorted = entries
      .map(([key, writeValue]) => ({ key: typeof key === 'string' ? utf8(key) : key, writeValue }))
      .sort((a, b) => compare(a.key, b.key))
    this.ascii('d')
    let last: Uint8Array | undefined
    for (const { key, writeValue } of sorted) {
      if (last !== undefined && compare(last, key) === 0) throw new RangeError('duplicate key')
      last = key
      this.string(key)
      writeValue()
    }
    this.ascii('e')
  }

  /** The written bytes, as a view. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return new Uint8Array(this.out.buffer, this.out.byteOffset, this.length)
  }
}
