/**
 * A home: everything that one node keeps. Its folder is 0700 and holds
 *
 *     version        the form of the home, a number
 *     node-key       the seed of the node's Ed25519 key, 64 hexadecimal digits
 *     operator-key   the same of the operator's key, where an overlay was founded; it is kept for good
 *     overlay        the overlay and its keys (overlay.ts); none after `leave`
 *     config.json    settings (config.ts)
 *     lock.db        held by the process that works on the home (lock.ts)
 *     socket         the path of the control socket (socket-path.ts)
 *     log/, state    what the daemon writes
 *
 * Whoever changes a home holds its lock; settings and reading need none.
 */
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { hex, unhex } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { idBytes } from '../../base/ids.ts'
import { identityFrom, newIdentity, type Identity } from '../../io/identity.ts'
import { PRESETS, type Preset, type Ticket } from '../../wire/ticket.ts'
import { guarded, PRIVATE_FOLDER_MODE, readSmallFile, writeFileAtomic } from './files.ts'
import { takeLock, type HomeLock } from './lock.ts'
import { foundOverlay, joinedOverlay, readOverlay, removeOverlay, writeOverlay, type Overlay } from './overlay.ts'

/** Raised when an older program could not read, or would damage, what a newer one wrote. */
export const HOME_VERSION = 1

export interface Home {
  /** Absolute. */
  readonly dir: string
  readonly identity: Identity
  /** Where an overlay was founded. */
  readonly operator: Identity | undefined
  /** Undefined after `leave`, until something is joined or founded. */
  readonly overlay: Overlay | undefined
}

/** Where things lie in a home. */
export function homePaths(dir: string) {
  const file = (name: string): string => path.join(dir, name)
  return {
    version: file('version'),
    nodeKey: file('node-key'),
    operatorKey: file('operator-key'),
    overlay: file('overlay'),
    lock: file('lock.db'),
    state: file('state.db'),
    index: file('index.db'),
    logs: file('log')
  }
}

/**
 * Makes the folder if there is none, and takes its lock. Throws ShoalError: `conflict` when a daemon runs on it, it is of a
 * newer version, or it is full of something else.
 */
export function lockHome(dir: string): HomeLock {
  guarded('make', dir, () => mkdirSync(dir, { recursive: true, mode: PRIVATE_FOLDER_MODE }))
  checkFolder(dir)
  guarded('protect', dir, () => {
    // Others could read the secrets' names, and open the socket.
    if ((statSync(dir).mode & 0o077) !== 0) chmodSync(dir, PRIVATE_FOLDER_MODE)
  })
  return takeLock(homePaths(dir).lock)
}

/** Holding the lock: makes what is missing, except an overlay (see `found`). Repeatable, also after a crash in it. */
export function ensureHome(dir: string): Home {
  const paths = homePaths(dir)
  checkFolder(dir)
  // First, so that a folder with a key in it is never without one.
  if (readSmallFile(paths.version) === undefined) writeFileAtomic(paths.version, `${HOME_VERSION}\n`)
  if (readKey(paths.nodeKey) === undefined) newKey(paths.nodeKey)
  return openHome(dir)
}

/** Throws ShoalError: `not-found` when there is no home, `conflict` for a newer one, `bad-input` for a damaged one. */
export function openHome(dir: string): Home {
  const paths = homePaths(dir)
  checkFolder(dir)
  const identity = readKey(paths.nodeKey)
  if (identity === undefined) {
    throw new ShoalError('not-found', `there is no home in ${dir}`, {
      hint: '`shoal init` makes one, and so does the first start of the daemon; or give another one: shoal --home DIR'
    })
  }
  return { dir, identity, operator: readKey(paths.operatorKey), overlay: readOverlay(paths.overlay) }
}

/** Holding the lock: founds an overlay of one, unless the home has an overlay. */
export function found(home: Home, preset: Preset): Home & { readonly overlay: Overlay } {
  if (home.overlay !== undefined) return { ...home, overlay: home.overlay }
  const paths = homePaths(home.dir)
  // One operator key serves all overlays that are founded here: the salt tells them apart.
  const operator = home.operator ?? newKey(paths.operatorKey)
  const overlay = foundOverlay(idBytes(operator.id), preset)
  writeOverlay(paths.overlay, overlay)
  return { ...home, operator, overlay }
}

