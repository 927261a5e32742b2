/** Messages of search, drawn from a seed. */
import { hex } from '../../src/base/bytes.ts'
import type { ContentId, NodeId } from '../../src/base/ids.ts'
import type { Random } from '../../src/base/random.ts'
import type { Contact } from '../../src/wire/common.ts'
import { pageOf } from '../unit/wire/gnutella/pages.ts'
import { QrpTable } from '../../src/wire/gnutella/qrp.ts'
import {
  descriptorId,
  nodeTag,
  QUERY_ASKED_MAX,
  TRACE_PATH_MAX,
  type Header,
  type SearchMessage,
  type SearchResult
} from '../../src/wire/gnutella/search.ts'

const HOSTS = ['192.0.2.1', '10.0.0.255', '2001:db8::1', 'host.example', '0.0.0.0']
const LETTERS = ['a', 'Z', '7', ' ', '.', 'é', '語', '🐟', '\u202e', '\n', '\x1b', '<']

export class Draw {
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  text(lengthMin: number, lengthMax: number): string {
    const length = lengthMin + this.random.below(lengthMax - lengthMin + 1)
    return Array.from({ length }, () => this.random.pick(LETTERS)!).join('')
  }

  /** By chance one in eight has a byte of zero in it; here one in two has many. */
  private bytes32(): string {
    const zeros = this.random.chance(0.5) ? 0.3 : 0
    return hex(this.random.bytes(32).map(byte => (this.random.chance(zeros) ? 0 : byte)))
  }

  header(): Header {
    return { id: descriptorId(this.random.bytes(16)), ttl: this.random.below(8), hops: this.random.below(8) }
  }

  node(): NodeId {
    return this.bytes32() as NodeId
  }

  content(): ContentId {
    return this.bytes32() as ContentId
  }

  contact(): Contact {
    return { id: this.node(), address: { host: this.random.pick(HOSTS)!, port: 1 + this.random.below(65_535) } }
  }

  size(): number {
    return Math.floor(2 ** this.random.range(0, 53))
  }

  result(): SearchResult {
    const path = this.random.chance(0.5) ? this.text(1, 30) : undefined
    return { content: this.content(), name: this.text(1, 20), path, bytes: this.size() }
  }

  results(max: number): SearchResult[] {
    return Array.from({ length: this.random.below(max + 1) }, () => this.result())
  }

  message(kind: SearchMessage['kind']): SearchMessage {
    const header = this.header()
    const maybe = <T>(value: T): T | undefined => (this.random.chance(0.5) ? value : undefined)
    switch (kind) {
      case 'ping':
        return { kind, ...header }
      case 'pong':
        return { kind, ...header, peer: this.contact(), files: this.random.u32(), kilobytes: this.random.u32() }
      case 'query': {
        const filter = { type: maybe(this.text(1, 6)), minBytes: maybe(this.size()), maxBytes: maybe(this.size()) }
        const query = { text: this.text(0, 40), content: maybe(this.content()), filter }
        const asked = Array.from({ length: this.random.below(QUERY_ASKED_MAX + 1) }, () => nodeTag(this.node()))
        return { kind, ...header, query, trace: this.random.chance(0.5), asked }
      }
      case 'query-hit': {
        const path = Array.from({ length: this.random.below(TRACE_PATH_MAX + 1) }, () => this.node())
        const trace = maybe({ forwarded: this.random.below(300), path })
        const signature = this.random.bytes(64)
        return { kind, ...header, holder: this.contact(), page: pageOf(this.results(4)), signature, trace }
      }
      case 'push':
        return { kind, ...header, holder: this.node(), content: this.content(), requester: this.contact() }
      case 'route-table': {
        const table = this.table(this.random.below(40))
        return { kind, ...header, bits: table.bits, part: 0, parts: 1, patch: table.patches()[0]! }
      }
      case 'bye':
        return { kind }
      case 'connect':
      case 'accept':
      case 'refuse':
        return { kind, degree: this.random.below(256) }
    }
  }

  table(words: number): QrpTable {
    return QrpTable.of(Array.from({ length: words }, () => this.random.u32().toString(36)))
  }
}
