/** Sequential reading and writing of bytes, for codecs. Numbers are big-endian, varints unsigned (LEB128). */

/** Maps the character code of a lower-case hexadecimal digit to its value; -1 for other characters. */
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
    if (length > this.left) throw new DecodeError(`truncated: ${length} bytes expected, ${this.left} left`)
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

  /** 0 to 2^53 - 1. Throws DecodeError unless it is in the shortest form. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw new DecodeError('varint with trailing zero bytes')
        if (!Number.isSafeInteger(value)) throw new DecodeError('number over 2^53 - 1')
        return value
      }
      scale *= 128
    }
    throw new DecodeError('number over 2^53 - 1')
  }

  /** A view of the input, not a copy. */
  take(length: number): Uint8Array {
    const at = this.step(length)
    return this.bytes.subarray(at, at + length)
  }

  /** A view of the last `length` bytes that were read. */
  behind(length: number): Uint8Array {
    return this.bytes.subarray(this.offset - length, this.offset)
  }

  /** A view of the bytes before the next byte with value `end`, at most `max` of them. Skips `end` too. */
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

  /** Reserves `length` bytes and returns their offset. May replace `this.bytes`: read that field only afterwards. */
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
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a safe unsigned integer: ${value}`)
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

  /**
   * Writes an id of `length` bytes. Throws RangeError unless `digits` has 2 * length digits of lower-case
   * hexadecimal.
   */
  hex(digits: string, length: number): void {
    if (digits.length !== 2 * length) throw new RangeError(`id of ${digits.length} digits instead of ${2 * length}`)
    const at = this.step(length)
    for (let i = 0; i < length; i++) {
      const high = NIBBLES[digits.charCodeAt(2 * i)] ?? -1
      const value = (high << 4) | (NIBBLES[digits.charCodeAt(2 * i + 1)] ?? -1)
      if (value < 0) throw new RangeError('id that is not lower-case hexadecimal')
      this.bytes[at + i] = value
    }
  }

  /** A view of the written bytes. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.offset)
  }

  /** Returns a copy of the written bytes and resets the writer. */
  cut(): Uint8Array {
    const written = this.bytes.slice(0, this.offset)
    this.offset = 0
    return written
  }

  get capacity(): number {
    return this.bytes.length
  }
}
