/**
 * What a client must know of a home before it can call anyone: where the home is, which file names the daemon's socket, and
 * the methods that work without a daemon. These run in a child process (`daemon/main home METHOD`, parameters as JSON on
 * stdin), which answers on stdout in lines of the control API.
 */
import { ShoalError } from '../../base/errors.ts'
import { paramsOf } from './check.ts'
import { doctorResult } from './doctor.ts'
import {
  list,
  literal,
  maybe,
  method,
  oneOf,
  row,
  text,
  textUpTo,
  whole,
  type Api,
  type Infer,
  type ParamsIn,
  type ResultIn
} from './schema.ts'

/**
 * A file in the home that says where the control socket is, written by every daemon that starts: the socket's path, and on a second
 * line the home's own device and inode. A copy of the home has other ones, so nobody takes the original's daemon for the copy's.
 */
export const SOCKET_NAME_FILE = 'socket'

export interface SocketNote {
  readonly socket: string
  /** Of `homeMark`; undefined in a note of Shoal 0.1 before it had one. */
  readonly home: string | undefined
}

/** Tells a folder from its copies. */
export function homeMark({ dev, ino }: { dev: bigint; ino: bigint }): string {
  return `${dev}:${ino}`
}

export function socketNoteText({ socket, home }: { socket: string; home: string }): string {
  return `${socket}\n${home}\n`
}

export function parseSocketNote(text: string): SocketNote {
  const [socket = '', home] = text.trim().split('\n')
  return { socket, home }
}

/** A Unix socket's path has at most 107 bytes; the socket of a home with a longer path is outside of the home. */
export const SOCKET_PATH_BYTES_MAX = 100

/**
 * The variable with the process id of the launcher, where a process cannot replace itself: the daemon ends when the launcher was
 * killed.
 */
export const GUARDIAN_VARIABLE = 'SHOAL_GUARDIAN'

/** `flag`, else SHOAL_HOME, else the XDG data folder. A relative input gives a relative result. */
export function homeFolder(from: {
  flag: string | undefined
  env: Readonly<Record<string, string | undefined>>
}): string {
  const { flag, env } = from
  const told = flag ?? env['SHOAL_HOME'] ?? ''
  if (told !== '') return told
  if (flag === '') throw new ShoalError('usage', '--home needs a folder')
  // The XDG specification: a relative path is invalid and to be ignored.
  const data = env['XDG_DATA_HOME'] ?? ''
  if (data.startsWith('/')) return `${data}/shoal`
  const user = env['HOME'] ?? ''
  if (user === '') {
    throw new ShoalError('usage', 'the variable HOME is not set', { hint: 'give one: shoal --home DIR' })
  }
  return `${user}/.local/share/shoal`
}

/** Of a ticket with the line breaks that a mail puts into it. */
export const TICKET_INPUT_LENGTH_MAX = 64 * 1024

const settingRow = row({
  key: text('name of the setting'),
  value: text('as a person would type it'),
  origin: oneOf(['flag', 'environment', 'file', 'default'], 'where the value comes from'),
  flag: text('flag of `shoal daemon`'),
  variable: text('environment variable'),
  help: text('what it means')
})
export type SettingRow = Infer<typeof settingRow>

const TEXT_LENGTH_MAX = 8_192
const word = (about: string) => textUpTo(TEXT_LENGTH_MAX, about)

/** What a daemon prints once it works. */
export const readyRow = row({
  id: text('peer ID'),
  name: text('name of the node'),
  addresses: list(text('HOST:PORT'), 'where the node listens'),
  ready: literal(true, 'always')
})
export type Ready = Infer<typeof readyRow>

/** The methods of a home without its daemon. */
export const HOME_METHODS = {
  init: method('Makes what the home lacks: an identity, and an overlay with one member.', {
    params: { name: maybe(word('name of the node')), preset: maybe(word('local, lan or wan')) },
    events: [],
    result: row({ id: text('peer ID'), name: text('name of the node'), overlay: text('ID of the overlay') })
  }),
  join: method('Keeps a ticket for the next start of the daemon.', {
    params: { ticket: textUpTo(TICKET_INPUT_LENGTH_MAX, 'the ticket') },
    events: [],
    result: row({ overlay: text('ID of the overlay'), members: whole('0: no member was asked') })
  }),
  leave: method('Forgets the overlay.', { params: {}, events: [], result: row({ left: literal(true, 'always') }) }),
  doctor: method('Checks the home. Changes nothing, and needs no home.', {
    params: {},
    events: [],
    result: doctorResult
  }),
  'config.show': method('Lists all settings.', {
    params: {},
    events: [],
    result: row({ settings: list(settingRow, 'all settings') })
  }),
  'config.get': method('Reads one setting.', {
    params: { key: word('name of the setting') },
    events: [],
    result: settingRow
  }),
  'config.set': method('Keeps a setting in the config file.', {
    params: { key: word('name of the setting'), value: maybe(word('absent: back to the default')) },
    events: [],
    result: settingRow
  })
} satisfies Api

export type HomeApi = typeof HOME_METHODS
export type HomeMethod = keyof HomeApi
export type HomeParams<M extends HomeMethod> = ParamsIn<HomeApi, M>
export type HomeResult<M extends HomeMethod> = ResultIn<HomeApi, M>

export function isHomeMethod(name: string): name is HomeMethod {
  return Object.hasOwn(HOME_METHODS, name)
}

/** Throws ShoalError `usage` that names the field and what it takes. */
export function parseHomeParams<M extends HomeMethod>(name: M, body: unknown): HomeParams<M> {
  return paramsOf(name, HOME_METHODS[name], body)
}
