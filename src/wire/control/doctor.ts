/** The answer of the method `doctor`: a row for each check. */
import { list, maybe, oneOf, row, text, type Infer } from './schema.ts'

/** In the order in which they are told, each with what it looks at. */
export const DOCTOR_CHECKS = {
  daemon: 'whether one runs on the home',
  versions: 'Node, Shoal, the home, and whether this command is as new as the daemon',
  home: 'whether the folder and its secrets are the user’s alone',
  disk: 'room for the home, and for what is still to be fetched',
  descriptors: 'open files and sockets, and how many there may be',
  clock: 'whether the time is possible, and whether it jumped; members are not asked for theirs',
  shares: 'whether files that are shared changed or are missing',
  tcp: 'up to 8 members are asked over TCP; without a daemon: whether the port is free',
  udp: 'how many members answered pings over UDP; without a daemon: whether the port is free',
  peers: 'members that are alive, suspect, dead or left',
  refused: 'datagrams and connections that were turned away, by reason'
} as const
export type DoctorCheck = keyof typeof DOCTOR_CHECKS
const CHECKS = Object.keys(DOCTOR_CHECKS) as DoctorCheck[]

export const doctorRow = row({
  check: oneOf(CHECKS, 'what was looked at'),
  status: oneOf(['ok', 'warn', 'fail'], 'warn: it works, and needs a look; fail: something does not work'),
  text: text('what was found'),
  fix: maybe(text('what to do about it; absent when the status is ok'))
})
export type DoctorRow = Infer<typeof doctorRow>

export const doctorResult = row({ rows: list(doctorRow, 'one row for each check') })
export type DoctorResult = Infer<typeof doctorResult>
