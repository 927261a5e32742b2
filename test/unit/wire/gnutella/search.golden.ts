/**
 * Messages of search and their bytes, field by field. A change of these bytes breaks running nodes.
 *
 * Header, Ping and Query are written by hand from "The Gnutella Protocol Specification v0.4" (Clip2), sections
 * "Descriptor Header", "Ping (0x00)" and "Query (0x80)", with the specifying sentence next to each field. The other
 * messages follow the same document where it applies, and the document of GGEP, revision 0.51.
 */
import type { ContentId, NodeId } from '../../../../src/base/ids.ts'
import {
  nodeTag,
  NO_RESULTS,
  type DescriptorId,
  type QueryHit,
  type SearchFilter,
  type SearchMessage,
  type SearchResult
} from '../../../../src/wire/gnutella/search.ts'
import { pageOf } from './pages.ts'

export const node = (digit: string): NodeId => digit.repeat(64) as NodeId
export const content = (digit: string): ContentId => digit.repeat(64) as ContentId
export const header = { id: '000102030405060708090a0b0c0d0e0f' as DescriptorId, ttl: 7, hops: 2 }
export const anyFile: SearchFilter = { type: undefined, minBytes: undefined, maxBytes: undefined }
const N = (digit: string): string => digit.repeat(64)

/** The tag of a descriptor and its header. Only type and length differ between the messages. */
const head = (type: string, length: string): string =>
  [
    '01',
    // "Descriptor ID: A 16-byte string uniquely identifying the descriptor on the network."
    '000102030405060708090a0b0c0d0e0f',
    // "Payload Descriptor: 0x00 = Ping, 0x01 = Pong, 0x40 = Push, 0x80 = Query, 0x81 = QueryHit."
    type,
    // "TTL: The number of times the descriptor will be forwarded ... before it is removed from the network."
    '07',
    // "Hops: The number of times the descriptor has been forwarded."
    '02',
    // "Payload Length: The length of the descriptor immediately following this header." Four bytes, little-endian.
    length
  ].join('')

/** The results of the golden hit. */
export const results: readonly [SearchResult, SearchResult] = [
  { content: content('3'), name: 'a b', path: undefined, bytes: 5 },
  { content: ('00'.repeat(16) + '33'.repeat(16)) as ContentId, name: 'c', path: 'd/é', bytes: 2 ** 40 }
]

export const hit: QueryHit = {
  kind: 'query-hit',
  ...header,
  holder: { id: node('2'), address: { host: '208.17.50.4', port: 6_346 } },
  page: pageOf(results),
  signature: new Uint8Array(64).fill(0x44),
  trace: { forwarded: 300, path: [node('5')] }
}

