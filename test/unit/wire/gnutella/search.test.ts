import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../../src/base/bytes.ts'
import { Random } from '../../../../src/base/random.ts'
import type { ContentId } from '../../../../src/base/ids.ts'
import { decode, encode } from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'
import { HOST_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX } from '../../../../src/wire/common.ts'
import { DESCRIPTOR_HEADER_BYTES } from '../../../../src/wire/gnutella/descriptor.ts'
import { QRP_PATCH_BYTES_MAX } from '../../../../src/wire/gnutella/qrp.ts'
import {
  DEGREE_MAX,
  descriptorId,
  FILTER_TYPE_BYTES_MAX,
  HIT_RESULTS_MAX,
  hitClaim,
  hitPages,
  NO_RESULTS,
  PAYLOAD_BYTES_MAX,
  PONG_COUNT_MAX,
  QUERY_TEXT_BYTES_MAX,
  queryProblem,
  RESULT_NAME_BYTES_MAX,
  RESULT_PATH_BYTES_MAX,
  searchMessage,
  TRACE_FORWARDED_MAX,
  TRACE_PATH_MAX,
  resultsOf,
  type DescriptorId,
  type QueryHit,
  type SearchFilter,
  type SearchMessage,
  type SearchResult
} from '../../../../src/wire/gnutella/search.ts'
import { pageOf, readPage, readWhole } from './pages.ts'
import { anyFile, content, golden, header, hit, node, results } from './search.golden.ts'

const write = (message: SearchMessage): string => hex(encode(searchMessage, message))
const read = (bytes: string): SearchMessage => readWhole(unhex(bytes.replaceAll(' ', ''))!).message
const bytesOf = (name: string): string => golden.find(row => row[0] === name)![2]
/** The golden message with `from` replaced by `to`. Fails unless `from` occurs exactly once. */
const forged = (name: string, from: string, to: string): string => {
  const [before, after] = [from, to].map(part => part.replaceAll(' ', '')) as [string, string]
  const bytes = bytesOf(name)
  expect(bytes.split(before).length).toBe(2)
  const changed = bytes.replace(before, after)
  const length = (changed.length / 2 - 1 - DESCRIPTOR_HEADER_BYTES).toString(16).padStart(8, '0')
  const little = length.match(/../g)!.toReversed().join('')
  return changed.slice(0, 40) + little + changed.slice(48)
}
const queryOf = (text: string, filter: SearchFilter = anyFile): SearchMessage => ({
  kind: 'query',
  ...header,
  query: { text, content: undefined, filter },
  trace: false,
  asked: []
})
const longHost = { id: node('2'), address: { host: 'h'.repeat(HOST_BYTES_MAX), port: 65_535 } }
const longTrace = { forwarded: TRACE_FORWARDED_MAX, path: Array.from({ length: TRACE_PATH_MAX }, () => node('5')) }
/** The content id has only zeros, each of which takes an extra byte in COBS. */
const longResult: SearchResult = {
  content: content('0'),
  name: 'n'.repeat(RESULT_NAME_BYTES_MAX),
  path: 'p'.repeat(RESULT_PATH_BYTES_MAX),
  bytes: Number.MAX_SAFE_INTEGER
}

