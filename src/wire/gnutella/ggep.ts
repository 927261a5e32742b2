/**
 * Blocks of GGEP, the Gnutella Generic Extension Protocol (document 0.51): values in a descriptor for which 0.4 has no
 * field. A block is the magic 0xC3, then extensions: flags (last, COBS, length of the id), id, length (six bits per
 * byte, most significant first), data. No byte of a header is ever zero. The data must not contain a zero byte either
 * when the block is between the NULs of a result; COBS removes zeros there.
 *
 * Stricter than the document, so that a block has one encoding: ids ascend without duplicates, lengths have the fewest
 * possible bytes, data is COBS-encoded only where it must be, nothing is compressed. An id that is not in the schema is
 * refused: the protocol changes only by a new version.
 */
import { equal, textOf, utf8 } from '../../base/bytes.ts'
import { decode, encode, type Codec } from '../codec/codec.ts'
import { DecodeError, type Reader, type Writer } from '../codec/cursor.ts'

const MAGIC = 0xc3
const FLAG_LAST = 0x80
const FLAG_COBS = 0x40
/** Compression (deflate) and the reserved bit. */
const FLAGS_REFUSED = 0x30
const ID_LENGTH = 0x0f
const LENGTH_MORE = 0x80
const LENGTH_END = 0x40
const LENGTH_BITS = 6
/** Three bytes of length, six bits each. */
export const GGEP_DATA_BYTES_MAX = 2 ** 18 - 1

/** One kind of extension: its id on the wire, 1 to 15 ASCII characters, and the codec of its data. */
export interface Extension<T> {
  readonly id: string
  readonly data: Codec<T>
}

type Extensions = Record<string, Extension<unknown>>
/** Every extension may be missing. The caller checks for those that it requires. */
export type BlockOf<E> = { [K in keyof E]: (E[K] extends Extension<infer T> ? T : never) | undefined }

/**
 * The codec of a block of these extensions. It writes nothing when no extension is present; the reader must know by
 * other means that there is no block. `betweenNuls`: the encoded block must not contain a NUL.
 */
export function ggep<E extends Extensions>(
  extensions: E,
  { betweenNuls }: { betweenNuls: boolean }
): Codec<BlockOf<E>> {
  const sorted = Object.entries(extensions).toSorted(([, a], [, b]) => (a.id < b.id ? -1 : 1))
  const byId = new Map(sorted.map(([name, { id, data }]) => [id, { name, codec: data }]))
  return {
    write: (w, v) => {
      const used = sorted.filter(([name]) => v[name] !== undefined)
      if (used.length > 0) w.u8(MAGIC)
      for (const [at, [name, { id, data }]] of used.entries()) {
        const last = at === used.length - 1
        writeExtension(w, { id, data: encode(data, v[name]), last, betweenNuls })
      }
    },
    read: r => {
      if (r.u8() !== MAGIC) throw new DecodeError('not a GGEP block')
      const block: Record<string, unknown> = {}
      let before = ''
      for (;;) {
        const { id, data, last } = readExtension(r, betweenNuls)
        if (id <= before) throw new DecodeError('extensions not in ascending order of their ids')
        before = id
        const known = byId.get(id)
        if (known === undefined) throw new DecodeError(`unknown extension: ${JSON.stringify(id)}`)
        block[known.name] = decode(known.codec, data)
        if (last) return block as BlockOf<E>
      }
    }
  }
}

function writeExtension(
  w: Writer,
  { id, data, last, betweenNuls }: { id: string; data: Uint8Array; last: boolean; betweenNuls: boolean }
): void {
  const stuffed = betweenNuls && data.includes(0)
  const raw = stuffed ? cobs(data) : data
  if (raw.length > GGEP_DATA_BYTES_MAX) throw new RangeError(`extension of ${raw.length} bytes`)
  w.u8((last ? FLAG_LAST : 0) | (stuffed ? FLAG_COBS : 0) | id.length)
  w.raw(utf8(id))
  for (let shift = 2 * LENGTH_BITS; shift > 0; shift -= LENGTH_BITS) {
    if (raw.length >> shift > 0) w.u8(LENGTH_MORE | ((raw.length >> shift) & 0x3f))
  }
  w.u8(LENGTH_END | (raw.length & 0x3f))
  w.raw(raw)
}

