/**
 * Blocks of GGEP, the Gnutella Generic Extension Protocol (document 0.51): what rides in a descriptor beside the fields of
 * 0.4. Magic 0xC3, then extensions: flags (last, COBS, length of the id), id, length (six bits a byte, most significant
 * first), data. Nothing in a header is ever zero; between the NULs of a result the data may not be either, and COBS sees to
 * that.
 *
 * Stricter than the document, so that a block has one encoding: ids ascend, none comes twice, lengths are as short as they
 * can be, COBS stands where a NUL would and nowhere else, nothing is compressed. An id that is not in the schema is
 * refused: a protocol grows by a new version, here as everywhere.
 */
import { equal, textOf, utf8 } from '../../base/bytes.ts'
import { decode, encode, type Codec } from '../codec/codec.ts'
import { DecodeError, type Reader, type Writer } from '../codec/cursor.ts'

const MAGIC = 0xc3
const FLAG_LAST = 0x80
const FLAG_COBS = 0x40
/** Compression (deflate) and the bit that is reserved. */
const FLAGS_REFUSED = 0x30
const ID_LENGTH = 0x0f
const LENGTH_MORE = 0x80
const LENGTH_END = 0x40
const LENGTH_BITS = 6
/** Three bytes of length, six bits each. */
export const GGEP_DATA_BYTES_MAX = 2 ** 18 - 1

/** One kind of extension: its id on the wire, 1 to 15 characters of ASCII, and what its data are. */
export interface Extension<T> {
  readonly id: string
  readonly data: Codec<T>
}

type Extensions = Record<string, Extension<unknown>>
/** Each of them may be missing; who needs one says so. */
export type BlockOf<E> = { [K in keyof E]: (E[K] extends Extension<infer T> ? T : never) | undefined }

/**
 * A block of these extensions. Where none of them is present nothing is written, and the reader must know by other means
 * that there is no block. `betweenNuls`: the block may have none in it.
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
      if (r.u8() !== MAGIC) throw new DecodeError('no GGEP block')
      const block: Record<string, unknown> = {}
      let before = ''
      for (;;) {
        const { id, data, last } = readExtension(r, betweenNuls)
        if (id <= before) throw new DecodeError('extensions that are not in the order of their ids')
        before = id
        const known = byId.get(id)
        if (known === undefined) throw new DecodeError(`an extension that is not known here: ${JSON.stringify(id)}`)
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
  if (raw.length > GGEP_DATA_BYTES_MAX) throw new RangeError(`an extension of ${raw.length} bytes`)
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
  if ((flags & FLAGS_REFUSED) !== 0) throw new DecodeError('an extension with flags that are not in use')
  const id = textOf(r.take(flags & ID_LENGTH))
  if (id === undefined || id === '') throw new DecodeError('an extension without an id')
  const raw = r.take(readLength(r))
  const stuffed = (flags & FLAG_COBS) !== 0
  const data = stuffed ? uncobs(raw) : raw
  if (stuffed !== (betweenNuls && data.includes(0)))
    throw new DecodeError('COBS where it does not belong, or none where it does')
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
        throw new DecodeError('a length in more bytes than it takes')
      return length
    }
    if (marks !== LENGTH_MORE) throw new DecodeError('a length that neither ends nor goes on')
  }
  throw new DecodeError('a length of more than three bytes')
}

const COBS_RUN_MAX = 254

/** Consistent overhead byte stuffing (Cheshire and Baker): runs without a NUL, each behind its length and one. */
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
    // A full run says nothing of a NUL behind it; a shorter one says that there is one, or the end.
    if (run < COBS_RUN_MAX) from++
    else if (from === data.length) break
  }
  return out.subarray(0, length)
}

/** Throws DecodeError unless `stuffed` is what `cobs` makes of something. */
export function uncobs(stuffed: Uint8Array): Uint8Array {
  const out = new Uint8Array(stuffed.length)
  let length = 0
  for (let at = 0; at < stuffed.length;) {
    const code = stuffed[at] ?? 0
    if (code === 0 || at + code > stuffed.length) throw new DecodeError('broken COBS')
    out.set(stuffed.subarray(at + 1, at + code), length)
    length += code - 1
    at += code
    if (code <= COBS_RUN_MAX && at < stuffed.length) out[length++] = 0
  }
  const data = out.subarray(0, length)
  if (!equal(cobs(data), stuffed)) throw new DecodeError('COBS in more bytes than it takes')
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

/** A text of 1 to `maxBytes` bytes and the NUL behind it. */
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
  if (raw.length === 0 || raw.length > maxBytes) throw new RangeError(`${raw.length} bytes of 1 to ${maxBytes}`)
  return raw
}

function soundText(raw: Uint8Array): string {
  const value = textOf(raw)
  if (value === undefined) throw new DecodeError('a text that is not UTF-8')
  if (value === '') throw new DecodeError('a text that is empty')
  return value
}

/** A text that may have no NUL in it. */
export function nulFree(text: Codec<string>): Codec<string> {
  return {
    write: (w, v) => {
      if (v.includes('\0')) throw new RangeError('a text with a NUL in it')
      text.write(w, v)
    },
    read: r => {
      const value = text.read(r)
      if (value.includes('\0')) throw new DecodeError('a text with a NUL in it')
      return value
    }
  }
}

/** An extension whose presence is all that it says. */
export const present: Codec<true> = {
  write: () => {},
  read: () => true
}
