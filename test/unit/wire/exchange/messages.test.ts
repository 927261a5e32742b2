import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../../src/base/bytes.ts'
import { Random } from '../../../../src/base/random.ts'
import type { ContentId, NodeId } from '../../../../src/base/ids.ts'
import { decode, encode } from '../../../../src/wire/codec/codec.ts'
import { DecodeError, Writer } from '../../../../src/wire/codec/cursor.ts'
import { STREAM_MESSAGE_BYTES_MAX } from '../../../../src/wire/common.ts'
import {
  exchangeMessage,
  GONE_PIECES_MAX,
  HAVE_RANGES_MAX,
  PEERS_PER_MESSAGE_MAX,
  PIECE_BITS_BYTES_MAX,
  PIECE_LEAVES_MAX,
  REQUEST_LEAVES_MAX,
  REQUESTS_PER_MESSAGE_MAX,
  type ExchangeMessage
} from '../../../../src/wire/exchange.ts'
import { PIECES_MAX, type LeafRange, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'

const content = 'c0'.repeat(32) as ContentId
const C = 'c0'.repeat(32)
const peer = { id: 'a1'.repeat(32) as NodeId, address: { host: '10.0.0.1', port: 4_000 } }

function range(piece: number, leafStart: number, leafCount: number): LeafRange {
  return { piece: piece as PieceIndex, leafStart, leafCount }
}

const golden: Array<[ExchangeMessage, string]> = [
  [{ kind: 'interested', content }, `01${C}`],
  [{ kind: 'not-interested', content }, `02${C}`],
  [{ kind: 'have-all', content }, `03${C}`],
  [{ kind: 'have-bits', content, pieces: Uint8Array.of(0xa0, 0x01) }, `04${C}02a001`],
  [{ kind: 'not-held', content }, `05${C}`],
  [{ kind: 'have', content, ranges: [range(300, 0, 32), range(1, 4, 8)] }, `06${C}02ac020020010408`],
  [
    { kind: 'request', content, requests: [{ request: 258, range: range(7, 16, 16), hashes: true }] },
    `07${C}010000010207101001`
  ],
  [{ kind: 'cancel', requests: [1, 2] }, '08020000000100000002'],
  [{ kind: 'reject', requests: [9], reason: 'not-held' }, '09010000000902'],
  [{ kind: 'choke' }, '0a'],
  [{ kind: 'unchoke' }, '0b'],
  [{ kind: 'peers', content, contacts: [peer] }, `0c${C}01${'a1'.repeat(32)}0831302e302e302e310fa0`],
  [{ kind: 'banned', content, reason: 'bad-manifest' }, `0d${C}01`],
  [{ kind: 'gone', content, pieces: [5 as PieceIndex] }, `0e${C}0105`],
  [{ kind: 'offer', content }, `0f${C}`]
]

describe('messages of the exchange', () => {
  it.each(golden)('have golden bytes for $kind', (message, bytes) => {
    expect(hex(encode(exchangeMessage, message))).toBe(bytes)
    expect(decode(exchangeMessage, unhex(bytes)!)).toEqual(message)
  })

  it('are complete: every kind has golden bytes', () => {
    expect(new Set(golden.map(([{ kind }]) => kind)).size).toBe(15)
  })

  it('fit in a stream message at their limits', () => {
    const far = range(PIECES_MAX - 1, PIECE_LEAVES_MAX - 1, 1)
    const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one)
    const largest: ExchangeMessage[] = [
      { kind: 'have-bits', content, pieces: new Uint8Array(PIECE_BITS_BYTES_MAX) },
      { kind: 'have', content, ranges: many(HAVE_RANGES_MAX, far) },
      { kind: 'request', content, requests: many(REQUESTS_PER_MESSAGE_MAX, { request: 1, range: far, hashes: true }) },
      {
        kind: 'peers',
        content,
        contacts: many(PEERS_PER_MESSAGE_MAX, { ...peer, address: { host: 'h'.repeat(253), port: 1 } })
      },
      { kind: 'gone', content, pieces: many(GONE_PIECES_MAX, far.piece) }
    ]
    for (const message of largest) {
      const bytes = encode(exchangeMessage, message)
      expect(bytes.length).toBeLessThanOrEqual(STREAM_MESSAGE_BYTES_MAX)
      expect(decode(exchangeMessage, bytes)).toEqual(message)
    }
  })

  it.each([
    ['a bitfield', 4, PIECE_BITS_BYTES_MAX + 1],
    ['ranges of have', 6, HAVE_RANGES_MAX + 1],
    ['requests', 7, REQUESTS_PER_MESSAGE_MAX + 1],
    ['peers', 12, PEERS_PER_MESSAGE_MAX + 1],
    ['pieces that are gone', 14, GONE_PIECES_MAX + 1]
  ])('refuses %s over the limit by its count alone', (_, tag, count) => {
    const writer = new Writer()
    writer.u8(tag)
    writer.raw(unhex(C)!)
    writer.varint(count)
    writer.raw(new Uint8Array(PIECE_BITS_BYTES_MAX + 1))
    expect(() => decode(exchangeMessage, writer.finish())).toThrow(/limit/)
  })

  it.each([
    ['more leaves than a request has', `07${C}01000000010000${hexOf(REQUEST_LEAVES_MAX + 1)}00`],
    ['no leaves', `07${C}0100000001000000` + '00'],
    ['leaves past the largest piece', `06${C}0100ff1f02`],
    ['a piece past the last', `0e${C}01${hexOf(PIECES_MAX)}`],
    ['an unknown reason', '09010000000907'],
    ['an unknown kind', `10${C}`],
    ['a trailing byte', `01${C}00`]
  ])('refuses %s', (_, bytes) => {
    expect(() => decode(exchangeMessage, unhex(bytes)!)).toThrow(DecodeError)
  })

  it('throw only DecodeError for random bytes', () => {
    const random = Random.from('noise')
    for (let i = 0; i < 5_000; i++) {
      const bytes = random.bytes(random.below(80))
      bytes[0] = random.below(16)
      try {
        const message = decode(exchangeMessage, bytes)
        expect(hex(encode(exchangeMessage, message))).toBe(hex(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }
  })
})

function hexOf(value: number): string {
  const writer = new Writer()
  writer.varint(value)
  return hex(writer.finish())
}
