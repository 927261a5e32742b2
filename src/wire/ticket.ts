/**
 * A ticket: one word that makes its holder a full member of an overlay. It can be selected with a double click, and it
 * survives chat programs and line breaks.
 *
 *     shoal1 base32(payload, checksum)
 *
 * The encoding is base 32 of RFC 4648 in lower case, without padding. Base 64 would be shorter, but a double click
 * stops at its `-` and `_`. The checksum is the first four bytes of SHA-256 over the prefix and the payload; it
 * detects a truncated or mistyped ticket before the payload is read. The ticket does not carry the overlay's id,
 * which is SHA-256(operator public key, salt), so the two cannot contradict each other.
 *
 * A later version of the format gets another digit in the prefix, so that old programs can report it as newer.
 */
import { concat, equal, sha256, utf8 } from '../base/bytes.ts'
import { ShoalError } from '../base/errors.ts'
import { ID_BYTES, overlayId, type OverlayId } from '../base/ids.ts'
import { contact, type Contact } from './common.ts'
import { checked, encode, fixed, list, oneOf, struct, tryDecode, u8, type Decoded } from './codec/codec.ts'

export const OVERLAY_KEY_BYTES = 32
export const OVERLAY_SALT_BYTES = 16
export const TICKET_CONTACTS_MAX = 8
export const REPLICAS_MAX = 16
/**
 * More than the longest ticket has: (32 + 16 + 32 + 5 + 1 + 8 * 289 + 4) * 8 / 5 + 6 characters. Longer texts are
 * refused.
 */
export const TICKET_TEXT_LENGTH_MAX = 4_096

/** Append only: the index in the list is the number on the wire. */
export const PRESETS = ['lan', 'local', 'wan'] as const
export type Preset = (typeof PRESETS)[number]
export const DETECTORS = ['swim', 'heartbeat'] as const
export const ROUTINGS = ['chord', 'pastry'] as const
export const CHOKINGS = ['cluster', 'open'] as const

/** Settings that must be the same on all members of an overlay. */
export const overlaySettings = checked(
  struct({
    /** Scales the failure detector's intervals and timeouts. */
    preset: oneOf(PRESETS),
    detector: oneOf(DETECTORS),
    routing: oneOf(ROUTINGS),
    /** The number of nodes that store a record. */
    replicas: u8,
    choking: oneOf(CHOKINGS)
  }),
  ({ replicas }) => (replicas < 1 || replicas > REPLICAS_MAX ? `invalid number of replicas: ${replicas}` : undefined)
)
export type OverlaySettings = Decoded<typeof overlaySettings>

/** The names of the settings in the order of their bytes, and what a byte may stand for. */
const SETTING_BYTES = [
  ['preset', PRESETS],
  ['detector', DETECTORS],
  ['routing', ROUTINGS],
  ['replicas', REPLICAS_MAX],
  ['choking', CHOKINGS]
] as const

/** For settings that do not decode: which of them this version does not know, in words. Undefined: none. */
function unknownSetting(bytes: Uint8Array): string | undefined {
  for (const [at, [name, known]] of SETTING_BYTES.entries()) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    const isNumber = typeof known === 'number'
    if (isNumber ? byte >= 1 && byte <= known : byte < known.length) continue
    return isNumber
      ? `${name} ${byte} is not supported; supported: 1 to ${known}`
      : `${name} number ${byte} is unknown; supported: ${known.join(', ')}`
  }
  return undefined
}

export const OVERLAY_SETTINGS_DEFAULT: OverlaySettings = {
  preset: 'lan',
  detector: 'swim',
  routing: 'chord',
  replicas: 3,
  choking: 'cluster'
}

const payload = struct({
  /** Ed25519 public key. */
  operator: fixed(ID_BYTES),
  salt: fixed(OVERLAY_SALT_BYTES),
  key: fixed(OVERLAY_KEY_BYTES),
  settings: overlaySettings,
  contacts: list(contact, TICKET_CONTACTS_MAX)
})