describe('messages of search', () => {
  it.each(golden)('have golden bytes for %s', (_name, message, bytes) => {
    expect(write(message)).toBe(bytes)
    expect(read(bytes)).toEqual(message)
  })

  it('are complete: every kind has golden bytes', () => {
    const kinds = new Set(golden.map(row => row[1].kind))
    expect([...kinds].toSorted()).toEqual(
      ['accept', 'bye', 'connect', 'ping', 'pong', 'push', 'query', 'query-hit', 'refuse', 'route-table'].toSorted()
    )
  })

  it('accept any TTL and hops, which the machine checks', () => {
    const forgedTtl: SearchMessage = { kind: 'ping', ...header, ttl: 255, hops: 255 }
    expect(read(write(forgedTtl))).toEqual(forgedTtl)
    expect(() => write({ kind: 'ping', ...header, ttl: 256 })).toThrow(RangeError)
  })

  it.each([
    ['an unknown type', '01 000102030405060708090a0b0c0d0e0f 02 07 02 00000000'],
    ['an unknown tag', '06'],
    ['a ping with a payload', '01 000102030405060708090a0b0c0d0e0f 00 07 02 01000000 00'],
    ['a length over that of the payload', '01 000102030405060708090a0b0c0d0e0f 00 07 02 01000000'],
    ['a length under that of the payload', '01 000102030405060708090a0b0c0d0e0f 00 07 02 00000000 00'],
    ['a degree over the limit', '02 8002']
  ])('refuse %s', (_what, bytes) => {
    expect(() => read(bytes)).toThrow(DecodeError)
  })

  it('refuse a payload over the limit before it is read', () => {
    // 0x00010001: one more than 64 KiB, and no bytes of it.
    const bytes = '01 000102030405060708090a0b0c0d0e0f 81 07 02 01000100'
    expect(() => read(bytes)).toThrow(`the limit is ${PAYLOAD_BYTES_MAX}`)
  })

  it.each([
    ['a minimum speed', 'a query without extensions', '0000 66', '0100 66'],
    ['no NUL', 'a query without extensions', '7a7a00', '7a7a'],
    ['a text that is not UTF-8', 'a query without extensions', '7a7a00', '7aff00'],
    ['a block without its magic', 'a query without extensions', '7a7a00', '7a7a0000'],
    ['an unknown extension', 'a query with all extensions', '01 74 40', '01 75 40'],
    ['an extension twice', 'a query with all extensions', '01 74 40', '01 74 40 01 74 40'],
    ['extensions in another order', 'a query with all extensions', '01 6d 41 00 01 74 40', '01 74 40 01 6d 41 00'],
    ['data in an extension that has none', 'a query with all extensions', '01 74 40', '01 74 41 00'],
    ['an extension with the flag for compression', 'a query with all extensions', '01 74 40', '21 74 40'],
    ['a reserved flag', 'a query with all extensions', '01 74 40', '11 74 40'],
    ['COBS outside of NULs', 'a query with all extensions', '01 6d 41 00', '41 6d 42 0101'],
    ['a length byte without flags', 'a query with all extensions', '01 74 40', '01 74 00'],
    ['a length byte with both flags', 'a query with all extensions', '01 74 40', '01 74 c0'],
    ['a length that is not in its shortest form', 'a query with all extensions', '01 74 40', '01 74 80 40'],
    ['bytes after the last extension', 'a query with all extensions', '81 78 42 ac02', '81 78 42 ac02 00'],
    ['a number that is not in its shortest form', 'a query with all extensions', '01 6d 41 00', '01 6d 42 8000'],
    ['an empty type', 'a query with all extensions', '01 6b 45 766964656f', '01 6b 40'],
    ['a type with a NUL', 'a query with all extensions', '01 6b 45 766964656f', '01 6b 45 7669006565'],
    ['port 0', 'pong', 'ca18', '0000'],
    ['no address at all', 'pong', 'd0113204', '00000000'],
    ['two addresses', 'pong of a node without an IPv4 address', 'ca18 00000000', 'ca18 d0113204'],
    [
      'IPv4 in the field for others',
      'pong of a node without an IPv4 address',
      '4b 323030313a6462383a3a31',
      '47 312e312e312e31'
    ],
    ['results out of order', 'query-hit', '01000000 ffffffff', '02000000 ffffffff'],
    ['fewer results than its count', 'query-hit', '02 ca18', '03 ca18'],
    ['a nameless result', 'query-hit', '05000000 612062', '05000000'],
    ['a result without content', 'query-hit', `c3 81 63 60 ${'33'.repeat(32)} 00 01`, 'c3 81 70 41 61 00 01'],
    ['a result without its last NUL', 'query-hit', `${'33'.repeat(32)} 00 01`, `${'33'.repeat(32)} 01 01`],
    ['two sizes', 'query-hit', 'ffffffff 63', '05000000 63'],
    ['a large size that is small', 'query-hit', '42 4c46 47 010101010102 01', '02 4c46 41 05'],
    ['a large size of 2^53', 'query-hit', '42 4c46 47 010101010102 01', `42 4c46 48 010101010101 02 20`],
    ['another vendor', 'query-hit', '53484f41', '4c494d45'],
    [
      "a servent that is not the holder's",
      'query-hit',
      `${'55'.repeat(32)}${'22'.repeat(16)}`,
      `${'55'.repeat(32)}${'23'.repeat(16)}`
    ],
    [
      'a hit without a signature',
      'a hit without results',
      `01 6e 60 ${'22'.repeat(32)} 81 73 8140 ${'44'.repeat(64)}`,
      `81 6e 60 ${'22'.repeat(32)}`
    ],
    [
      'a push to a servent that is not the holder',
      'push',
      `${'22'.repeat(16)} 00000000`,
      `${'23'.repeat(16)} 00000000`
    ],
    ['a file index', 'push', '00000000 d0', '01000000 d0'],
    ["0.6's own variant of a route table", 'route-table', '02 0e 00 01', '01 0e 00 01'],
    ['a table too small', 'route-table', '02 0e 00 01', '02 0d 00 01'],
    ['a table too large', 'route-table', '02 0e 00 01', '02 16 00 01'],
    ['a part past the last one', 'route-table', '02 0e 00 01', '02 0e 01 01'],
    ['a wrong number of parts', 'route-table', '02 0e 00 01', '02 0e 00 02'],
    ['a slot past the end', 'route-table', 'aa02', 'fe7f']
  ])('refuse %s', (_what, name, from, to) => {
    expect(() => read(forged(name, from, to))).toThrow(DecodeError)
  })

  it('are read when the forger changes nothing', () => {
    for (const [name, message] of golden.filter(row => row[2].startsWith('01'))) {
      expect(read(forged(name, bytesOf(name).slice(0, 40), bytesOf(name).slice(0, 40)))).toEqual(message)
    }
  })
})

