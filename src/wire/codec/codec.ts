/**
 * Schemas of messages and of stored records. A codec is one value that encodes, decodes and types a message; codecs are
 * composed from smaller ones. Lengths and counts are varints.
 *
 * Goals: A message has exactly one encoding. A decoder checks a named limit before it allocates. Trailing bytes are an
 * error. A decoder throws only DecodeError; io and sim catch and count it, so machines see only decoded messages.
 *
 * How a protocol changes: union tags and enum numbers are append-only and never change their meaning. The fields of a
 * released struct never change: add a new tag, or a new protocol version in the stream's name.
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

/** Throws RangeError when a value exceeds a limit of its schema, which is a bug of the caller. */
export function encode<T>(codec: Pick<Codec<T>, 'write'>, value: T): Uint8Array {
  const writer = spares.pop() ?? new Writer(SPARE_BYTES)
  // When the codec throws, the writer holds half a message and is not reused.
  codec.write(writer, value)
  const written = writer.cut()
  if (writer.capacity <= SPARE_BYTES_MAX && spares.length < SPARES_MAX) spares.push(writer)
  return written
}

/** Free writers for reuse, several because calls of `encode` nest. They save a buffer for each nested encoding. */
const spares: Writer[] = []
const SPARES_MAX = 8
const SPARE_BYTES = 4 << 10
const SPARE_BYTES_MAX = 64 << 10

/** Throws DecodeError for invalid input and for trailing bytes. The value holds no views of `bytes`. */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes)
  const value = codec.read(reader)
  if (reader.left > 0) throw new DecodeError(`${reader.left} trailing bytes`)
  return value
}

/** Like `decode`, but returns undefined instead of throwing DecodeError. */
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
      if (v > max) throw new RangeError(`${v} is over the limit of ${max}`)
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
    if (byte > 1) throw new DecodeError(`invalid boolean: ${byte}`)
    return byte === 1
  }
}

/** Exactly `length` bytes. */
export function fixed(length: number): Codec<Uint8Array> {
  return {
    write: (w, v) => {
      if (v.length !== length) throw new RangeError(`${v.length} bytes instead of ${length}`)
      w.raw(v)
    },
    // new Uint8Array copies. slice() of a Buffer would return a view.
    read: r => new Uint8Array(r.take(length))
  }
}

/** At most `max` bytes, preceded by their number. */
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
      if (value === undefined) throw new DecodeError('text that is not UTF-8')
      return value
    }
  }
}

/** An id of `length` bytes. Its value is a string of lower-case hexadecimal. */
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

/** At most `max` items, preceded by their number. */
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

/** One of the names, encoded as its index in the list, one byte. The list is append-only. */
export function oneOf<const T extends readonly string[]>(names: T): Codec<T[number]> {
  return {
    write: (w, v) => {
      const index = names.indexOf(v)
      if (index < 0) throw new RangeError(`unknown name: ${v}`)
      w.u8(index)
    },
    read: r => {
      const index = r.u8()
      const name = names[index]
      if (name === undefined) throw new DecodeError(`unknown value: ${index}`)
      return name
    }
  }
}

type Fields = Record<string, Codec<unknown>>
type StructOf<F> = { [K in keyof F]: F[K] extends Codec<infer T> ? T : never }

/** The fields, encoded in the order of the schema. */
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
 * A discriminated union on `kind`: a tag of one byte, then the fields. `tags` gives every kind its number. The number
 * of a kind never changes, and a number is never reused for another kind.
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
      if (kind === undefined) throw new DecodeError(`unknown message tag: ${tag}`)
      const fields = expectDefined(byKind.get(kind), 'every kind has a codec').read(r)
      return { kind, ...(fields as object) } as UnionOf<V>
    }
  }
}

/** Adds a check of the decoded value. `problem` returns why the value is invalid, or undefined when it is valid. */
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