export interface Ticket {
  readonly overlay: OverlayId
  readonly operator: Uint8Array
  readonly salt: Uint8Array
  /** The overlay key: every node that has it is a member. */
  readonly key: Uint8Array
  readonly settings: OverlaySettings
  /** The members to contact first, at most TICKET_CONTACTS_MAX. */
  readonly contacts: readonly Contact[]
}

/** SHA-256(operator public key, salt). It does not depend on the overlay key, so it stays when that key is rotated. */
export function overlayIdOf(operator: Uint8Array, salt: Uint8Array): OverlayId {
  return overlayId(sha256(concat(operator, salt)))
}

/** Where the settings begin in the payload. */
const SETTINGS_AT = ID_BYTES + OVERLAY_SALT_BYTES + OVERLAY_KEY_BYTES
const NAME = 'shoal'
const VERSION = '1'
const PREFIX = NAME + VERSION
const CHECKSUM_BYTES = 4

/** Throws RangeError when the ticket exceeds a limit of the schema. */
export function encodeTicket(ticket: Omit<Ticket, 'overlay'>): string {
  const { operator, salt, key, settings } = ticket
  const bytes = encode(payload, { operator, salt, key, settings, contacts: [...ticket.contacts] })
  return PREFIX + base32(concat(bytes, checksum(bytes)))
}

/** Ignores white space anywhere in `text`. Throws ShoalError `bad-input`. */
export function decodeTicket(text: string): Ticket {
  if (text.length > 2 * TICKET_TEXT_LENGTH_MAX) throw noTicket()
  const word = text.replace(/\s+/g, '')
  if (word.length > TICKET_TEXT_LENGTH_MAX || !word.startsWith(NAME)) throw noTicket()
  const version = word.charAt(NAME.length)
  if (version > VERSION && version <= '9') {
    throw new ShoalError('bad-input', `this ticket has format ${version}; this Shoal reads format ${VERSION} only`, {
      hint: 'copy the ticket again, or upgrade Shoal'
    })
  }
  const bytes = version === VERSION ? unbase32(word.slice(PREFIX.length)) : undefined
  if (bytes === undefined || bytes.length <= CHECKSUM_BYTES) throw damaged()
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  if (!equal(checksum(body), bytes.subarray(-CHECKSUM_BYTES))) throw damaged()
  const decoded = tryDecode(payload, body)
  if (decoded === undefined) {
    // The checksum is right: a newer Shoal wrote it.
    const unknown = unknownSetting(body.subarray(SETTINGS_AT))
    throw unknown === undefined ? damaged() : unsupported(unknown)
  }
  return { overlay: overlayIdOf(decoded.operator, decoded.salt), ...decoded }
}

function unsupported(what: string): ShoalError {
  return new ShoalError('bad-input', `the overlay of this ticket has a setting that this node cannot honour: ${what}`, {
    hint: 'upgrade Shoal, or join another overlay'
  })
}

function noTicket(): ShoalError {
  return new ShoalError('bad-input', `this is not a ticket: a ticket is one word that begins with ${PREFIX}`, {
    hint: '`shoal invite` on a member prints a ticket'
  })
}

function damaged(): ShoalError {
  return new ShoalError('bad-input', 'this ticket is incomplete or mistyped', {
    hint: 'copy the whole ticket, or ask for it again: `shoal invite` prints it'
  })
}

function checksum(body: Uint8Array): Uint8Array {
  return sha256(concat(utf8(PREFIX), body)).subarray(0, CHECKSUM_BYTES)
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

function base32(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= 5; bits -= 5) text += ALPHABET.charAt((held >>> (bits - 5)) & 31)
    held &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + ALPHABET.charAt((held << (5 - bits)) & 31)
}

/** Undefined unless `text` is a canonical output of `base32`: at most 4 spare bits at the end, all of them zero. */
function unbase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let length = 0
  let held = 0
  let bits = 0
  for (const letter of text) {
    const digit = ALPHABET.indexOf(letter)
    if (digit < 0) return undefined
    held = (held << 5) | digit
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[length++] = held >>> bits
    held &= (1 << bits) - 1
  }
  return bits < 5 && held === 0 ? bytes : undefined
}
