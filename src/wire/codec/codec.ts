/**
 * Schemas of what crosses a wire or a disk. A codec is one value that writes, reads and types a message; codecs are put
 * together from smaller ones. Lengths and counts are varints.
 *
 * Goals: a message has one encoding; a decoder refuses by a named limit before it allocates; bytes left over are an error.
 * A decoder throws only DecodeError, and the edge (io, sim) turns that into a count: machines see decoded messages only.
 *
 * Growing a protocol: union tags and enum numbers append only, never move; a struct's fields never change once released
 * (add a new tag, or a new protocol version in the stream's name).
 */
import { EMPTY_BYTES, textOf, utf8, hex } from '../../base/bytes.ts'
import { expectDefined } from '../../base/assert.ts'
import { ID_BYTES, type ContentId, type Key, type NodeId, type OverlayId } from '../../base/ids.ts'
import { DecodeError, Reader, Writer } from './cursor.ts'

export interface Codec<T> {
  write(writer: Writer, value: T): void
  /** Throws DecodeError. */
  read(reader: Reader): T
}

export type Decoded<C> = C extends Codec<infer T> ? T : never

/** Throws RangeError when a value breaks a limit of its schema: our own fault, never a peer's. */
export function encode<T>(codec: Pick<Codec<T>, 'write'>, value: T): Uint8Array {
  const writer = spares.pop() ?? new Writer(SPARE_BYTES)
  // A codec that throws keeps it: half a message is in it.
  codec.write(writer, value)
  const written = writer.cut()
  if (writer.capacity <= SPARE_BYTES_MAX && spares.length < SPARES_MAX) spares.push(writer)
  return written
}

/** Writers that are free, as deep as encodings nest: what is written in parts costs no buffer for each. */
const spares: Writer[] = []
const SPARES_MAX = 8
const SPARE_BYTES = 4 << 10
const SPARE_BYTES_MAX = 64 << 10

/** Throws DecodeError. All of `bytes` must be used up. The value holds no views of `bytes`. */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes)
  const value = codec.read(reader)
  if (reader.left > 0) throw new DecodeError(`${reader.left} bytes left over`)
  return value
}

