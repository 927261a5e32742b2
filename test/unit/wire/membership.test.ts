import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { decode, encode } from '../../../src/wire/codec/codec.ts'
import { DecodeError, Writer } from '../../../src/wire/codec/cursor.ts'
import { HOST_BYTES_MAX, NAME_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX } from '../../../src/wire/common.ts'
import {
  claim,
  CLAIMS_PER_MESSAGE_MAX,
  DATAGRAM_HEADER_BYTES_MAX,
  INCARNATION_MAX,
  MEMBERS_MAX,
  MEMBERSHIP_DATAGRAM_BYTES_MAX,
  membershipMessage,
  RUMOURS_PER_DATAGRAM_MAX,
  type AliveClaim,
  type Claim,
  type MembershipMessage
} from '../../../src/wire/membership.ts'

const A = 'aa'.repeat(32) as NodeId
const B = 'bb'.repeat(32) as NodeId
const SIGNATURE = '5e'.repeat(64)
const signature = new Uint8Array(64).fill(0x5e)

const alive: AliveClaim = {
  kind: 'alive',
  subject: A,
  incarnation: 300,
  name: '鯡',
  address: { host: '::1', port: 7462 },
  signature
}
const leave: Claim = { kind: 'leave', subject: A, incarnation: 1, signature }
const suspect: Claim = { kind: 'suspect', subject: A, incarnation: 2, accuser: B, signature }
const dead: Claim = { ...suspect, kind: 'dead' }

const ALIVE = `01${A}ac0203e9afa1033a3a311d26${SIGNATURE}`
const LEAVE = `02${A}01${SIGNATURE}`
const SUSPECT = `03${A}02${B}${SIGNATURE}`
const DEAD = `04${A}02${B}${SIGNATURE}`

const golden: ReadonlyArray<readonly [MembershipMessage, string]> = [
  [{ kind: 'ping', sequence: 1, target: A, rumours: [] }, `0100000001${A}00`],
  [{ kind: 'ack', sequence: 0xffffffff, rumours: [suspect] }, `02ffffffff01${SUSPECT}`],
  [{ kind: 'ping-request', sequence: 258, target: B, rumours: [] }, `0300000102${B}00`],
  [{ kind: 'gossip', rumours: [alive, leave, dead] }, `0403${ALIVE}${LEAVE}${DEAD}`],
  [
    {
      kind: 'digest',
      rows: [
        { id: A, incarnation: 0, state: 'alive' },
        { id: B, incarnation: 128, state: 'left' }
      ]
    },
    `0502${A}0000${B}800103`
  ],
  [{ kind: 'want', ids: [B] }, `0601${B}`],
  [{ kind: 'claims', claims: [alive, suspect] }, `0702${ALIVE}${SUSPECT}`]
]

describe('a message', () => {
  test.each(golden)('$kind has golden bytes and is read back', (message, digits) => {
    expect(hex(encode(membershipMessage, message))).toBe(digits)
    expect(decode(membershipMessage, unhex(digits)!)).toEqual(message)
  })

  test.each(golden)('$kind is refused when truncated anywhere, and with a trailing byte', (_, digits) => {
    for (let length = 0; length < digits.length; length += 2) {
      expect(() => decode(membershipMessage, unhex(digits.slice(0, length))!)).toThrow(DecodeError)
    }
    expect(() => decode(membershipMessage, unhex(`${digits}00`)!)).toThrow(DecodeError)
  })
})

const longest: AliveClaim = {
  ...alive,
  incarnation: INCARNATION_MAX,
  name: 'n'.repeat(NAME_BYTES_MAX),
  address: { host: 'h'.repeat(HOST_BYTES_MAX), port: 65_535 }
}

describe('limits', () => {
  const lengthOf = (message: MembershipMessage): number => encode(membershipMessage, message).length

  test('the part of a datagram before its rumours has at most DATAGRAM_HEADER_BYTES_MAX bytes', () => {
    for (const kind of ['ping', 'ping-request'] as const) {
      expect(lengthOf({ kind, sequence: 0xffffffff, target: A, rumours: [] })).toBe(DATAGRAM_HEADER_BYTES_MAX)
    }
    expect(lengthOf({ kind: 'ack', sequence: 1, rumours: [] })).toBeLessThan(DATAGRAM_HEADER_BYTES_MAX)
  })

  test('a datagram has room for two of the longest claims, or RUMOURS_PER_DATAGRAM_MAX of the shortest', () => {
    const ping = { kind: 'ping', sequence: 1, target: A } as const
    expect(encode(claim, longest)).toHaveLength(425)
    expect(lengthOf({ ...ping, rumours: [longest, longest] })).toBeLessThanOrEqual(MEMBERSHIP_DATAGRAM_BYTES_MAX)
    const shortest = Array.from({ length: RUMOURS_PER_DATAGRAM_MAX + 1 }, () => leave)
    expect(encode(claim, leave)).toHaveLength(98)
    expect(() => encode(membershipMessage, { ...ping, rumours: shortest })).toThrow(RangeError)
    expect(98 * shortest.length).toBeGreaterThan(MEMBERSHIP_DATAGRAM_BYTES_MAX)
  })

  test('the longest digest, want and claims fit in a stream message', () => {
    const row = { id: A, incarnation: INCARNATION_MAX, state: 'dead' } as const
    const rows = new Array<typeof row>(MEMBERS_MAX).fill(row)
    const claims = new Array<Claim>(CLAIMS_PER_MESSAGE_MAX).fill(longest)
    for (const message of [
      { kind: 'digest', rows },
      { kind: 'want', ids: rows.map(({ id }) => id) },
      { kind: 'claims', claims }
    ] as const) {
      expect(lengthOf(message)).toBeLessThanOrEqual(STREAM_MESSAGE_BYTES_MAX)
    }
  })

  test.each([
    ['digest', 5, MEMBERS_MAX],
    ['want', 6, MEMBERS_MAX],
    ['claims', 7, CLAIMS_PER_MESSAGE_MAX],
    ['gossip', 4, RUMOURS_PER_DATAGRAM_MAX]
  ])('a %s of more is refused by its count alone', (_, tag, max) => {
    const writer = new Writer()
    writer.u8(tag)
    writer.varint(max + 1)
    expect(() => decode(membershipMessage, writer.finish())).toThrow(`the limit is ${max}`)
  })

  test('an incarnation or a name over its limit is refused', () => {
    expect(() => encode(claim, { ...leave, incarnation: INCARNATION_MAX + 1 })).toThrow(RangeError)
    expect(() => encode(claim, { ...alive, name: 'n'.repeat(NAME_BYTES_MAX + 1) })).toThrow(RangeError)
    const over = `02${A}81808080808040${SIGNATURE}`
    expect(() => decode(claim, unhex(over)!)).toThrow('over the limit')
  })
})
