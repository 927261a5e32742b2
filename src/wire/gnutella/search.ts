/**
 * The messages of search, on the stream channel between neighbours of the flooding graph. Descriptors are those of
 * Gnutella 0.4 (Ping 0x00, Pong 0x01, Push 0x40, Query 0x80, QueryHit 0x81) and 0.6's route table update (0x30):
 * after the message's tag, a header of 23 bytes (id 16 B, type, TTL, hops, payload length, little-endian) and a
 * payload. Header, Ping and Query are byte for byte those of the 0.4 specification. Values that 0.4 has no field for
 * (peer IDs, 64-bit sizes, content IDs, the filter) are in GGEP blocks. The messages that make two nodes neighbours
 * are not descriptors, as in 0.6.
 *
 * A message holds one descriptor and has exactly one encoding. The decoder refuses the variants that 0.4 allows: unused
 * fields that are not zero, an address in another field, extensions in another order, unknown extensions. IDs of our
 * own extensions are lower-case, so that they do not collide with registered ones.
 */
import { textOf, utf8 } from '../../base/bytes.ts'
import { contentIdCodec, encode, nodeIdCodec, union, upTo, varint, type Codec } from '../codec/codec.ts'
import { DecodeError, Reader } from '../codec/cursor.ts'
import { beyondQuad, byte, descriptorIdCodec, ipv4, quadOf, u16le, u32le, zero } from './descriptor.ts'
import { ggep, nulFree, present, wholeText } from './ggep.ts'
import { partsOf, patchProblem, QRP_BITS_MAX, QRP_BITS_MIN, QRP_PATCH_BYTES_MAX } from './qrp.ts'
import { checkServent, contactOf, hitPayload, host, needed, SERVENT_ID_BYTES, serventId } from './search-hit.ts'
import {
  DEGREE_MAX,
  FILTER_TYPE_BYTES_MAX,
  NODE_TAG_BYTES,
  PAYLOAD_BYTES_MAX,
  QUERY_ASKED_MAX,
  QUERY_TEXT_BYTES_MAX,
  type Descriptor,
  type Handshake,
  type Header,
  type NodeTag,
  type SearchMessage,
  type SearchQuery
} from './search-model.ts'

export * from './search-model.ts'
export { hitClaim, hitPages, NO_RESULTS, resultsOf } from './search-hit.ts'
export { descriptorId, type DescriptorId } from './descriptor.ts'

type Kind = Descriptor['kind']
type BodyOf<K extends Kind> = Omit<Extract<Descriptor, { kind: K }>, keyof Header | 'kind'>

const ping: Codec<object> = {
  write: () => {},
  read: () => ({})
}

const pongBlock = ggep({ host, node: { id: 'n', data: nodeIdCodec } }, { betweenNuls: false })

const pong: Codec<BodyOf<'pong'>> = {
  write: (w, { peer, files, kilobytes }) => {
    u16le.write(w, peer.address.port)
    ipv4.write(w, quadOf(peer.address.host))
    u32le.write(w, files)
    u32le.write(w, kilobytes)
    pongBlock.write(w, { host: beyondQuad(peer.address.host), node: peer.id })
  },
  read: r => {
    const port = u16le.read(r)
    const quad = ipv4.read(r)
    const files = u32le.read(r)
    const kilobytes = u32le.read(r)
    const block = pongBlock.read(r)
    return { peer: contactOf(needed(block.node, 'node'), { port, quad, beyond: block.host }), files, kilobytes }
  }
}

const minimumSpeed = zero(u16le, 'minimum speed')
const askedCodec: Codec<readonly NodeTag[]> = {
  write: (w, v) => {
    if (v.length > QUERY_ASKED_MAX) throw new RangeError(`${v.length} nodes, the limit is ${QUERY_ASKED_MAX}`)
    for (const tag of v) {
      w.u16(Math.floor(tag / 0x1_0000_0000))
      w.u32(tag % 0x1_0000_0000)
    }
  },
  read: r => {
    const count = r.left / NODE_TAG_BYTES
    if (!Number.isInteger(count) || count < 1 || count > QUERY_ASKED_MAX)
      throw new DecodeError(`invalid list of asked nodes: ${r.left} bytes`)
    const tags = new Array<NodeTag>(count)
    for (let i = 0; i < count; i++) tags[i] = (r.u16() * 0x1_0000_0000 + r.u32()) as NodeTag
    return tags
  }
}

