import { describe, expect, it } from 'vitest'
import { concat, hex, unhex } from '../../../src/base/bytes.ts'
import { expectDefined } from '../../../src/base/assert.ts'
import type { ContentId } from '../../../src/base/ids.ts'
import { Random } from '../../../src/base/random.ts'
import {
  FRAME_HEAD_BYTES,
  FRAME_LEAVES_MAX,
  FrameParser,
  frameHead,
  MANIFEST_HEAD_BYTES,
  MANIFEST_LAYER_BYTES_MAX,
  MANIFEST_REQUEST_BYTES,
  manifestHead,
  manifestRequest,
  PIECE_LEAVES_MAX,
  type FrameHead
} from '../../../src/wire/blocks.ts'
import { decode, encode } from '../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../src/wire/codec/cursor.ts'
import { LEAF_BYTES } from '../../../src/wire/bittorrent/layout.ts'
import { LINEAGE_BYTES_MAX } from '../../../src/wire/lineage.ts'
import { INFO_BYTES_MAX } from '../../../src/wire/bittorrent/metainfo.ts'

const golden: Array<[FrameHead, string]> = [
  [
    { kind: 'hashes', request: 0x01020304, leafStart: 0, leafCount: 32, payloadBytes: 1024 },
    '00010203040000002000000400'
  ],
  [{ kind: 'leaves', request: 7, leafStart: 16, leafCount: 16, payloadBytes: 262_144 }, '01000000070010001000040000'],
  [
    { kind: 'leaves', request: 0xffffffff, leafStart: 4_095, leafCount: 1, payloadBytes: 1 },
    '01ffffffff0fff000100000001'
  ],
  [{ kind: 'failed', request: 9, leafStart: 0, leafCount: 0, payloadBytes: 0 }, '02000000090000000000000000']
]

const raw = (kind: number, leafStart: number, leafCount: number, payloadBytes: number): Uint8Array => {
  const head = new Uint8Array(FRAME_HEAD_BYTES)
  const view = new DataView(head.buffer)
  view.setUint8(0, kind)
  view.setUint16(5, leafStart)
  view.setUint16(7, leafCount)
  view.setUint32(9, payloadBytes)
  return head
}

describe('a frame head', () => {
  it('has golden bytes', () => {
    for (const [head, bytes] of golden) {
      expect(hex(encode(frameHead, head))).toBe(bytes)
      expect(decode(frameHead, expectDefined(unhex(bytes), 'hexadecimal'))).toEqual(head)
    }
  })

  it.each([
    ['an unknown kind', raw(3, 0, 0, 0)],
    ['no leaf', raw(1, 0, 0, 0)],
    ['more leaves than a frame holds', raw(1, 0, FRAME_LEAVES_MAX + 1, (FRAME_LEAVES_MAX + 1) * LEAF_BYTES)],
    ['leaves past the longest piece', raw(1, PIECE_LEAVES_MAX, 1, 1)],
    ['more bytes than its leaves have', raw(1, 0, 1, LEAF_BYTES + 1)],
    ['a short leaf that is not the last', raw(1, 0, 2, LEAF_BYTES)],
    ['hashes of no piece', raw(0, 0, 0, 0)],
    ['hashes of a piece that is too long', raw(0, 0, PIECE_LEAVES_MAX + 1, (PIECE_LEAVES_MAX + 1) * 32)],
    ['hashes from the middle of a piece', raw(0, 1, 1, 32)],
    ['half a hash', raw(0, 0, 1, 16)],
    ['a failed frame with a payload', raw(2, 0, 0, 1)]
  ])('is refused with %s', (_, bytes) => {
    expect(() => decode(frameHead, bytes)).toThrow(DecodeError)
  })
})

