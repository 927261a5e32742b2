/**
 * The payload of a query hit, as 0.4 has it: number of hits, port, address, speed, the result set, then what 0.6 calls the
 * extended QHD (a vendor's code, flags, and a GGEP block as private data), and last the servent's id. A result's own block
 * stands between the two NULs behind its name.
 *
 * The servent id is the first 16 bytes of the holder's public key; all 32 ride in the block.
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

/** What 0.4 calls a servent's identifier. */
export function serventId(node: NodeId): Uint8Array {
  return idBytes(node).subarray(0, SERVENT_ID_BYTES)
}

/** Throws DecodeError unless the servent's id is the beginning of the node's. */
export function checkServent(servent: Uint8Array, node: NodeId): void {
  if (!equal(servent, serventId(node))) throw new DecodeError("a servent's id that is not its node's")
}

/** The value of an extension that has to be there. */
export function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new DecodeError(`no ${what}`)
  return value
}

/** Where an address has room for port and IPv4 only. Throws DecodeError for port 0. */
export function contactOf(id: NodeId, at: { port: number; quad: Uint8Array; beyond: string | undefined }): Contact {
  if (at.port === 0) throw new DecodeError('port 0')
  return { id, address: { host: hostOf(at.quad, at.beyond), port: at.port } }
}

export const host = { id: 'h', data: wholeText(HOST_BYTES_MAX) }

const name = nulText(RESULT_NAME_BYTES_MAX)
const resultBlock = ggep(
  {
    /** As gtk-gnutella has it: the size of what does not fit 32 bits, whose field then has all bits set. */
    large: { id: 'LF', data: largeLittle(U32_MAX) },
    content: { id: 'c', data: contentIdCodec },
    path: { id: 'p', data: nulFree(wholeText(RESULT_PATH_BYTES_MAX)) }
  },
  { betweenNuls: true }
)

/** `index` is the result's place in its hit. */
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
      if (r.u8() !== 0) throw new DecodeError('a result without its end')
      if ((large === undefined) !== size < U32_MAX) throw new DecodeError('a size in the wrong field')
      return { content: needed(content, 'content'), name: shareName, path, bytes: large ?? size }
    }
  }
}

/** `SHOA`; two bytes of open data: flags that a GGEP block is in the private data (0x20, meaningful and set). */
const VENDOR = concat(utf8('SHOA'), Uint8Array.of(2, 0x20, 0x20))
const speed = zero(u32le, 'a speed')
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
    const page = { count, bytes: passOver(r, count).slice() }
    if (!equal(r.take(VENDOR.length), VENDOR)) throw new DecodeError("another vendor's hit")
    const block = hitBlock.read(r)
    const node = needed(block.node, 'node')
    checkServent(r.take(SERVENT_ID_BYTES), node)
    const holder = contactOf(node, { port, quad, beyond: block.host })
    return { holder, page, signature: needed(block.signature, 'signature'), trace: block.trace }
  }
}

/** Index and size of a result; behind them come its name and its block, and a NUL behind either. */
const RESULT_HEAD_BYTES = 8

/** So many results, of which nothing is looked at but where they end. A view, not a copy. */
function passOver(r: Reader, count: number): Uint8Array {
  const { left } = r
  for (let i = 0; i < count; i++) {
    r.take(RESULT_HEAD_BYTES)
    r.until(0, RESULT_NAME_BYTES_MAX)
    r.until(0, PAYLOAD_BYTES_MAX)
  }
  return r.behind(left - r.left)
}

/** Undefined: its holder has not written it as `hitPages` does. Whoever passed it on could not know. */
export function resultsOf(page: ResultPage): SearchResult[] | undefined {
  const r = new Reader(page.bytes)
  // As long as it will be, `count` being small: a list that grows holds up to half as much again.
  const results = new Array<SearchResult>(page.count)
  try {
    for (let index = 0; index < page.count; index++) results[index] = result(index).read(r)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
  return r.left === 0 ? results : undefined
}

/** More than all of a payload but its results, at its longest. */
const HIT_FRAME_BYTES_MAX = 1 << 10

/** In as few pages as they fit, in their order; none for no results. */
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

/** What the holder signs: this holder has these results for this query. Under HIT_DOMAIN, which the signer adds. */
export function hitClaim(query: DescriptorId, { holder, page }: Pick<QueryHit, 'holder' | 'page'>): Uint8Array {
  return encode(claim, { query, holder, page })
}
