import { describe, expect, it } from 'vitest'
import { concat, hex, sha256, utf8 } from '../../../src/base/bytes.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { nodeId } from '../../../src/base/ids.ts'
import {
  decodeTicket,
  encodeTicket,
  overlayIdOf,
  TICKET_CONTACTS_MAX,
  TICKET_TEXT_LENGTH_MAX,
  type Ticket
} from '../../../src/wire/ticket.ts'
import { HOST_BYTES_MAX } from '../../../src/wire/common.ts'

const operator = new Uint8Array(32).fill(1)
const salt = new Uint8Array(16).fill(2)
const key = new Uint8Array(32).fill(3)
const settings = { preset: 'wan', detector: 'swim', routing: 'chord', replicas: 3, choking: 'cluster' } as const
const contacts = [{ id: nodeId(new Uint8Array(32).fill(4)), address: { host: '10.0.0.1', port: 7462 } }]
const ticket: Ticket = { overlay: overlayIdOf(operator, salt), operator, salt, key, settings, contacts }

function refusal(text: string): string {
  try {
    decodeTicket(text)
  } catch (error) {
    if (error instanceof ShoalError) return error.code
    throw error
  }
  return 'accepted'
}

/** Base 32 by another algorithm than the code: the bits as text, split into groups of five. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  const fives = bits.match(/.{1,5}/g) ?? []
  return fives.map(five => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(parseInt(five.padEnd(5, '0'), 2))).join('')
}

describe('a ticket', () => {
  it('decodes to its content and to the overlay id derived from it', () => {
    expect(decodeTicket(encodeTicket(ticket))).toEqual(ticket)
  })

  it('has golden text', () => {
    const golden = concat(
      operator,
      salt,
      key,
      Uint8Array.of(2, 0, 0, 3, 0), // wan, swim, chord, 3 replicas, cluster
      Uint8Array.of(1), // one contact
      new Uint8Array(32).fill(4),
      Uint8Array.of(8),
      utf8('10.0.0.1'),
      Uint8Array.of(0x1d, 0x26)
    )
    const sum = sha256(concat(utf8('shoal1'), golden)).subarray(0, 4)
    expect(encodeTicket(ticket)).toBe(`shoal1${base32(concat(golden, sum))}`)
  })

  it('is one word for a double click', () => {
    expect(encodeTicket(ticket)).toMatch(/^[a-z0-9]+$/)
  })

  it('survives line breaks and blanks', () => {
    const wrapped = encodeTicket(ticket).replace(/(.{40})/g, '$1\r\n  ')
    expect(decodeTicket(`\n ${wrapped}\n`)).toEqual(ticket)
  })

  it('is refused when truncated anywhere', () => {
    const text = encodeTicket(ticket)
    for (let length = 0; length < text.length; length++) expect(refusal(text.slice(0, length))).toBe('bad-input')
  })

  it('is refused with any character changed, doubled or missing', () => {
    const text = encodeTicket(ticket)
    for (let at = 0; at < text.length; at++) {
      const before = text.slice(0, at)
      const rest = text.slice(at + 1)
      for (const letter of 'abz27AZ019-_') {
        if (letter !== text[at]) expect(refusal(before + letter + rest), `${letter} at ${at}`).toBe('bad-input')
      }
      expect(refusal(before + rest), `none at ${at}`).toBe('bad-input')
      expect(refusal(text.slice(0, at + 1) + text.slice(at)), `doubled at ${at}`).toBe('bad-input')
    }
  })

  it('is refused with anything after it', () => {
    for (const tail of ['a', 'aa', 'aaaaaaaa', '=']) expect(refusal(encodeTicket(ticket) + tail)).toBe('bad-input')
  })

  it('of a later format is refused with an error that names both formats', () => {
    const later = encodeTicket(ticket).replace('shoal1', 'shoal2')
    expect(() => decodeTicket(later)).toThrow(/format 2.*format 1/)
  })

  it('is described in the error for any other text', () => {
    for (const text of ['', 'hello', '12D3KooW']) expect(() => decodeTicket(text)).toThrow(/not a ticket/)
  })

  it('with the longest contacts is within the limit of its text', () => {
    const address = { host: 'h'.repeat(HOST_BYTES_MAX), port: 65_535 }
    const many = Array.from({ length: TICKET_CONTACTS_MAX }, (_, i) => ({
      id: nodeId(new Uint8Array(32).fill(i)),
      address
    }))
    const text = encodeTicket({ ...ticket, contacts: many })
    expect(text.length).toBeLessThanOrEqual(TICKET_TEXT_LENGTH_MAX)
    expect(decodeTicket(text).contacts).toEqual(many)
  })

  it('takes no more contacts than the limit', () => {
    const many = new Array(TICKET_CONTACTS_MAX + 1).fill(contacts[0]) as typeof contacts
    expect(() => encodeTicket({ ...ticket, contacts: many })).toThrow(RangeError)
  })

  it('over the limit of its text is refused', () => {
    expect(refusal('shoal1'.padEnd(TICKET_TEXT_LENGTH_MAX + 1, 'a'))).toBe('bad-input')
    expect(refusal(' '.repeat(10 * TICKET_TEXT_LENGTH_MAX))).toBe('bad-input')
  })

  it.each([
    [0, 3, 'preset number 3 is unknown; supported: lan, local, wan'],
    [1, 2, 'detector number 2 is unknown; supported: swim, heartbeat'],
    [2, 2, 'routing number 2 is unknown; supported: chord, pastry'],
    [3, 17, 'replicas 17 is not supported; supported: 1 to 16'],
    [4, 2, 'choking number 2 is unknown; supported: cluster, open']
  ])('of a newer Shoal names the setting that is unknown (byte %i)', (at, value, problem) => {
    const body = concat(operator, salt, key, Uint8Array.of(2, 0, 0, 3, 0), Uint8Array.of(0))
    body[80 + at] = value
    const sum = sha256(concat(utf8('shoal1'), body)).subarray(0, 4)
    expect(() => decodeTicket(`shoal1${base32(concat(body, sum))}`)).toThrow(problem)
  })

  it('with a valid checksum over an invalid payload is refused', () => {
    const signed = (body: Uint8Array): string =>
      `shoal1${base32(concat(body, sha256(concat(utf8('shoal1'), body)).subarray(0, 4)))}`
    const body = concat(operator, salt, key, Uint8Array.of(2, 0, 0, 3, 0), Uint8Array.of(0))
    expect(refusal(signed(body))).toBe('accepted')
    expect(refusal(signed(concat(body, Uint8Array.of(0))))).toBe('bad-input')
    const noReplicas = body.slice()
    noReplicas[83] = 0
    expect(hex(body.subarray(80, 85))).toBe('0200000300')
    expect(refusal(signed(noReplicas))).toBe('bad-input')
  })
})