describe('limits of search', () => {
  it('allow the longest query and no longer one', () => {
    const longest = queryOf('é'.repeat(QUERY_TEXT_BYTES_MAX / 2), {
      ...anyFile,
      type: 't'.repeat(FILTER_TYPE_BYTES_MAX)
    })
    expect(read(write(longest))).toEqual(longest)
    const text = bytesOf('a query without extensions').slice(0, 52)
    expect(() => read(`${text}${'61'.repeat(QUERY_TEXT_BYTES_MAX + 1)}00`)).toThrow(DecodeError)
    const type = `6b ${(0x40 + FILTER_TYPE_BYTES_MAX + 1).toString(16)} ${'74'.repeat(FILTER_TYPE_BYTES_MAX + 1)}`
    expect(() => read(forged('a query with all extensions', '6b 45 766964656f', type))).toThrow(/the limit is 32/)
  })

  it.each([
    ['a text too long', queryOf('x'.repeat(QUERY_TEXT_BYTES_MAX + 1))],
    ['a NUL', queryOf('a\0b')],
    ['an unpaired surrogate', queryOf('a\ud800')],
    ['an empty type', queryOf('a', { ...anyFile, type: '' })],
    ['a type too long', queryOf('a', { ...anyFile, type: 't'.repeat(FILTER_TYPE_BYTES_MAX + 1) })],
    ['a type with a NUL', queryOf('a', { ...anyFile, type: '\0' })],
    ['a negative size', queryOf('a', { ...anyFile, minBytes: -1 })],
    ['a size with a fraction', queryOf('a', { ...anyFile, maxBytes: 0.5 })]
  ])('refuse a query before it is sent: %s', (_what, message) => {
    expect(message.kind === 'query' && queryProblem(message.query)).toEqual(expect.any(String))
    expect(() => write(message)).toThrow(RangeError)
  })

  it('accept a query that can be sent', () => {
    for (const [, message] of golden) if (message.kind === 'query') expect(queryProblem(message.query)).toBeUndefined()
  })

  it('apply to a pong, a push and a handshake', () => {
    const messages: SearchMessage[] = [
      { kind: 'pong', ...header, peer: longHost, files: PONG_COUNT_MAX, kilobytes: PONG_COUNT_MAX },
      { kind: 'push', ...header, holder: node('2'), content: content('3'), requester: longHost },
      { kind: 'connect', degree: DEGREE_MAX }
    ]
    for (const message of messages) expect(read(write(message))).toEqual(message)
    expect(() => write({ kind: 'connect', degree: DEGREE_MAX + 1 })).toThrow(RangeError)
    const pong = { kind: 'pong', ...header, peer: longHost, kilobytes: 0 } as const
    expect(() => write({ ...pong, files: PONG_COUNT_MAX + 1 })).toThrow(RangeError)
  })

  it('allow every host of an address', () => {
    const hosts = [
      '0.0.0.0',
      '255.255.255.255',
      '1.2.3',
      '01.2.3.4',
      '1.2.3.4.',
      '256.1.1.1',
      '1.2.3.4\0',
      '\u202e',
      '::'
    ]
    for (const host of hosts) {
      const message: SearchMessage = { ...hit, holder: { id: node('2'), address: { host, port: 1 } } }
      expect(read(write(message))).toEqual(message)
    }
  })

  it('allow a hit with HIT_RESULTS_MAX results', () => {
    const many = Array.from({ length: HIT_RESULTS_MAX }, (_, i) => ({ ...results[0], bytes: 2 ** 32 - 3 + i }))
    const most: SearchMessage = { ...hit, page: pageOf(many) }
    expect(read(write(most))).toEqual(most)
    expect(readPage(most.page)).toEqual(many)
    expect(() => write({ ...hit, page: { ...most.page, count: HIT_RESULTS_MAX + 1 } })).toThrow(RangeError)
    expect(() => read(forged('query-hit', '02 ca18', '41 ca18'))).toThrow(/the limit is 64/)
    const tooLong = { count: 1, bytes: new Uint8Array(PAYLOAD_BYTES_MAX) }
    expect(() => write({ ...hit, page: tooLong })).toThrow(/the limit is 65536/)
  })

  it.each([
    ['a name', { name: `${longResult.name}n` }],
    ['a name with a NUL', { name: 'a\0' }],
    ['no name', { name: '' }],
    ['a path', { path: `${longResult.path!}p` }],
    ['a path with a NUL', { path: '\0' }],
    ['a size', { bytes: 2 ** 53 }],
    ['a negative size', { bytes: -1 }]
  ])('refuse a result with %s', (_what, change) => {
    expect(() => hitPages([{ ...longResult, ...change }])).toThrow(RangeError)
  })

  it('refuse a longer name or path on reading', () => {
    const name = '61'.repeat(RESULT_NAME_BYTES_MAX + 1)
    expect(() => read(forged('query-hit', '05000000 612062', `05000000 ${name}`))).toThrow(DecodeError)
    // 4097 is 0x81 0x80 0x41 in GGEP's six bits per byte.
    const path = `70 81 80 41 ${'61'.repeat(RESULT_PATH_BYTES_MAX + 1)}`
    expect(() => read(forged('query-hit', '70 44 642fc3a9', path))).toThrow(DecodeError)
    const trace = `81 74 88 43 ac02 10 ${'55'.repeat(32 * (TRACE_PATH_MAX + 1))}`
    expect(() => read(forged('query-hit', `81 74 63 ac02 01 ${'55'.repeat(32)}`, trace))).toThrow(/the limit is 15/)
  })

  it('keep every message within the limit of a stream message', () => {
    // Tag and header, and the tag of the envelope.
    expect(1 + DESCRIPTOR_HEADER_BYTES + PAYLOAD_BYTES_MAX + 16).toBeLessThan(STREAM_MESSAGE_BYTES_MAX)
    expect(4 + QRP_PATCH_BYTES_MAX).toBeLessThan(PAYLOAD_BYTES_MAX)
  })
})

