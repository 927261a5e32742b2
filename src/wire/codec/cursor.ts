/** Bytes as codecs read and write them, one after the other. Numbers are big-endian, varints unsigned (LEB128). */

/** By character code: what a digit of lower-case hexadecimal stands for. */
const NIBBLES = new Int8Array(128).fill(-1)
for (let value = 0; value < 16; value++) NIBBLES[value.toString(16).charCodeAt(0)] = value

export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

export class Reader {
  private readonly bytes: Uint8Array
  private offset = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get left(): number {
    return this.bytes.length - this.offset
  }

  private step(length: number): number {
    if (length > this.left) throw new DecodeError(`cut short: ${length} bytes wanted, ${this.left} left`)
    const at = this.offset
    this.offset += length
    return at
  }

  u8(): number {
    return this.bytes[this.step(1)] ?? 0
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8()
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16()
  }

  /** 0 to 2^53 - 1, shortest form only. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw new DecodeError('a number in more bytes than it takes')
        if (!Number.isSafeInteger(value)) throw new DecodeError('a number over 2^53')
        return value
      }
      scale *= 128
    }
    throw new DecodeError('a number over 2^53')
  }

  /** A view of the input, not a copy. */
  take(length: number): Uint8Array {
    const at = this.step(length)
    return this.bytes.subarray(at, at + length)
  }

  /** The last `length` bytes that were read. A view, not a copy. */
  behind(length: number): Uint8Array {
    return this.bytes.subarray(this.offset - length, this.offset)
  }

  /** What stands before the next byte of value `end`, at most `max` bytes; `end` itself is passed over. A view, not a copy. */
  until(end: number, max: number): Uint8Array {
    const reach = this.bytes.subarray(this.offset, this.offset + max + 1)
    const length = reach.indexOf(end)
    if (length < 0) throw new DecodeError(`no byte ${end} after at most ${max} bytes`)
    const found = this.take(length)
    this.step(1)
    return found
  }
}

export class Writer {
  private bytes: Uint8Array
  private offset = 0

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Makes room: `bytes` are others after it, so read them then. */
  private step(length: number): number {
    const at = this.offset
    this.offset += length
    if (this.offset > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.offset, this.bytes.length * 2))
      grown.set(this.bytes)
      this.bytes = grown
    }
    return at
  }

  u8(value: number): void {
    const at = this.step(1)
    this.bytes[at] = value
  }

  u16(value: number): void {
    this.u8(value >>> 8)
    this.u8(value)
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value)
  }

  /** Throws RangeError unless `value` is an integer of 0 to 2^53 - 1. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no varint: ${value}`)
    let rest = value
    while (rest >= 128) {
      this.u8((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    this.u8(rest)
  }

  raw(bytes: Uint8Array): void {
    const at = this.step(bytes.length)
    this.bytes.set(bytes, at)
  }

  /** The bytes of an id of `length` bytes. Throws RangeError unless `digits` are so many of lower-case hexadecimal. */
  hex(digits: string, length: number): void {
    if (digits.length !== 2 * length) throw new RangeError(`an id of ${digits.length} digits, not ${2 * length}`)
    const at = this.step(length)
    for (let i = 0; i < length; i++) {
      const high = NIBBLES[digits.charCodeAt(2 * i)] ?? -1
      const value = (high << 4) | (NIBBLES[digits.charCodeAt(2 * i + 1)] ?? -1)
      if (value < 0) throw new RangeError('an id is hexadecimal')
      this.bytes[at + i] = value
    }
  }

  /** What was written, a view; the writer is done with. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.offset)
  }

  /** What was written, a copy of just that size; the writer begins anew. */
  cut(): Uint8Array {
    const written = this.bytes.slice(0, this.offset)
    this.offset = 0
    return written
  }

  get capacity(): number {
    return this.bytes.length
  }
}