describe('the frame parser', () => {
  const frames: Array<{ head: FrameHead; payload: Uint8Array }> = [
    {
      head: { kind: 'hashes', request: 1, leafStart: 0, leafCount: 3, payloadBytes: 96 },
      payload: Random.from('h').bytes(96)
    },
    {
      head: { kind: 'leaves', request: 1, leafStart: 0, leafCount: 2, payloadBytes: 20_000 },
      payload: Random.from('l').bytes(20_000)
    },
    { head: { kind: 'failed', request: 2, leafStart: 0, leafCount: 0, payloadBytes: 0 }, payload: new Uint8Array(0) },
    { head: { kind: 'leaves', request: 3, leafStart: 5, leafCount: 1, payloadBytes: 1 }, payload: Uint8Array.of(9) }
  ]
  const stream = concat(...frames.flatMap(({ head, payload }) => [encode(frameHead, head), payload]))

  function parse(cuts: readonly number[]): Array<{ head: FrameHead; payload: Uint8Array }> {
    const parser = new FrameParser()
    const found: Array<{ head: FrameHead; payload: Uint8Array }> = []
    let open: { head: FrameHead; payload: Uint8Array } | undefined
    let from = 0
    for (const cut of [...cuts, stream.length]) {
      for (const event of parser.feed(stream.subarray(from, cut))) {
        if (event.kind === 'head') open = { head: event.head, payload: new Uint8Array(0) }
        else if (event.kind === 'payload' && open !== undefined) open.payload = concat(open.payload, event.bytes)
        else if (open !== undefined) found.push(open)
      }
      from = cut
    }
    expect(parser.between).toBe(true)
    return found
  }

  it('finds the same frames for every division into chunks', () => {
    expect(parse([])).toEqual(frames)
    expect(parse(Array.from({ length: stream.length - 1 }, (_, at) => at + 1))).toEqual(frames)
    const random = Random.from('cuts')
    for (let round = 0; round < 50; round++) {
      const cuts = Array.from({ length: 10 }, () => random.below(stream.length)).sort((a, b) => a - b)
      expect(parse(cuts)).toEqual(frames)
    }
  })

  it('detects a stream that ends within a frame', () => {
    const parser = new FrameParser()
    for (const end of [5, FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + 95]) {
      const one = new FrameParser()
      expect([...one.feed(stream.subarray(0, end))].length).toBeLessThan(4)
      expect(one.between).toBe(false)
    }
    expect([...parser.feed(stream.subarray(0, FRAME_HEAD_BYTES + 96))].at(-1)).toEqual({ kind: 'end' })
    expect(parser.between).toBe(true)
  })

  it('yields the events before an invalid head, then throws', () => {
    const parser = new FrameParser()
    const seen: string[] = []
    const feed = (): void => {
      for (const event of parser.feed(concat(stream, raw(9, 0, 0, 0)))) seen.push(event.kind)
    }
    expect(feed).toThrow(DecodeError)
    expect(seen.filter(kind => kind === 'end').length).toBe(frames.length)
  })
})

describe('the manifest messages', () => {
  it('have golden bytes', () => {
    const content = '0f'.repeat(32) as ContentId
    expect(hex(encode(manifestRequest, { content }))).toBe('0f'.repeat(32))
    expect(encode(manifestRequest, { content }).length).toBe(MANIFEST_REQUEST_BYTES)
    const head = { status: 'ok' as const, lineageBytes: 97, infoBytes: 258, layerBytes: 64 }
    const nothing = { status: 'not-held' as const, lineageBytes: 0, infoBytes: 0, layerBytes: 0 }
    expect(hex(encode(manifestHead, head))).toBe('0000610000010200000040')
    expect(encode(manifestHead, head).length).toBe(MANIFEST_HEAD_BYTES)
    expect(hex(encode(manifestHead, nothing))).toBe('0100000000000000000000')
    expect(hex(encode(manifestHead, { ...head, status: 'unlisted' }))).toBe('0200610000010200000040')
  })

  it.each([
    ['an info dictionary over the limit', { infoBytes: INFO_BYTES_MAX + 1, layerBytes: 0 }],
    ['a lineage over the limit', { lineageBytes: LINEAGE_BYTES_MAX + 1, infoBytes: 1, layerBytes: 0 }],
    ['no info dictionary', { infoBytes: 0, layerBytes: 0 }],
    ['layers over the limit', { infoBytes: 1, layerBytes: MANIFEST_LAYER_BYTES_MAX + 32 }],
    ['half a hash', { infoBytes: 1, layerBytes: 16 }]
  ])('are refused with %s', (_, sizes) => {
    for (const status of ['ok', 'unlisted'] as const) {
      const head = encode(manifestHead, { status, lineageBytes: 0, ...sizes })
      expect(() => decode(manifestHead, head)).toThrow(DecodeError)
    }
  })
})
