/**
 * The overlay that a home belongs to, as its file `overlay` keeps it: the keys that it accepts, the first of which it
 * sends with, so that a rotation needs no moment at which all change over. It is one JSON object, readable by its owner.
 */
import { equal, hex, unhex } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { ID_BYTES, isId, nodeId, type OverlayId } from '../../base/ids.ts'
import { secretBytes } from '../../io/entropy.ts'
import { unsupportedSettings } from '../../core/node/settings.ts'
import type { Contact } from '../../wire/common.ts'
import {
  CHOKINGS,
  DETECTORS,
  PRESETS,
  ROUTINGS,
  OVERLAY_KEY_BYTES,
  OVERLAY_SALT_BYTES,
  OVERLAY_SETTINGS_DEFAULT,
  overlayIdOf,
  overlaySettings,
  TICKET_CONTACTS_MAX,
  type OverlaySettings,
  type Preset,
  type Ticket
} from '../../wire/ticket.ts'
import { encode, tryDecode } from '../../wire/codec/codec.ts'
import { parseJsonObject, readSmallFile, removeFile, writeFileAtomic } from './files.ts'

/** One that sends, one that was replaced, and room for a rotation that did not reach all before the next. */
export const OVERLAY_KEYS_MAX = 4
const FORM = 1

export interface Overlay {
  readonly id: OverlayId
  readonly operator: Uint8Array
  readonly salt: Uint8Array
  /** 1 to OVERLAY_KEYS_MAX; all are accepted, the first one sends. */
  readonly keys: readonly [Uint8Array, ...Uint8Array[]]
  readonly settings: OverlaySettings
  /** From the ticket: whom to ask when no member is known. */
  readonly contacts: readonly Contact[]
  /** Whether another member was ever met. Until then nothing is lost by going to another overlay. */
  readonly met: boolean
}

/** A new overlay of one. */
export function foundOverlay(operator: Uint8Array, preset: Preset): Overlay {
  const salt = secretBytes(OVERLAY_SALT_BYTES)
  return {
    id: overlayIdOf(operator, salt),
    operator,
    salt,
    keys: [secretBytes(OVERLAY_KEY_BYTES)],
    settings: { ...OVERLAY_SETTINGS_DEFAULT, preset },
    contacts: [],
    met: false
  }
}

/** Throws ShoalError `bad-input` that names each setting of an overlay which this version cannot honour. */
export function refuseUnsupported(settings: OverlaySettings, whose: string): void {
  const problems = unsupportedSettings(settings)
  if (problems.length === 0) return
  throw new ShoalError('bad-input', `${whose} has settings that this node cannot honour: ${problems.join('; ')}`, {
    hint: 'upgrade Shoal, or `shoal leave` and join another overlay'
  })
}

export function overlayOfTicket(ticket: Ticket): Overlay {
  const { overlay: id, operator, salt, key, settings, contacts } = ticket
  return { id, operator, salt, keys: [key], settings, contacts, met: false }
}

/**
 * The overlay after `ticket` was given to a node of `current`. A ticket of the same overlay is how a node that slept through
 * a rotation comes back: its key sends from now on, and the others stay accepted. Throws ShoalError: `conflict` for another
 * overlay once a member of this one was met, `bad-input` for settings that are not supported.
 */
export function joinedOverlay(current: Overlay | undefined, ticket: Ticket): Overlay {
  refuseUnsupported(ticket.settings, 'the overlay of this ticket')
  if (current === undefined) return overlayOfTicket(ticket)
  if (current.id === ticket.overlay) {
    return {
      ...withKey(current, ticket.key),
      contacts: ticket.contacts.length > 0 ? ticket.contacts : current.contacts
    }
  }
  if (!current.met) return overlayOfTicket(ticket)
  throw new ShoalError('conflict', 'this ticket is for another overlay, and this node already met members of its own', {
    hint: '`shoal leave` first (shares and files stay), or join from another home: shoal --home DIR'
  })
}

/** `key` sends; the key that went without sending for longest is forgotten when there are too many. */
function withKey(overlay: Overlay, key: Uint8Array): Overlay {
  const others = overlay.keys.filter(one => !equal(one, key))
  return { ...overlay, keys: [key, ...others.slice(0, OVERLAY_KEYS_MAX - 1)] }
}

