import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../src/base/bytes.ts'
import { DATAGRAM_COPIES_MAX, DATAGRAM_MARKS_MAX, DATAGRAM_OUTCOMES_MAX } from '../../../src/core/records/settings.ts'
import { decode, encode } from '../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../src/wire/codec/cursor.ts'
import { DATAGRAM_PAYLOAD_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX } from '../../../src/wire/common.ts'
import {
  GOT_RECORDS_MAX,
  INVENTORY_MAX,
  PUT_RECORDS_MAX,
  RECORD_TTL_MS_MAX,
  recordsMessage,
  SEQUENCE_MAX,
  type RecordsMessage
} from '../../../src/wire/records.ts'
import { golden, messages, record } from './records.golden.ts'

const ENVELOPE_BYTES = 16
const request = Number.MAX_SAFE_INTEGER
const longRecord = { ...record, sequence: SEQUENCE_MAX, ttlMs: RECORD_TTL_MS_MAX }
const mark = messages.pull.marks[0]!
const position = { key: record.key, provider: record.provider }
const fill = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item)
const sizes = (counts: { copies: number; records: number; outcomes: number; marks: number }): number[] => {
  const longest: RecordsMessage[] = [
    { kind: 'put', request, copies: fill(counts.copies, { record: longRecord, leftMs: RECORD_TTL_MS_MAX }) },
    { kind: 'got', request, mine: true, total: request, records: fill(counts.records, longRecord) },
    { kind: 'stored', request, outcomes: fill(counts.outcomes, { verdict: 'stored', sequence: SEQUENCE_MAX }) },
    { kind: 'inventory', request, marks: fill(counts.marks, mark), last: position }
  ]
  return longest.map(message => encode(recordsMessage, message).length)
}

describe('messages of the records', () => {
  for (const [kind, message] of Object.entries(messages)) {
    const bytes = golden[message.kind]
    it(`have golden bytes for ${kind}`, () => {
      expect(hex(encode(recordsMessage, message))).toBe(bytes)
      expect(decode(recordsMessage, unhex(bytes)!)).toEqual(message)
    })
  }

  it('fit in a datagram with as many items as one datagram carries', () => {
    const counts = {
      copies: DATAGRAM_COPIES_MAX,
      records: DATAGRAM_COPIES_MAX,
      outcomes: DATAGRAM_OUTCOMES_MAX,
      marks: DATAGRAM_MARKS_MAX
    }
    for (const size of sizes(counts)) expect(size).toBeLessThanOrEqual(DATAGRAM_PAYLOAD_BYTES_MAX - ENVELOPE_BYTES)
  })

  it('fit in a stream message at their limits', () => {
    const counts = {
      copies: PUT_RECORDS_MAX,
      records: GOT_RECORDS_MAX,
      outcomes: PUT_RECORDS_MAX,
      marks: INVENTORY_MAX
    }
    for (const size of sizes(counts)) expect(size).toBeLessThanOrEqual(STREAM_MESSAGE_BYTES_MAX)
  })

  it('are refused over their limits before the items are read', () => {
    // Tag put, request 0, 257 copies (81 02), and no bytes of them.
    expect(() => decode(recordsMessage, Uint8Array.of(0, 0, 0x81, 2))).toThrow(/the limit is 256/)
    const put = { kind: 'put', request, copies: [{ record: longRecord, leftMs: RECORD_TTL_MS_MAX }] } as const
    const longer = encode(recordsMessage, { ...put, copies: [{ record: longRecord, leftMs: RECORD_TTL_MS_MAX }] })
    longer[longer.length - 1]!++
    expect(() => decode(recordsMessage, longer)).toThrow(DecodeError)
  })
})
