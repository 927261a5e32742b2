/** The messages that hold most for their bytes, each large or many, so that constants do not hide what they hold. */
import { describe, expect, it } from 'vitest'
import { Random } from '../../src/base/random.ts'
import { encode } from '../../src/wire/codec/codec.ts'
import { partsOf, QRP_BITS_MAX, QrpTable } from '../../src/wire/gnutella/qrp.ts'
import {
  HIT_RESULTS_MAX,
  QUERY_TEXT_BYTES_MAX,
  RESULT_NAME_BYTES_MAX,
  RESULT_PATH_BYTES_MAX,
  searchMessage,
  TRACE_PATH_MAX,
  type QueryHit,
  type SearchMessage,
  type SearchResult
} from '../../src/wire/gnutella/search.ts'
import { pageOf, readWhole } from '../unit/wire/gnutella/pages.ts'
import { heapOf, slabOf } from './heap.ts'
import { Draw } from './search-messages.ts'

const HEAP_TIMES_MAX = 4
const COUNT = 1_000
const random = Random.from('heap')
const draw = new Draw(random)
/** One character over the first 256 makes a string of two bytes each. */
const wide = (bytes: number): string => `${'a'.repeat(bytes - 2)}\u0100`

function hit(result: (index: number) => Partial<SearchResult>, count = HIT_RESULTS_MAX): QueryHit {
  const results = Array.from({ length: count }, (_, index) => ({
    content: draw.content(),
    name: random.u32().toString(36).slice(0, 2),
    path: undefined,
    // Over 2^31: no small integer of the engine's, but a number that takes memory.
    bytes: 2 ** 32 - 2 - index,
    ...result(index)
  }))
  const holder = { id: draw.node(), address: { host: '192.0.2.1', port: 4_000 } }
  return {
    kind: 'query-hit',
    ...draw.header(),
    holder,
    page: pageOf(results),
    signature: random.bytes(64),
    trace: undefined
  }
}

describe('a message holds at most four times its bytes', () => {
  const trace = (): QueryHit['trace'] => ({
    forwarded: 65_535,
    path: Array.from({ length: TRACE_PATH_MAX }, () => draw.node())
  })
  const filter = { type: undefined, minBytes: undefined, maxBytes: undefined }
  const makers: Record<string, () => SearchMessage> = {
    'a hit of results with names of one letter': () => hit(() => ({ name: 'x' })),
    'a hit of results with names of two letters': () => hit(() => ({})),
    'a hit of results with one wide letter': () => hit(index => ({ name: String.fromCodePoint(0x400 + index) })),
    'a hit of results with large sizes': () => hit(index => ({ bytes: 2 ** 32 + index })),
    'a hit of results with short paths': () => hit(index => ({ path: index.toString(36).padStart(2, '0') })),
    'a hit of results with wide names': () => hit(() => ({ name: wide(RESULT_NAME_BYTES_MAX) })),
    'a hit of results with wide paths': () => hit(() => ({ path: wide(RESULT_PATH_BYTES_MAX) }), 14),
    'a hit of nothing but a trace': () => ({ ...hit(() => ({}), 0), trace: trace() }),
    'a wide query': () => ({
      ...{ kind: 'query', ...draw.header(), trace: false, asked: [] },
      query: { text: wide(QUERY_TEXT_BYTES_MAX), content: draw.content(), filter }
    }),
    'a part of a route table': () => ({
      ...{ kind: 'route-table', ...draw.header(), bits: QRP_BITS_MAX, part: 0, parts: partsOf(QRP_BITS_MAX) },
      patch: Uint8Array.from({ length: 20_000 }, (_, index) => index & 7)
    })
  }

  it.each(Object.entries(makers))('%s', (_name, make) => {
    const inputs = Array.from({ length: COUNT }, () => encode(searchMessage, make()).slice())
    const wireBytes = inputs.reduce((sum, input) => sum + input.length, 0)
    const at = slabOf(inputs)
    const heapBytes = heapOf(COUNT, index => readWhole(at(index)))
    // A measurement that misses what is held would tell nothing.
    expect(heapBytes / wireBytes).toBeGreaterThan(0.9)
    expect(heapBytes / wireBytes).toBeLessThan(HEAP_TIMES_MAX)
  })
})

it('a table holds at most four times the bytes of its patches', () => {
  for (const words of [2_000, 8_000, 30_000, 120_000]) {
    const table = QrpTable.of(Array.from({ length: words }, () => random.u32().toString(36)))
    const patches = table.patches()
    const wireBytes = patches.reduce((sum, patch) => sum + patch.length, 0)
    const heapBytes = heapOf(20, () => QrpTable.fromPatches(table.bits, patches)) / 20
    expect(heapBytes).toBeGreaterThan(2 ** table.bits / 8)
    expect(heapBytes / wireBytes).toBeLessThan(HEAP_TIMES_MAX)
  }
})
