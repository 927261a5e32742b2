/**
 * What a client must know of a home before it can talk to anyone: where it is, which file names the daemon's socket, and
 * the methods that work without a daemon. Those are asked of a child process (`daemon/main home METHOD`, parameters as
 * JSON on its stdin) which answers on stdout in the lines of the control API.
 */
import { ShoalError } from '../../base/errors.ts'
import type { DoctorResult } from './doctor.ts'

/** A file in the home with the path of the control socket, written by every daemon that starts. */
export const SOCKET_NAME_FILE = 'socket'
/** A Unix socket's path has at most 107 bytes; one that is longer moves out of the home. */
export const SOCKET_PATH_BYTES_MAX = 100

/**
 * The variable with the process id of a launcher that stands for the daemon, where a process cannot replace itself: the daemon
 * ends when that one was killed.
 */
export const GUARDIAN_VARIABLE = 'SHOAL_GUARDIAN'

/** `flag` else SHOAL_HOME else the XDG data folder. The result is as absolute as what it was made from. */
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
    throw new ShoalError('usage', 'there is no HOME to keep a home in', { hint: 'give one: shoal --home DIR' })
  }
  return `${user}/.local/share/shoal`
}

export interface SettingRow {
  key: string
  /** As a person would type it. */
  value: string
  origin: 'flag' | 'environment' | 'file' | 'default'
  /** The flag of `shoal daemon`, the variable, and what it means. */
  flag: string
  variable: string
  help: string
}

/** Parameters and the answer of every method of a home. */
export interface HomeMethods {
  /** Repeatable. Makes what is missing: the identity, and an overlay of one. */
  init: { params: { name?: string; preset?: string }; result: { id: string; name: string; overlay: string } }
  /** Keeps the ticket for the daemon's next start. `members` is 0: nobody was asked. */
  join: { params: { ticket: string }; result: { overlay: string; members: number } }
  leave: { params: Record<string, never>; result: { left: true } }
  /** Changes nothing, and needs no home. */
  doctor: { params: Record<string, never>; result: DoctorResult }
  'config.show': { params: Record<string, never>; result: { settings: SettingRow[] } }
  'config.get': { params: { key: string }; result: SettingRow }
  /** Without a value the setting goes back to its default. */
  'config.set': { params: { key: string; value?: string }; result: SettingRow }
}
export type HomeMethod = keyof HomeMethods

const PARAMS: { readonly [M in HomeMethod]: Readonly<Record<string, 'required' | 'optional'>> } = {
  init: { name: 'optional', preset: 'optional' },
  join: { ticket: 'required' },
  leave: {},
  doctor: {},
  'config.show': {},
  'config.get': { key: 'required' },
  'config.set': { key: 'required', value: 'optional' }
}

export function isHomeMethod(name: string): name is HomeMethod {
  return Object.hasOwn(PARAMS, name)
}

/** Throws ShoalError `usage` that names the field. All parameters are texts. */
export function parseHomeParams<M extends HomeMethod>(method: M, body: unknown): HomeMethods[M]['params'] {
  const given = typeof body === 'object' && body !== null ? Object.entries(body) : []
  for (const [name, value] of given) {
    if (!Object.hasOwn(PARAMS[method], name) || typeof value !== 'string') {
      throw new ShoalError('usage', `${method} has no parameter "${name}", or not as ${typeof value}`)
    }
  }
  for (const [name, need] of Object.entries(PARAMS[method])) {
    if (need === 'required' && !given.some(([one]) => one === name)) {
      throw new ShoalError('usage', `${method} needs "${name}"`)
    }
  }
  return body as HomeMethods[M]['params']
}