function readExtension(r: Reader, betweenNuls: boolean): { id: string; data: Uint8Array; last: boolean } {
  const flags = r.u8()
  if ((flags & FLAGS_REFUSED) !== 0) throw new DecodeError('extension with unsupported flags')
  const id = textOf(r.take(flags & ID_LENGTH))
  if (id === undefined || id === '') throw new DecodeError('extension without an id')
  const raw = r.take(readLength(r))
  const stuffed = (flags & FLAG_COBS) !== 0
  const data = stuffed ? uncobs(raw) : raw
  if (stuffed !== (betweenNuls && data.includes(0)))
    throw new DecodeError('COBS where it is not needed, or no COBS where it is')
  return { id, data, last: (flags & FLAG_LAST) !== 0 }
}

function readLength(r: Reader): number {
  let length = 0
  for (let chunks = 1; chunks <= 3; chunks++) {
    const chunk = r.u8()
    length = (length << LENGTH_BITS) | (chunk & 0x3f)
    const marks = chunk & (LENGTH_MORE | LENGTH_END)
    if (marks === LENGTH_END) {
      if (chunks > 1 && length >> (LENGTH_BITS * (chunks - 1)) === 0)
        throw new DecodeError('length with leading zero bytes')
      return length
    }
    if (marks !== LENGTH_MORE) throw new DecodeError('invalid flags in a length byte')
  }
  throw new DecodeError('length of more than three bytes')
}

const COBS_RUN_MAX = 254

/** Consistent overhead byte stuffing (Cheshire and Baker): runs without a NUL, each preceded by its length plus one. */
export function cobs(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + Math.floor(data.length / COBS_RUN_MAX) + 1)
  let length = 0
  let from = 0
  while (from <= data.length) {
    const reach = data.subarray(from, from + COBS_RUN_MAX)
    const nul = reach.indexOf(0)
    const run = nul < 0 ? reach.length : nul
    out[length++] = run + 1
    out.set(reach.subarray(0, run), length)
    length += run
    from += run
    // After a full run no NUL is implied. A shorter run is followed by a NUL or by the end.
    if (run < COBS_RUN_MAX) from++
    else if (from === data.length) break
  }
  return out.subarray(0, length)
}

/** Inverts `cobs`. Throws DecodeError when `stuffed` is not an output of `cobs`. */
export function uncobs(stuffed: Uint8Array): Uint8Array {
  const out = new Uint8Array(stuffed.length)
  let length = 0
  for (let at = 0; at < stuffed.length;) {
    const code = stuffed[at] ?? 0
    if (code === 0 || at + code > stuffed.length) throw new DecodeError('invalid COBS')
    out.set(stuffed.subarray(at + 1, at + code), length)
    length += code - 1
    at += code
    if (code <= COBS_RUN_MAX && at < stuffed.length) out[length++] = 0
  }
  const data = out.subarray(0, length)
  if (!equal(cobs(data), stuffed)) throw new DecodeError('COBS that is not in its shortest form')
  return data
}

/** All of an extension's data as a text of 1 to `maxBytes` bytes. */
export function wholeText(maxBytes: number): Codec<string> {
  return {
    write: (w, v) => {
      w.raw(textBytes(v, maxBytes))
    },
    read: r => {
      if (r.left > maxBytes) throw new DecodeError(`${r.left} bytes, the limit is ${maxBytes}`)
      return soundText(r.take(r.left))
    }
  }
}

/** A text of 1 to `maxBytes` bytes, followed by a NUL. */
export function nulText(maxBytes: number): Codec<string> {
  return {
    write: (w, v) => {
      if (v.includes('\0')) throw new RangeError('a text with a NUL in it')
      w.raw(textBytes(v, maxBytes))
      w.u8(0)
    },
    read: r => soundText(r.until(0, maxBytes))
  }
}

function textBytes(value: string, maxBytes: number): Uint8Array {
  const raw = utf8(value)
  if (raw.length === 0 || raw.length > maxBytes) throw new RangeError(`${raw.length} bytes, not 1 to ${maxBytes}`)
  return raw
}

function soundText(raw: Uint8Array): string {
  const value = textOf(raw)
  if (value === undefined) throw new DecodeError('text that is not UTF-8')
  if (value === '') throw new DecodeError('empty text')
  return value
}

/** Wraps a text codec and refuses texts that contain a NUL. */
export function nulFree(text: Codec<string>): Codec<string> {
  return {
    write: (w, v) => {
      if (v.includes('\0')) throw new RangeError('a text with a NUL in it')
      text.write(w, v)
    },
    read: r => {
      const value = text.read(r)
      if (value.includes('\0')) throw new DecodeError('text that contains a NUL')
      return value
    }
  }
}

/** An extension without data: only its presence matters. */
export const present: Codec<true> = {
  write: () => {},
  read: () => true
}
