/**
 * A set of integers from 0 to length - 1, one bit each, in BitTorrent's order: index 0 is the highest bit of byte 0.
 */
export class Bitfield {
  readonly length: number
  private readonly bits: Uint8Array
  private set_ = 0

  constructor(length: number) {
    this.length = length
    this.bits = new Uint8Array(Math.ceil(length / 8))
  }

  /** Undefined when there are not exactly ceil(length / 8) bytes, or when a spare bit is set. */
  static decode(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.length !== Math.ceil(length / 8)) return undefined
    const field = new Bitfield(length)
    field.bits.set(bytes)
    for (let i = length; i < bytes.length * 8; i++) if (field.at(i)) return undefined
    for (let i = 0; i < length; i++) if (field.at(i)) field.set_++
    return field
  }

  private at(index: number): boolean {
    return (((this.bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && this.at(index)
  }

  /** Returns whether the bit was clear before. Throws RangeError outside 0 to length - 1. */
  add(index: number): boolean {
    if (index < 0 || index >= this.length) throw new RangeError(`bit ${index} of ${this.length}`)
    if (this.at(index)) return false
    this.bits[index >> 3] = (this.bits[index >> 3] ?? 0) | (1 << (7 - (index & 7)))
    this.set_++
    return true
  }

  /** Returns whether the bit was set before. */
  delete(index: number): boolean {
    if (!this.has(index)) return false
    this.bits[index >> 3] = (this.bits[index >> 3] ?? 0) & ~(1 << (7 - (index & 7)))
    this.set_--
    return true
  }

  fill(): this {
    for (let i = 0; i < this.length; i++) this.add(i)
    return this
  }

  /** The number of bits that are set. */
  get count(): number {
    return this.set_
  }

  get full(): boolean {
    return this.set_ === this.length
  }

  get empty(): boolean {
    return this.set_ === 0
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.length)
    copy.bits.set(this.bits)
    copy.set_ = this.set_
    return copy
  }

  /** A copy of the bytes: ceil(length / 8). */
  encode(): Uint8Array {
    return this.bits.slice()
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.length; i++) if (this.at(i)) yield i
  }
}