const queryBlock = ggep(
  {
    asked: { id: 'a', data: askedCodec },
    content: { id: 'c', data: contentIdCodec },
    type: { id: 'k', data: nulFree(wholeText(FILTER_TYPE_BYTES_MAX)) },
    minBytes: { id: 'm', data: varint },
    trace: { id: 't', data: present },
    maxBytes: { id: 'x', data: varint }
  },
  { betweenNuls: false }
)

const NOBODY: readonly NodeTag[] = []

const query: Codec<BodyOf<'query'>> = {
  write: (w, { query: { text, content, filter }, trace, asked }) => {
    minimumSpeed.write(w, 0)
    const problem = textProblem(text, QUERY_TEXT_BYTES_MAX)
    if (problem !== undefined) throw new RangeError(problem)
    w.raw(utf8(text))
    w.u8(0)
    const named = asked.length === 0 ? undefined : asked
    queryBlock.write(w, { asked: named, content, ...filter, trace: trace ? true : undefined })
  },
  read: r => {
    minimumSpeed.read(r)
    const text = textOf(r.until(0, QUERY_TEXT_BYTES_MAX))
    if (text === undefined) throw new DecodeError('query text that is not UTF-8')
    const block: Partial<ReturnType<typeof queryBlock.read>> = r.left > 0 ? queryBlock.read(r) : {}
    const { asked = NOBODY, content, type, minBytes, maxBytes, trace } = block
    return { query: { text, content, filter: { type, minBytes, maxBytes } }, trace: trace === true, asked }
  }
}

function textProblem(text: string, bytesMax: number): string | undefined {
  const bytes = utf8(text).length
  if (bytes > bytesMax) return `${bytes} bytes of text, the limit is ${bytesMax}`
  return text.includes('\0') || !text.isWellFormed() ? 'the text contains a NUL or an unpaired surrogate' : undefined
}

/** Why this query cannot be sent, as a message for the user; undefined when it can. */
export function queryProblem({ text, filter: { type, minBytes, maxBytes } }: SearchQuery): string | undefined {
  if (type === '') return 'the type is empty'
  for (const bytes of [minBytes ?? 0, maxBytes ?? 0]) {
    if (!Number.isSafeInteger(bytes) || bytes < 0) return `invalid size: ${bytes}`
  }
  return textProblem(text, QUERY_TEXT_BYTES_MAX) ?? textProblem(type ?? '', FILTER_TYPE_BYTES_MAX)
}

/** 0.4's file index. It is unused: an extension names the content. */
const fileIndex = zero(u32le, 'file index')
const pushBlock = ggep(
  {
    content: { id: 'c', data: contentIdCodec },
    holder: { id: 'd', data: nodeIdCodec },
    host,
    requester: { id: 'n', data: nodeIdCodec }
  },
  { betweenNuls: false }
)

const push: Codec<BodyOf<'push'>> = {
  write: (w, { holder, content, requester }) => {
    w.raw(serventId(holder))
    fileIndex.write(w, 0)
    ipv4.write(w, quadOf(requester.address.host))
    u16le.write(w, requester.address.port)
    pushBlock.write(w, { content, holder, host: beyondQuad(requester.address.host), requester: requester.id })
  },
  read: r => {
    const servent = r.take(SERVENT_ID_BYTES)
    fileIndex.read(r)
    const quad = ipv4.read(r)
    const port = u16le.read(r)
    const block = pushBlock.read(r)
    const holder = needed(block.holder, 'holder')
    checkServent(servent, holder)
    const requester = contactOf(needed(block.requester, 'requester'), { port, quad, beyond: block.host })
    return { holder, content: needed(block.content, 'content'), requester }
  }
}

/** A variant of our own; 0.6 has 0 (reset) and 1 (patch). */
const ROUTE_TABLE_VARIANT = 2

