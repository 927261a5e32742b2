/**
 * The settings of a node: one schema that gives types, defaults, names of flags and variables, checks, help and docs.
 * What the members of an overlay must agree on is not here: that travels in the ticket.
 */
import { ShoalError } from '../../base/errors.ts'
import { utf8 } from '../../base/bytes.ts'
import { HOST_BYTES_MAX, NAME_BYTES_MAX } from '../common.ts'

export const PORT_DEFAULT = 7462
export const UPLOAD_SLOTS_MAX = 64

export interface Endpoint {
  /** An IP literal without brackets, or a DNS name. */
  host: string
  /** 0 to 65535; 0 lets the system choose, on every start anew. */
  port: number
}

export interface Setting<T> {
  readonly help: string
  /** The value's placeholder in help: `--listen HOST:PORT`. */
  readonly placeholder: string
  /** As `parse` takes it. Undefined: the machine's host name. */
  readonly fallback: string | undefined
  /** Throws Error with the reason; the caller adds where the text came from. */
  readonly parse: (text: string) => T
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** In the order of help and `config show`. */
export const SETTINGS = {
  listen: setting({
    help: 'address to listen on; TCP and UDP use the same port number',
    placeholder: 'HOST:PORT',
    fallback: `0.0.0.0:${PORT_DEFAULT}`,
    parse: text => {
      const { host, port } = endpoint(text)
      if (port === undefined) throw new Error('a port is missing: HOST:PORT')
      return { host, port } satisfies Endpoint
    }
  }),
  advertise: setting({
    help: 'address that other nodes dial, if it is not one of this machine; empty: detected',
    placeholder: 'HOST[:PORT]',
    fallback: '',
    parse: text => {
      const told = text === '' ? undefined : endpoint(text)
      if (told?.port === 0) throw new Error('port 0 cannot be dialled')
      return told
    }
  }),
  name: setting({
    help: 'name of this node, shown to the other members',
    placeholder: 'NAME',
    fallback: undefined,
    parse: text => {
      if (text === '') throw new Error('a name has at least one letter')
      if (utf8(text).length > NAME_BYTES_MAX) throw new Error(`a name has at most ${NAME_BYTES_MAX} bytes`)
      if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) throw new Error('a name has no control characters')
      return text
    }
  }),
  'ticket-file': setting({
    help: 'file with a ticket; a node without an overlay waits for it and joins, later it finds lost members again; empty: none',
    placeholder: 'FILE',
    fallback: '',
    parse: optionalFile
  }),
  'invite-file': setting({
    help: 'file in which the node keeps a current ticket; whoever can read it can join; empty: none',
    placeholder: 'FILE',
    fallback: '',
    parse: optionalFile
  }),
  'log-level': setting({
    help: `least level that is logged: ${LOG_LEVELS.join(', ')}`,
    placeholder: 'LEVEL',
    fallback: 'info',
    parse: text => {
      const level = LOG_LEVELS.find(one => one === text)
      if (level === undefined) throw new Error(`one of ${LOG_LEVELS.join(', ')}`)
      return level
    }
  }),
  'upload-slots': setting({
    help: 'peers that are served at the same time',
    placeholder: 'N',
    fallback: '8',
    parse: text => {
      const count = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0
      if (count < 1 || count > UPLOAD_SLOTS_MAX) throw new Error(`a number from 1 to ${UPLOAD_SLOTS_MAX}`)
      return count
    }
  }),
  gateway: setting({
    help: 'address where programs of this machine read contents by HTTP, http://HOST:PORT/content/ID/PATH; loopback only; empty: none',
    placeholder: 'HOST:PORT',
    fallback: '',
    // The gateway has no authentication and serves all that this node holds.
    parse: text => loopbackEndpoint(text, 'only a loopback address: 127.0.0.1, [::1] or localhost')
  }),
  'metrics-listen': setting({
    help: 'address that serves /metrics, /healthz and /readyz to clients with the token; loopback only; empty: none',
    placeholder: 'HOST:PORT',
    fallback: '',
    parse: text =>
      loopbackEndpoint(text, 'only a loopback address: 127.0.0.1, [::1] or localhost; use a proxy for others')
  }),
  'metrics-token-file': setting({
    help: 'file with the token of metrics-listen, created if it does not exist; empty: metrics-token in the home',
    placeholder: 'FILE',
    fallback: '',
    parse: text => {
      if (text !== '' && (!text.startsWith('/') || text.includes('\0'))) throw new Error('an absolute path')
      return text
    }
  })
} as const

