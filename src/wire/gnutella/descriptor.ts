/**
 * Codecs for Gnutella 0.4: the id in a descriptor's header of 23 bytes, numbers and addresses. "All fields in the
 * following structures are in little-endian byte order unless otherwise specified"; addresses are IPv4 in network
 * order.
 */
import { hex } from '../../base/bytes.ts'
import { fixed, id, type Codec } from '../codec/codec.ts'
import { DecodeError } from '../codec/cursor.ts'

/** 16 bytes, 32 hexadecimal digits. */
export type DescriptorId = string & { readonly brand: 'DescriptorId' }

export const DESCRIPTOR_ID_BYTES = 16
/** id 16 + type 1 + TTL 1 + hops 1 + length 4. */
export const DESCRIPTOR_HEADER_BYTES = 23
export const U32_MAX = 0xffff_ffff

/** Throws RangeError unless there are 16 bytes. */
export function descriptorId(bytes: Uint8Array): DescriptorId {
  if (bytes.length !== DESCRIPTOR_ID_BYTES) throw new RangeError(`descriptor id of ${bytes.length} bytes`)
  return hex(bytes) as DescriptorId
}

export const descriptorIdCodec = id<DescriptorId>(DESCRIPTOR_ID_BYTES)

/** One byte. `write` throws RangeError for a value that does not fit. */
export const byte: Codec<number> = {
  write: (w, v) => {
    if (!Number.isInteger(v) || v < 0 || v > 0xff) throw new RangeError(`not a byte: ${v}`)
    w.u8(v)
  },
  read: r => r.u8()
}

/** An unsigned little-endian number of `length` bytes, at most 4. */
function little(length: number): Codec<number> {
  return {
    write: (w, v) => {
      if (!Number.isInteger(v) || v < 0 || v >= 256 ** length)
        throw new RangeError(`not a number of ${length} bytes: ${v}`)
      for (let i = 0; i < length; i++) w.u8((v >>> (8 * i)) & 0xff)
    },
    read: r => {
      let value = 0
      for (let i = 0; i < length; i++) value += r.u8() * 256 ** i
      return value
    }
  }
}

export const u16le = little(2)
export const u32le = little(4)

/** GGEP's `LF`: a little-endian number in the fewest possible bytes, at least `min`, at most 2^53 - 1. */
export function largeLittle(min: number): Codec<number> {
  return {
    write: (w, v) => {
      if (!Number.isSafeInteger(v) || v < min) throw new RangeError(`not a safe integer of at least ${min}: ${v}`)
      for (let rest = v; rest > 0; rest = Math.floor(rest / 256)) w.u8(rest % 256)
    },
    read: r => {
      if (r.left > 7) throw new DecodeError('number over 2^53 - 1')
      let value = 0
      let top = 0
      for (let scale = 1; r.left > 0; scale *= 256) {
        top = r.u8()
        value += top * scale
      }
      if (top === 0 || value < min || !Number.isSafeInteger(value)) throw new DecodeError('invalid 64-bit integer')
      return value
    }
  }
}

/** A field of 0.4 that Shoal does not use: always zero. */
export function zero(field: Codec<number>, what: string): Codec<number> {
  return {
    write: w => {
      field.write(w, 0)
    },
    read: r => {
      if (field.read(r) !== 0) throw new DecodeError(`${what} that is not zero`)
      return 0
    }
  }
}

export const ipv4 = fixed(4)
const NO_IPV4 = new Uint8Array(4)
const QUAD = /^(?:(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])(?:\.(?!$)|$)){4}$/

/** The four bytes of an IPv4 literal; 0.0.0.0 for every other host, which goes into an extension. */
export function quadOf(host: string): Uint8Array {
  return QUAD.test(host) ? Uint8Array.from(host.split('.'), Number) : NO_IPV4
}

/** The host when it must go into an extension; undefined when the IPv4 field holds it. */
export function beyondQuad(host: string): string | undefined {
  return quadOf(host).every(part => part === 0) ? host : undefined
}

/**
 * Joins the host from both fields. Throws DecodeError when both or neither have one, or when it is in the wrong
 * field.
 */
export function hostOf(quad: Uint8Array, beyond: string | undefined): string {
  const host = beyond ?? quad.join('.')
  if (beyondQuad(host) !== beyond) throw new DecodeError('address in the wrong field')
  if (beyond !== undefined && quad.some(part => part !== 0)) throw new DecodeError('two addresses')
  return host
}