const routeTable: Codec<BodyOf<'route-table'>> = {
  write: (w, { bits, part, parts, patch }) => {
    const problem = routeTableProblem({ bits, part, parts, patch })
    if (problem !== undefined) throw new RangeError(problem)
    w.u8(ROUTE_TABLE_VARIANT)
    for (const field of [bits, part, parts]) byte.write(w, field)
    w.raw(patch)
  },
  read: r => {
    if (r.u8() !== ROUTE_TABLE_VARIANT) throw new DecodeError('unknown variant of a route table')
    const bits = byte.read(r)
    const part = byte.read(r)
    const parts = byte.read(r)
    if (r.left > QRP_PATCH_BYTES_MAX) throw new DecodeError(`${r.left} bytes, the limit is ${QRP_PATCH_BYTES_MAX}`)
    const patch = new Uint8Array(r.take(r.left))
    const problem = routeTableProblem({ bits, part, parts, patch })
    if (problem !== undefined) throw new DecodeError(problem)
    return { bits, part, parts, patch }
  }
}

function routeTableProblem({ bits, part, parts, patch }: BodyOf<'route-table'>): string | undefined {
  if (bits < QRP_BITS_MIN || bits > QRP_BITS_MAX) return `route table of 2^${bits} slots`
  if (parts !== partsOf(bits) || part >= parts) return `part ${part} of ${parts}`
  return patchProblem(bits, patch)
}

/** Each kind's number in the header and its payload. */
const payloads: { readonly [K in Kind]: readonly [type: number, payload: Codec<BodyOf<K>>] } = {
  ping: [0x00, ping],
  pong: [0x01, pong],
  'route-table': [0x30, routeTable],
  push: [0x40, push],
  query: [0x80, query],
  'query-hit': [0x81, hitPayload]
}
const kindOf = new Map(Object.entries(payloads).map(([kind, [type]]) => [type, kind as Kind]))

/** Header and payload. Nothing may follow them in the message. */
const descriptor: Codec<Descriptor> = {
  write: (w, v) => {
    const [type, payload] = payloads[v.kind] as readonly [number, Codec<unknown>]
    const raw = encode(payload, v)
    if (raw.length > PAYLOAD_BYTES_MAX) throw new RangeError(`${raw.length} bytes, the limit is ${PAYLOAD_BYTES_MAX}`)
    descriptorIdCodec.write(w, v.id)
    for (const field of [type, v.ttl, v.hops]) byte.write(w, field)
    u32le.write(w, raw.length)
    w.raw(raw)
  },
  read: r => {
    const id = descriptorIdCodec.read(r)
    const type = r.u8()
    const ttl = r.u8()
    const hops = r.u8()
    const length = u32le.read(r)
    if (length > PAYLOAD_BYTES_MAX) throw new DecodeError(`${length} bytes, the limit is ${PAYLOAD_BYTES_MAX}`)
    const kind = kindOf.get(type)
    if (kind === undefined) throw new DecodeError(`unknown descriptor type: ${type}`)
    const body = new Reader(r.take(length))
    const fields = payloads[kind][1].read(body)
    if (body.left > 0) throw new DecodeError(`${body.left} trailing bytes`)
    return { kind, id, ttl, hops, ...fields } as Descriptor
  }
}

const degree = upTo(DEGREE_MAX)
const framed = union(
  { descriptor: 1, connect: 2, accept: 3, refuse: 4, bye: 5 },
  { descriptor: { descriptor }, connect: { degree }, accept: { degree }, refuse: { degree }, bye: {} }
)

function isHandshake(message: SearchMessage): message is Handshake {
  return !(message.kind in payloads)
}

/** `write` throws RangeError for a value over its limit; the caller must cut queries, hits and counts first. */
export const searchMessage: Codec<SearchMessage> = {
  write: (w, v) => {
    framed.write(w, isHandshake(v) ? v : { kind: 'descriptor', descriptor: v })
  },
  read: r => {
    const message = framed.read(r)
    return message.kind === 'descriptor' ? message.descriptor : message
  }
}