/** What `shoal invite` gives away: full membership. The contacts are the inviter's choice. */
export function ticketFor(overlay: Overlay, contacts: readonly Contact[]): Omit<Ticket, 'overlay'> {
  const { operator, salt, keys, settings } = overlay
  return { operator, salt, key: keys[0], settings, contacts: contacts.slice(0, TICKET_CONTACTS_MAX) }
}

/** Undefined when there is none. Throws ShoalError `bad-input` for a file that was damaged. */
export function readOverlay(file: string): Overlay | undefined {
  const text = readSmallFile(file)
  if (text === undefined) return undefined
  const plain = parseJsonObject(text, file)
  const overlay = parse(plain)
  if (overlay !== undefined) return overlay
  const unknown = unknownSettings(plain['settings'])
  if (unknown.length > 0) {
    throw new ShoalError('bad-input', `${file} has settings that this Shoal does not know: ${unknown.join('; ')}`, {
      hint: 'upgrade Shoal, or move the file away and join again with a ticket'
    })
  }
  throw new ShoalError('bad-input', `${file} is damaged`, {
    hint: 'restore it from a copy, or remove it and join again with a ticket'
  })
}

export function writeOverlay(file: string, overlay: Overlay): void {
  const { id, operator, salt, keys, settings, contacts, met } = overlay
  const plain = {
    form: FORM,
    overlay: id,
    operator: hex(operator),
    salt: hex(salt),
    keys: keys.map(hex),
    settings,
    contacts: contacts.map(({ id, address }) => ({ id, ...address })),
    met
  }
  writeFileAtomic(file, `${JSON.stringify(plain, undefined, 2)}\n`)
}

export function removeOverlay(file: string): void {
  removeFile(file)
}

function parse(plain: Record<string, unknown>): Overlay | undefined {
  const operator = bytesOf(plain['operator'], ID_BYTES)
  const salt = bytesOf(plain['salt'], OVERLAY_SALT_BYTES)
  const keys = listOf(plain['keys'], OVERLAY_KEYS_MAX, one => bytesOf(one, OVERLAY_KEY_BYTES))
  const settings = settingsOf(plain['settings'])
  const contacts = listOf(plain['contacts'], TICKET_CONTACTS_MAX, contactOf)
  const met = plain['met']
  const [sending, ...others] = keys ?? []
  if (plain['form'] !== FORM || operator === undefined || salt === undefined || sending === undefined) return undefined
  if (settings === undefined || contacts === undefined || typeof met !== 'boolean') return undefined
  const id = overlayIdOf(operator, salt)
  if (plain['overlay'] !== id) return undefined
  return { id, operator, salt, keys: [sending, ...others], settings, contacts, met }
}

function bytesOf(value: unknown, length: number): Uint8Array | undefined {
  const bytes = typeof value === 'string' ? unhex(value) : undefined
  return bytes?.length === length ? bytes : undefined
}

function listOf<T>(value: unknown, max: number, item: (one: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(value) || value.length > max) return undefined
  const items = value.map(item)
  return items.includes(undefined) ? undefined : (items as T[])
}

/** The codec of the ticket knows which settings there are, and refuses the others. */
function settingsOf(value: unknown): OverlaySettings | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return tryDecode(overlaySettings, encode(overlaySettings, { ...OVERLAY_SETTINGS_DEFAULT, ...value }))
  } catch {
    return undefined
  }
}

/** What a newer Shoal wrote in the place of a setting, in words. */
function unknownSettings(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const known: Readonly<Record<string, readonly string[]>> = {
    ...{ preset: PRESETS, detector: DETECTORS, routing: ROUTINGS, choking: CHOKINGS }
  }
  return Object.entries(value).flatMap(([name, given]) => {
    const names = known[name]
    if (names === undefined || names.includes(given as string)) return []
    return [`${name} ${JSON.stringify(given)}; known: ${names.join(', ')}`]
  })
}

function contactOf(value: unknown): Contact | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { id, host, port } = value as Record<string, unknown>
  if (typeof id !== 'string' || !isId(id) || typeof host !== 'string' || typeof port !== 'number') return undefined
  return { id: nodeId(unhex(id) ?? new Uint8Array()), address: { host, port } }
}
