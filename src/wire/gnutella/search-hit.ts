/**
 * The payload of a query hit, in the format of 0.4: number of hits, port, address, speed, the results, then 0.6's
 * extended QHD (vendor code, flags, and a GGEP block as private data), and last the servent id. The GGEP block of a
 * result is between the two NULs after its name.
 *
 * The servent id is the first 16 bytes of the holder's public key. The GGEP block has all 32.
 */
import { concat, equal, utf8 } from '../../base/bytes.ts'
import { idBytes, type NodeId } from '../../base/ids.ts'
import { contentIdCodec, encode, list, nodeIdCodec, struct, upTo, type Codec } from '../codec/codec.ts'
import { DecodeError, Reader, Writer } from '../codec/cursor.ts'
import { contact, HOST_BYTES_MAX, signature, type Contact } from '../common.ts'
import {
  beyondQuad,
  byte,
  descriptorIdCodec,
  hostOf,
  ipv4,
  largeLittle,
  quadOf,
  u16le,
  U32_MAX,
  u32le,
  zero,
  type DescriptorId
} from './descriptor.ts'
import { ggep, nulFree, nulText, wholeText } from './ggep.ts'
import {
  HIT_RESULTS_MAX,
  PAYLOAD_BYTES_MAX,
  RESULT_NAME_BYTES_MAX,
  RESULT_PATH_BYTES_MAX,
  TRACE_FORWARDED_MAX,
  TRACE_PATH_MAX,
  type QueryHit,
  type ResultPage,
  type SearchResult
} from './search-model.ts'

export const SERVENT_ID_BYTES = 16

/** The servent identifier of 0.4. */
export function serventId(node: NodeId): Uint8Array {
  return idBytes(node).subarray(0, SERVENT_ID_BYTES)
}

/** Throws DecodeError unless `servent` is the servent id of the node. */
export function checkServent(servent: Uint8Array, node: NodeId): void {
  if (!equal(servent, serventId(node))) throw new DecodeError('servent id that does not match the node id')
}

/** The value of a required extension. Throws DecodeError when it is missing. */
export function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new DecodeError(`missing ${what}`)
  return value
}

/** Joins the address from 0.4's fields and the host from the extension. Throws DecodeError for port 0. */
export function contactOf(id: NodeId, at: { port: number; quad: Uint8Array; beyond: string | undefined }): Contact {
  if (at.port === 0) throw new DecodeError('port 0')
  return { id, address: { host: hostOf(at.quad, at.beyond), port: at.port } }
}

export const host = { id: 'h', data: wholeText(HOST_BYTES_MAX) }

const name = nulText(RESULT_NAME_BYTES_MAX)
const resultBlock = ggep(
  {
    /** As in gtk-gnutella: a size that does not fit in 32 bits. The 32-bit field then has all bits set. */
    large: { id: 'LF', data: largeLittle(U32_MAX) },
    content: { id: 'c', data: contentIdCodec },
    path: { id: 'p', data: nulFree(wholeText(RESULT_PATH_BYTES_MAX)) }
  },
  { betweenNuls: true }
)

/** `index` is the position of the result in its hit. */
function result(index: number): Codec<SearchResult> {
  return {
    write: (w, v) => {
      u32le.write(w, index)
      u32le.write(w, Math.min(v.bytes, U32_MAX))
      name.write(w, v.name)
      const large = v.bytes < U32_MAX ? undefined : v.bytes
      resultBlock.write(w, { large, content: v.content, path: v.path })
      w.u8(0)
    },
    read: r => {
      if (u32le.read(r) !== index) throw new DecodeError('results out of order')
      const size = u32le.read(r)
      const shareName = name.read(r)
      const { large, content, path } = resultBlock.read(r)
      if (r.u8() !== 0) throw new DecodeError('result without its terminating NUL')
      if ((large === undefined) !== size < U32_MAX) throw new DecodeError('size in the wrong field')
      return { content: needed(content, 'content'), name: shareName, path, bytes: large ?? size }
    }
  }
}

/** Vendor code `SHOA`, then two bytes of open data: the flag for a GGEP block (0x20) is meaningful, and it is set. */
const VENDOR = concat(utf8('SHOA'), Uint8Array.of(2, 0x20, 0x20))
const speed = zero(u32le, 'speed')
const hitBlock = ggep(
  {
    host,
    node: { id: 'n', data: nodeIdCodec },
    signature: { id: 's', data: signature },
    trace: {
      id: 't',
      data: struct({ forwarded: upTo(TRACE_FORWARDED_MAX), path: list(nodeIdCodec, TRACE_PATH_MAX) })
    }
  },
  { betweenNuls: false }
)