export const golden: ReadonlyArray<readonly [name: string, message: SearchMessage, bytes: string]> = [
  // "A Ping is simply represented by a Descriptor Header whose Payload_Descriptor field is 0x00 and whose
  // Payload_Length field is 0x00000000."
  ['ping', { kind: 'ping', ...header }, head('00', '00000000')],
  [
    'a query without extensions',
    {
      kind: 'query',
      ...header,
      query: { text: 'free jazz', content: undefined, filter: anyFile },
      trace: false,
      asked: []
    },
    [
      head('80', '0c000000'),
      // "Minimum Speed: The minimum speed (in kb/second) of servents that should respond to this message." Bytes 0
      // and 1.
      '0000',
      // "Search Criteria: A nul (i.e. 0x00) terminated search string." From byte 2.
      '66726565206a617a7a',
      '00'
    ].join('')
  ],
  [
    'a query that is not ASCII',
    { kind: 'query', ...header, query: { text: 'é', content: undefined, filter: anyFile }, trace: false, asked: [] },
    `${head('80', '05000000')}0000c3a900`
  ],
  [
    'a query with all extensions',
    {
      kind: 'query',
      ...header,
      query: { text: '', content: content('3'), filter: { type: 'video', minBytes: 0, maxBytes: 300 } },
      trace: true,
      asked: [nodeTag(`0102030405${'06'.repeat(27)}` as NodeId), nodeTag(`ff${'fe'.repeat(31)}` as NodeId)]
    },
    [
      head('80', '4a000000'),
      '000000',
      'c3',
      // Flags (an id of one byte), id, length 12 with the flag for its last byte (0x40 + 12), data.
      '01 61 4c 010203040506 fffefefefefe',
      `01 63 60 ${N('3')}`,
      '01 6b 45 766964656f',
      '01 6d 41 00',
      '01 74 40',
      // The last extension (0x80).
      '81 78 42 ac02'
    ].join('')
  ],
  [
    'pong',
    {
      kind: 'pong',
      ...header,
      peer: { id: node('2'), address: { host: '208.17.50.4', port: 6_346 } },
      files: 258,
      kilobytes: 0x01020304
    },
    // Port, address ("208.17.50.4" is d0 11 32 04), files, kilobytes; then the block.
    [head('01', '32000000'), 'ca18', 'd0113204', '02010000', '04030201', `c3 81 6e 60 ${N('2')}`].join('')
  ],
  [
    'pong of a node without an IPv4 address',
    {
      kind: 'pong',
      ...header,
      peer: { id: node('2'), address: { host: '2001:db8::1', port: 6_346 } },
      files: 0,
      kilobytes: 0
    },
    [
      head('01', '40000000'),
      'ca18 00000000 00000000 00000000',
      'c3 01 68 4b 323030313a6462383a3a31',
      `81 6e 60 ${N('2')}`
    ].join('')
  ],
  [
    'query-hit',
    hit,
    [
      head('81', '23010000'),
      // Hits, port, address, speed.
      '02 ca18 d0113204 00000000',
      // Index, size, name, NUL, block, NUL.
      '00000000 05000000 612062 00',
      `c3 81 63 60 ${N('3')} 00`,
      '01000000 ffffffff 63 00',
      // 2^40 in six bytes, five of them NUL: COBS (0x40), one byte more.
      'c3 42 4c46 47 010101010102 01',
      // 16 NULs and 16 bytes.
      `41 63 61 ${'01'.repeat(16)} 11 ${'33'.repeat(16)}`,
      '81 70 44 642fc3a9 00',
      // Vendor, open data, private data.
      '53484f41 02 2020',
      `c3 01 6e 60 ${N('2')}`,
      // A length of 64 takes two bytes: 0x80 + 1, 0x40 + 0.
      `01 73 8140 ${'44'.repeat(64)}`,
      `81 74 63 ac02 01 ${N('5')}`,
      // The servent's identifier: the first half of the public key.
      '22'.repeat(16)
    ].join('')
  ],
  [
    'a hit without results',
    { ...hit, page: NO_RESULTS, trace: undefined },
    [
      head('81', '8a000000'),
      '00 ca18 d0113204 00000000',
      '53484f41 02 2020',
      `c3 01 6e 60 ${N('2')}`,
      `81 73 8140 ${'44'.repeat(64)}`,
      '22'.repeat(16)
    ].join('')
  ],
  [
    'push',
    {
      kind: 'push',
      ...header,
      holder: node('2'),
      content: content('3'),
      requester: { id: node('5'), address: { host: '208.17.50.4', port: 6_346 } }
    },
    [
      head('40', '84000000'),
      // Servent, index, address, port.
      `${'22'.repeat(16)} 00000000 d0113204 ca18`,
      `c3 01 63 60 ${N('3')} 01 64 60 ${N('2')} 81 6e 60 ${N('5')}`
    ].join('')
  ],
  [
    'route-table',
    // Slots 0, 1 and 300: gaps of 0, 0 and 298.
    { kind: 'route-table', ...header, bits: 14, part: 0, parts: 1, patch: Uint8Array.of(0, 0, 0xaa, 0x02) },
    [head('30', '08000000'), '02 0e 00 01', '0000aa02'].join('')
  ],
  ['connect', { kind: 'connect', degree: 5 }, '0205'],
  ['accept', { kind: 'accept', degree: 200 }, '03c801'],
  ['refuse', { kind: 'refuse', degree: 8 }, '0408'],
  ['bye', { kind: 'bye' }, '05']
].map(([name, message, bytes]) => [name, message, (bytes as string).replaceAll(' ', '')] as never)