type Schema = typeof SETTINGS
export type SettingKey = keyof Schema
export type Settings = { readonly [K in SettingKey]: ReturnType<Schema[K]['parse']> }

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[]

export const flagName = (key: SettingKey): string => `--${key}`
export const variableName = (key: SettingKey): string => `SHOAL_${key.toUpperCase().replaceAll('-', '_')}`

/** Throws ShoalError `not-found` that lists the keys. */
export function settingKey(text: string): SettingKey {
  const key = SETTING_KEYS.find(one => one === text)
  if (key !== undefined) return key
  throw new ShoalError('not-found', `there is no setting "${text}"`, { hint: `settings: ${SETTING_KEYS.join(', ')}` })
}

/** Throws ShoalError `usage`; `source` is where the text came from: a flag, a variable, a file. */
export function parseSetting<K extends SettingKey>(key: K, text: string, source: string): Settings[K] {
  try {
    return SETTINGS[key].parse(text) as Settings[K]
  } catch (error) {
    const wrong = error instanceof Error ? error.message : String(error)
    throw new ShoalError('usage', `${source}: ${JSON.stringify(text)} is invalid: ${wrong}`, {
      hint: `${key} is ${SETTINGS[key].help}`
    })
  }
}

function setting<T>(one: Setting<T>): Setting<T> {
  return one
}

/** Absolute, because the daemon's working folder is not the user's. */
function optionalFile(text: string): string | undefined {
  if (text === '') return undefined
  if (!text.startsWith('/') || text.includes('\0')) throw new Error('a path from the root: /FOLDER/FILE')
  return text
}

const ENDPOINT = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:[\]]*))(?::(?<port>[0-9]{1,5}))?$/
const IPV6 = /^(?=.*:)[0-9a-fA-F:.]+(?:%[\w.-]+)?$/
const DNS_NAME = /^(?!.*\.\.)[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9_])?\.?$/

/** Undefined for an empty text; throws `otherwise` for a host that is not a loopback address or localhost. */
function loopbackEndpoint(text: string, otherwise: string): Endpoint | undefined {
  if (text === '') return undefined
  const { host, port } = endpoint(text)
  if (port === undefined) throw new Error('a port is missing: HOST:PORT')
  if (!isLoopback(host)) throw new Error(otherwise)
  return { host, port }
}

/** HOST, HOST:PORT, [IPv6], [IPv6]:PORT. */
function endpoint(text: string): { host: string; port: number | undefined } {
  const parts = ENDPOINT.exec(text)?.groups
  if (parts === undefined) throw new Error('HOST:PORT, with an IPv6 address in brackets')
  const host = parts['bracketed'] ?? parts['plain'] ?? ''
  const wellFormed = parts['bracketed'] === undefined ? DNS_NAME.test(host) : IPV6.test(host)
  if (!wellFormed || host.length > HOST_BYTES_MAX) throw new Error(`no host: ${JSON.stringify(host)}`)
  // Four numbers are an address or nothing.
  if (/^[0-9.]+$/.test(host) && !isIpv4(host)) throw new Error(`no address: ${host}`)
  const port = parts['port'] === undefined ? undefined : Number(parts['port'])
  if (port !== undefined && port > 65_535) throw new Error('a port is at most 65535')
  return { host, port }
}

function isIpv4(host: string): boolean {
  const numbers = host.split('.')
  return numbers.length === 4 && numbers.every(one => /^(0|[1-9][0-9]{0,2})$/.test(one) && Number(one) <= 255)
}

/** By its own words: a name that leads to loopback today may lead elsewhere tomorrow. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIpv4(host) && host.startsWith('127.'))
}