type HitBody = Pick<QueryHit, 'holder' | 'page' | 'signature' | 'trace'>

export const hitPayload: Codec<HitBody> = {
  write: (w, v) => {
    if (v.page.count > HIT_RESULTS_MAX) throw new RangeError(`${v.page.count} results, the limit is ${HIT_RESULTS_MAX}`)
    byte.write(w, v.page.count)
    u16le.write(w, v.holder.address.port)
    ipv4.write(w, quadOf(v.holder.address.host))
    speed.write(w, 0)
    w.raw(v.page.bytes)
    w.raw(VENDOR)
    const trace = v.trace && { forwarded: v.trace.forwarded, path: v.trace.path.slice() }
    hitBlock.write(w, { host: beyondQuad(v.holder.address.host), node: v.holder.id, signature: v.signature, trace })
    w.raw(serventId(v.holder.id))
  },
  read: r => {
    const count = byte.read(r)
    if (count > HIT_RESULTS_MAX) throw new DecodeError(`${count} results, the limit is ${HIT_RESULTS_MAX}`)
    const port = u16le.read(r)
    const quad = ipv4.read(r)
    speed.read(r)
    const page = { count, bytes: skipResults(r, count).slice() }
    if (!equal(r.take(VENDOR.length), VENDOR)) throw new DecodeError('hit of another vendor')
    const block = hitBlock.read(r)
    const node = needed(block.node, 'node')
    checkServent(r.take(SERVENT_ID_BYTES), node)
    const holder = contactOf(node, { port, quad, beyond: block.host })
    return { holder, page, signature: needed(block.signature, 'signature'), trace: block.trace }
  }
}

/** Index and size of a result. Its name and its block follow, each with a NUL after it. */
const RESULT_HEAD_BYTES = 8

/** Skips `count` results and returns a view of their bytes. It only looks for where each result ends. */
function skipResults(r: Reader, count: number): Uint8Array {
  const { left } = r
  for (let i = 0; i < count; i++) {
    r.take(RESULT_HEAD_BYTES)
    r.until(0, RESULT_NAME_BYTES_MAX)
    r.until(0, PAYLOAD_BYTES_MAX)
  }
  return r.behind(left - r.left)
}

/**
 * Decodes a page. Undefined when it is invalid; that is the holder's fault, since forwarding nodes do not decode
 * pages.
 */
export function resultsOf(page: ResultPage): SearchResult[] | undefined {
  const r = new Reader(page.bytes)
  // Allocates the final length, which is small: an array that grows by push reserves up to half as much again.
  const results = new Array<SearchResult>(page.count)
  try {
    for (let index = 0; index < page.count; index++) results[index] = result(index).read(r)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
  return r.left === 0 ? results : undefined
}

/** An upper bound for the bytes of a payload without its results. */
const HIT_FRAME_BYTES_MAX = 1 << 10

/** Encodes the results, in order, into as few pages as possible. No pages for no results. */
export function hitPages(results: readonly SearchResult[]): ResultPage[] {
  const pages: Array<{ count: number; writer: Writer }> = []
  let left = 0
  for (const one of results) {
    let page = pages.at(-1)
    let bytes = encode(result(page?.count ?? 0), one)
    if (page === undefined || page.count === HIT_RESULTS_MAX || bytes.length > left) {
      pages.push((page = { count: 0, writer: new Writer() }))
      left = PAYLOAD_BYTES_MAX - HIT_FRAME_BYTES_MAX
      bytes = encode(result(0), one)
    }
    page.writer.raw(bytes)
    page.count++
    left -= bytes.length
  }
  return pages.map(({ count, writer }) => ({ count, bytes: writer.finish() }))
}

export const NO_RESULTS: ResultPage = { count: 0, bytes: new Uint8Array(0) }

const claimHead = struct({ query: descriptorIdCodec, holder: contact })
const claim: Pick<Codec<Pick<QueryHit, 'holder' | 'page'> & { query: DescriptorId }>, 'write'> = {
  write: (w, { query, holder, page }) => {
    claimHead.write(w, { query, holder })
    w.varint(page.count)
    w.raw(page.bytes)
  }
}

/** The bytes that the holder signs: the query's id, the holder and the results. The signer adds HIT_DOMAIN. */
export function hitClaim(query: DescriptorId, { holder, page }: Pick<QueryHit, 'holder' | 'page'>): Uint8Array {
  return encode(claim, { query, holder, page })
}
