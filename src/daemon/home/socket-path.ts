/** Where the control socket of a home lies: in the home, or where the path is short enough to bind. */
import { lstatSync, mkdirSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { sha256Hex, utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { homeMark, SOCKET_NAME_FILE, SOCKET_PATH_BYTES_MAX, socketNoteText } from '../../wire/control/home.ts'
import { guarded, PRIVATE_FOLDER_MODE, readSmallFile, writeFileAtomic } from './files.ts'

const SOCKET = 'control.sock'
/** Of the home's hash: enough that two homes of one user do not meet. */
const HASH_DIGITS = 16

type Env = Readonly<Record<string, string | undefined>>

/** Makes the folder that it needs. Throws ShoalError `permission` when that folder is somebody else's. */
export function controlSocketPath(home: string, env: Env = process.env): string {
  const inside = path.join(home, SOCKET)
  if (fits(inside)) return inside
  const name = `${sha256Hex(utf8(home)).slice(0, HASH_DIGITS)}.sock`
  const runtime = env['XDG_RUNTIME_DIR'] ?? ''
  const inRuntime = path.join(runtime, `shoal-${name}`)
  if (path.isAbsolute(runtime) && fits(inRuntime) && isPrivate(runtime)) return inRuntime
  const folder = path.join(os.tmpdir(), `shoal-${process.getuid?.() ?? 0}`)
  guarded('make', folder, () => mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE }))
  // Anyone may make a folder in a folder of all: what is there already need not be ours.
  if (!isPrivate(folder)) {
    throw new ShoalError('permission', `${folder} is not this user's alone, so no socket can lie there`, {
      hint: 'set XDG_RUNTIME_DIR, or use a home with a shorter path'
    })
  }
  return path.join(folder, name)
}

/** Tells clients where the socket is. It stays when the daemon ends, so that the next start writes nothing on a full disk. */
export function nameSocket(home: string, socket: string): void {
  const file = path.join(home, SOCKET_NAME_FILE)
  const text = socketNoteText({ socket, home: homeMark(statSync(home, { bigint: true })) })
  if (readSmallFile(file) !== text) writeFileAtomic(file, text)
}

function fits(socket: string): boolean {
  return Buffer.byteLength(socket) <= SOCKET_PATH_BYTES_MAX
}

/** A folder of this user that nobody else can enter. */
function isPrivate(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0
}