/** Holding the lock: keeps what the ticket says. Throws ShoalError `conflict` as joinedOverlay. */
export function join(home: Home, ticket: Ticket): Home & { readonly overlay: Overlay } {
  const overlay = joinedOverlay(home.overlay, ticket)
  writeOverlay(homePaths(home.dir).overlay, overlay)
  return { ...home, overlay }
}

/** Holding the lock: founds an overlay of one in place of the present one, of which only the preset stays. */
export function refound(home: Home & { readonly overlay: Overlay }): Home & { readonly overlay: Overlay } {
  return found({ ...home, overlay: undefined }, home.overlay.settings.preset)
}

/** Holding the lock: the home names this overlay again, whatever it named before. */
export function keepOverlay(home: Home & { readonly overlay: Overlay }): void {
  writeOverlay(homePaths(home.dir).overlay, home.overlay)
}

/** Holding the lock: another member was met, so the overlay is not given up by accident any more. */
export function markMet(home: Home): Home {
  if (home.overlay === undefined || home.overlay.met) return home
  const overlay = { ...home.overlay, met: true }
  writeOverlay(homePaths(home.dir).overlay, overlay)
  return { ...home, overlay }
}

/** Holding the lock: forgets the overlay and its keys. Identity, operator key, settings, shares and files stay. */
export function leave(home: Home): Home {
  removeOverlay(homePaths(home.dir).overlay)
  return { ...home, overlay: undefined }
}

/** Throws ShoalError `usage`. */
export function presetOf(text: string): Preset {
  const preset = PRESETS.find(one => one === text)
  if (preset !== undefined) return preset
  throw new ShoalError('usage', `there is no preset ${JSON.stringify(text)}`, {
    hint: `presets: ${PRESETS.join(', ')}`
  })
}

/** Names that a program may leave in a home before it has a version: the lock comes first. */
const BEFORE_VERSION = /^(lock\.db(-journal|-wal|-shm)?|config\.json|.*\.tmp)$/

function checkFolder(dir: string): void {
  const names = guarded('read', dir, () => readFolder(dir))
  const text = readSmallFile(homePaths(dir).version)?.trim()
  if (text === undefined) {
    if (names.every(name => BEFORE_VERSION.test(name))) return
    throw new ShoalError('conflict', `${dir} has files in it and is no home of Shoal`, {
      hint: 'give a folder that is new or empty: shoal --home DIR'
    })
  }
  const version = /^[1-9][0-9]{0,5}$/.test(text) ? Number(text) : undefined
  if (version === undefined) {
    throw new ShoalError('bad-input', `${homePaths(dir).version} is damaged: it should say ${HOME_VERSION}`, {
      hint: 'restore it from a copy, or write that number into it'
    })
  }
  if (version > HOME_VERSION) {
    throw new ShoalError(
      'conflict',
      `${dir} was made by a newer Shoal (version ${version}, this one is ${HOME_VERSION})`,
      {
        hint: 'upgrade Shoal, or use another home: shoal --home DIR'
      }
    )
  }
}

function readFolder(dir: string): string[] {
  return statSync(dir, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(dir)
}

function newKey(file: string): Identity {
  const { secret } = newIdentity()
  writeFileAtomic(file, `${hex(secret)}\n`)
  return identityFrom(new Uint8Array(secret))
}

const LOST_NODE_KEY = 'restore it from a copy; without it this node is another node'
const LOST_OPERATOR_KEY =
  'restore it from a copy, or move it away: nobody then speaks as operator of what was founded here'

function readKey(file: string): Identity | undefined {
  const text = readSmallFile(file)
  if (text === undefined) return undefined
  const secret = unhex(text.trim())
  if (secret?.length === 32) return identityFrom(secret)
  throw new ShoalError('bad-input', `${file} is damaged: it should hold 64 hexadecimal digits`, {
    hint: path.basename(file) === 'node-key' ? LOST_NODE_KEY : LOST_OPERATOR_KEY
  })
}