describe('pages of hits', () => {
  const random = Random.from('pages')
  const draw = (): SearchResult => ({
    content: hex(random.bytes(32).map(byte => (random.chance(0.5) ? 0 : byte))) as ContentId,
    name: 'n'.repeat(1 + random.below(RESULT_NAME_BYTES_MAX)),
    path: random.chance(0.3)
      ? undefined
      : 'p'.repeat(1 + random.below(random.chance(0.1) ? RESULT_PATH_BYTES_MAX : 99)),
    bytes: random.below(2 ** 32) * random.below(2 ** 20)
  })

  it('contain all results in order, and each page fits in a hit with the longest other fields', () => {
    for (let round = 0; round < 50; round++) {
      const many = Array.from({ length: random.below(200) }, draw)
      const pages = hitPages(many)
      expect(pages.flatMap(readPage)).toEqual(many)
      for (const page of pages) {
        expect(page.count).toBeGreaterThan(0)
        const bytes = encode(searchMessage, { ...hit, holder: longHost, page, trace: longTrace }).length
        expect(bytes).toBeLessThanOrEqual(1 + DESCRIPTOR_HEADER_BYTES + PAYLOAD_BYTES_MAX)
      }
    }
  })

  it('are forwarded unchanged, and hold no views of the input', () => {
    const came = encode(searchMessage, { ...hit, page: pageOf(Array.from({ length: 60 }, draw)) })
    const before = hex(came)
    const message = decode(searchMessage, came)
    came.fill(0xff)
    expect(write(message)).toBe(before)
  })

  it('that are invalid are forwarded unread, and give no results when read', () => {
    const bytes = forged('query-hit', '01000000 ffffffff', '02000000 ffffffff')
    const message = decode(searchMessage, unhex(bytes)!) as QueryHit
    expect(write(message)).toBe(bytes)
    expect(resultsOf(message.page)).toBeUndefined()
    const { count, bytes: page } = hit.page
    for (const other of [count - 1, count + 1]) expect(resultsOf({ count: other, bytes: page })).toBeUndefined()
    expect(resultsOf(hit.page)).toEqual(results)
  })

  it('are as few as possible', () => {
    expect(hitPages([])).toEqual([])
    const few = hitPages(Array.from({ length: HIT_RESULTS_MAX + 1 }, () => results[0]))
    expect(few.map(page => page.count)).toEqual([HIT_RESULTS_MAX, 1])
    // 14 results of 4,415 bytes fit in a page next to the other fields, for which 1 KiB is reserved.
    const long = hitPages(Array.from({ length: 30 }, () => longResult))
    expect(long.map(page => page.count)).toEqual([14, 14, 2])
  })
})