/** As decode, with undefined in place of DecodeError. */
export function tryDecode<T>(codec: Codec<T>, bytes: Uint8Array): T | undefined {
  try {
    return decode(codec, bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

export const u8: Codec<number> = {
  write: (w, v) => {
    w.u8(v)
  },
  read: r => r.u8()
}
export const u16: Codec<number> = {
  write: (w, v) => {
    w.u16(v)
  },
  read: r => r.u16()
}
export const u32: Codec<number> = {
  write: (w, v) => {
    w.u32(v)
  },
  read: r => r.u32()
}
/** 0 to 2^53 - 1. */
export const varint: Codec<number> = {
  write: (w, v) => {
    w.varint(v)
  },
  read: r => r.varint()
}

/** A varint of 0 to `max`. */
export function upTo(max: number): Codec<number> {
  return {
    write: (w, v) => {
      if (v > max) throw new RangeError(`${v} is over ${max}`)
      w.varint(v)
    },
    read: r => {
      const value = r.varint()
      if (value > max) throw new DecodeError(`${value} is over the limit of ${max}`)
      return value
    }
  }
}

export const bool: Codec<boolean> = {
  write: (w, v) => {
    w.u8(v ? 1 : 0)
  },
  read: r => {
    const byte = r.u8()
    if (byte > 1) throw new DecodeError(`no truth value: ${byte}`)
    return byte === 1
  }
}

/** Exactly `length` bytes. */
export function fixed(length: number): Codec<Uint8Array> {
  return {
    write: (w, v) => {
      if (v.length !== length) throw new RangeError(`${v.length} bytes where ${length} belong`)
      w.raw(v)
    },
    // Not slice(): of a Buffer that is a view.
    read: r => new Uint8Array(r.take(length))
  }
}

/** At most `max` bytes, their number first. */
export function bytes(max: number): Codec<Uint8Array> {
  return {
    write: (w, v) => {
      if (v.length > max) throw new RangeError(`${v.length} bytes, the limit is ${max}`)
      w.varint(v.length)
      w.raw(v)
    },
    read: r => {
      const length = r.varint()
      if (length > max) throw new DecodeError(`${length} bytes, the limit is ${max}`)
      return length === 0 ? EMPTY_BYTES : new Uint8Array(r.take(length))
    }
  }
}

/** A text of at most `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number): Codec<string> {
  const inner = bytes(maxBytes)
  return {
    write: (w, v) => {
      inner.write(w, utf8(v))
    },
    read: r => {
      const value = textOf(inner.read(r))
      if (value === undefined) throw new DecodeError('a text that is not UTF-8')
      return value
    }
  }
}

/** An id of `length` bytes, in hexadecimal. */
export function id<T extends string>(length: number): Codec<T> {
  return {
    write: (w, v) => {
      w.hex(v, length)
    },
    read: r => hex(r.take(length)) as T
  }
}

/** 32 bytes each. */
export const nodeIdCodec = id<NodeId>(ID_BYTES)
export const keyCodec = id<Key>(ID_BYTES)
export const contentIdCodec = id<ContentId>(ID_BYTES)
export const overlayIdCodec = id<OverlayId>(ID_BYTES)

/** At most `max` items, their number first. */
export function list<T>(item: Codec<T>, max: number): Codec<T[]> {
  return {
    write: (w, v) => {
      if (v.length > max) throw new RangeError(`${v.length} items, the limit is ${max}`)
      w.varint(v.length)
      for (const one of v) item.write(w, one)
    },
    read: r => {
      const count = r.varint()
      if (count > max) throw new DecodeError(`${count} items, the limit is ${max}`)
      if (count > r.left) throw new DecodeError(`${count} items in ${r.left} bytes`)
      const items: T[] = []
      for (let i = 0; i < count; i++) items.push(item.read(r))
      return items
    }
  }
}

export function optional<T>(item: Codec<T>): Codec<T | undefined> {
  return {
    write: (w, v) => {
      bool.write(w, v !== undefined)
      if (v !== undefined) item.write(w, v)
    },
    read: r => (bool.read(r) ? item.read(r) : undefined)
  }
}

/** One of the names, as a byte: its place in the list. Append only. */
export function oneOf<const T extends readonly string[]>(names: T): Codec<T[number]> {
  return {
    write: (w, v) => {
      const index = names.indexOf(v)
      if (index < 0) throw new RangeError(`no such name: ${v}`)
      w.u8(index)
    },
    read: r => {
      const index = r.u8()
      const name = names[index]
      if (name === undefined) throw new DecodeError(`no such number: ${index}`)
      return name
    }
  }
}

type Fields = Record<string, Codec<unknown>>
type StructOf<F> = { [K in keyof F]: F[K] extends Codec<infer T> ? T : never }

/** The fields in the order in which they stand. */
export function struct<F extends Fields>(fields: F): Codec<StructOf<F>> {
  const entries = Object.entries(fields)
  return {
    write: (w, v) => {
      const record = v as Record<string, unknown>
      for (const [name, codec] of entries) codec.write(w, record[name])
    },
    read: r => {
      const record: Record<string, unknown> = {}
      for (const [name, codec] of entries) record[name] = codec.read(r)
      return record as StructOf<F>
    }
  }
}

type Variants = Record<string, Fields>
export type UnionOf<V> = {
  [K in keyof V & string]: { kind: K } & { [F in keyof V[K]]: V[K][F] extends Codec<infer T> ? T : never }
}[keyof V & string]

/**
 * A discriminated union on `kind`: one byte of tag, then the fields. `tags` gives every kind its number, which never
 * changes; a number that was ever used is never given to another kind.
 */
export function union<V extends Variants>(tags: { readonly [K in keyof V]: number }, variants: V): Codec<UnionOf<V>> {
  const byKind = new Map(Object.entries(variants).map(([kind, fields]) => [kind, struct(fields)]))
  const byTag = new Map(Object.entries(tags).map(([kind, tag]) => [tag, kind]))
  return {
    write: (w, v) => {
      const kind = v.kind
      w.u8(expectDefined(tags[kind], 'every kind has a tag'))
      expectDefined(byKind.get(kind), 'every kind has a codec').write(w, v)
    },
    read: r => {
      const tag = r.u8()
      const kind = byTag.get(tag)
      if (kind === undefined) throw new DecodeError(`no such kind of message: ${tag}`)
      const fields = expectDefined(byKind.get(kind), 'every kind has a codec').read(r)
      return { kind, ...(fields as object) } as UnionOf<V>
    }
  }
}

/** A codec with a check of the whole value on reading. `problem` returns what is wrong, or undefined. */
export function checked<T>(codec: Codec<T>, problem: (value: T) => string | undefined): Codec<T> {
  return {
    write: (w, v) => {
      codec.write(w, v)
    },
    read: r => {
      const value = codec.read(r)
      const wrong = problem(value)
      if (wrong !== undefined) throw new DecodeError(wrong)
      return value
    }
  }
}
