/** What can be said of a home and its machine with or without a daemon. */
import { readdirSync, statSync, type Stats } from 'node:fs'
import path from 'node:path'
import { ShoalError } from '../../../base/errors.ts'
import { greatest } from '../../../base/numbers.ts'
import { OPEN_DESCRIPTORS_MAX } from '../../../io/store/files/open-files.ts'
import { CONNECTIONS_MAX } from '../../../io/net/host.ts'
import type { DoctorRow } from '../../../wire/control/doctor.ts'
import { CONTROL_CONNECTIONS_MAX } from '../../control/server.ts'
import { readSmallFile } from '../../home/files.ts'
import { HOME_VERSION, homePaths } from '../../home/home.ts'
import { VERSION } from '../../process/version.ts'
import { descriptorsMax, openDescriptors } from '../descriptors.ts'
import { OPS_CONNECTIONS_MAX } from '../listener.ts'

/** As package.json says. */
const NODE_LEAST = [22, 18] as const
/** The runtime's own: log, database, event loop, threads. */
const OWN_DESCRIPTORS = 64
/** All that may be open at once, everything at its limit. */
export const DESCRIPTORS_NEEDED =
  CONNECTIONS_MAX + OPEN_DESCRIPTORS_MAX + CONTROL_CONNECTIONS_MAX + OPS_CONNECTIONS_MAX + OWN_DESCRIPTORS
/** Beyond this part of the limit the next connection may be refused. */
const DESCRIPTORS_FULL = 0.8
/** No machine that runs this is older: a clock before it was never set. */
const EARLIEST_YEAR = 2025
/** How far ahead a file may be before the clock is called wrong. */
const CLOCK_SLACK_MS = 60_000
/** A clock that is slewed stays within this; one that jumps does not. */
const CLOCK_JUMP_MS = 2_000

export function versionsRow(home: string, client: string | undefined): DoctorRow {
  const check = 'versions'
  const kept = readSmallFile(homePaths(home).version)?.trim()
  const text = `Shoal ${VERSION}, Node ${process.versions.node}, home ${kept ?? 'none yet'}`
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < NODE_LEAST[0] || (major === NODE_LEAST[0] && minor < NODE_LEAST[1])) {
    return { check, status: 'fail', text, fix: `install Node ${NODE_LEAST.join('.')} or later` }
  }
  if (client !== undefined && client !== VERSION) {
    const both = `${text}; this command is Shoal ${client}`
    return { check, status: 'warn', text: both, fix: 'shoal stop, then start the daemon again' }
  }
  if (kept !== undefined && Number(kept) > HOME_VERSION)
    return { check, status: 'fail', text, fix: 'upgrade Shoal, or use another home: shoal --home DIR' }
  return { check, status: 'ok', text }
}

/** Its folder and the secrets in it belong to this user alone. */
export function homeRow(home: string): DoctorRow {
  const check = 'home'
  const paths = homePaths(home)
  const folder = statSync(home, { throwIfNoEntry: false })
  if (folder === undefined)
    return { check, status: 'warn', text: `there is no ${home} yet`, fix: 'shoal init, or shoal daemon' }
  for (const file of [home, paths.nodeKey, paths.operatorKey, paths.overlay]) {
    const stat = statSync(file, { throwIfNoEntry: false })
    const wrong = stat && ownership(file, stat)
    if (wrong !== undefined) return { check, status: 'fail', ...wrong }
  }
  return { check, status: 'ok', text: `${home} is this user's alone` }
}

function ownership(file: string, { uid, mode }: Stats): { text: string; fix: string } | undefined {
  const self = process.getuid?.()
  if (self !== undefined && uid !== self)
    return { text: `${file} belongs to user ${uid}, not to ${self}`, fix: `chown -R ${self} ${file}` }
  if ((mode & 0o077) !== 0) return { text: `others can get at ${file}`, fix: `chmod go= ${file}` }
  return undefined
}

export function descriptorsRow(): DoctorRow {
  return judgeDescriptors(openDescriptors(), descriptorsMax())
}

export function judgeDescriptors(open: number | undefined, most: number | undefined): DoctorRow {
  const check = 'descriptors'
  if (open === undefined || most === undefined)
    return { check, status: 'ok', text: 'this system does not tell how many files may be open' }
  const text = `${open} of ${most} files and sockets open; up to ${DESCRIPTORS_NEEDED} are needed`
  const fix = `ulimit -n ${DESCRIPTORS_NEEDED} before the daemon starts, or LimitNOFILE= in its unit`
  if (open > most * DESCRIPTORS_FULL) return { check, status: 'fail', text, fix }
  if (most < DESCRIPTORS_NEEDED) return { check, status: 'warn', text, fix }
  return { check, status: 'ok', text }
}

/** No protocol tells the time: what can be seen is whether this clock is possible, and whether it jumped. */
export function clockRow(home: string): DoctorRow {
  const now = Date.now()
  const jumpMs = now - (performance.timeOrigin + performance.now())
  return judgeClock({ now, newestMs: newestIn(home), jumpMs })
}

export function judgeClock({ now, newestMs, jumpMs }: { now: number; newestMs: number; jumpMs: number }): DoctorRow {
  const check = 'clock'
  const fix = 'set the clock, and keep it: timedatectl set-ntp true'
  const text = `it is ${new Date(now).toISOString().slice(0, 19)} UTC`
  if (new Date(now).getUTCFullYear() < EARLIEST_YEAR) return { check, status: 'fail', text, fix }
  if (newestMs - now > CLOCK_SLACK_MS) {
    const ahead = `${text}, and the home was written ${Math.round((newestMs - now) / 1_000)} s later than that`
    return { check, status: 'warn', text: ahead, fix }
  }
  if (Math.abs(jumpMs) > CLOCK_JUMP_MS) {
    const jumped = `${text}; it was moved by ${Math.round(jumpMs / 1_000)} s since this process began`
    return { check, status: 'warn', text: jumped, fix }
  }
  return { check, status: 'ok', text }
}

function newestIn(home: string): number {
  try {
    const times = readdirSync(home).map(
      name => statSync(path.join(home, name), { throwIfNoEntry: false })?.mtimeMs ?? 0
    )
    return greatest(0, times)
  } catch {
    return 0
  }
}

/** A check that cannot be made is a row too, not the end of the others. */
export async function rowOr(check: DoctorRow['check'], look: () => DoctorRow | Promise<DoctorRow>): Promise<DoctorRow> {
  try {
    return await look()
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const hint = error instanceof ShoalError ? error.hint : undefined
    return {
      check,
      status: 'fail',
      text,
      fix: hint ?? 'the log may say more: daemon.log in the folder log of the home'
    }
  }
}