describe('the claim that the holder of a hit signs', () => {
  const claim = (id: DescriptorId, change: object = {}): string => hex(hitClaim(id, { ...hit, ...change }))

  it('has golden bytes', () => {
    const result = (name: string): string => bytesOf('query-hit').match(name)![0]
    expect(claim(header.id)).toBe(
      [
        '000102030405060708090a0b0c0d0e0f',
        '22'.repeat(32),
        '0b 3230382e31372e35302e34',
        '18ca',
        '02',
        result('0000000005000000.*?(?=01000000ffffffff)'),
        result('01000000ffffffff.*?(?=53484f41)')
      ]
        .join('')
        .replaceAll(' ', '')
    )
  })

  it('depends on the query, the holder, its address and the results, and on nothing else', () => {
    const other = descriptorId(new Uint8Array(16))
    const claims = [
      claim(header.id),
      claim(other),
      claim(header.id, { holder: { ...hit.holder, id: node('3') } }),
      claim(header.id, { holder: longHost }),
      claim(header.id, { page: NO_RESULTS }),
      claim(header.id, { page: pageOf(results.toReversed()) }),
      ...(['content', 'name', 'path', 'bytes'] as const).map(field =>
        claim(header.id, { page: pageOf([{ ...results[0], [field]: longResult[field] }, results[1]]) })
      )
    ]
    expect(new Set(claims).size).toBe(claims.length)
    expect(claim(header.id, { trace: undefined, ttl: 1, hops: 9, signature: new Uint8Array(64) })).toBe(claims[0])
  })
})
