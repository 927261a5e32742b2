/** What `shoal doctor` is told: a row for each thing that was looked at. */

/** In the order in which they are told, each with what it looks at. */
export const DOCTOR_CHECKS = {
  daemon: 'whether one runs on the home',
  versions: 'Node, Shoal, the home, and whether this command is as new as the daemon',
  home: 'whether the folder and its secrets are the user’s alone',
  disk: 'room for the home, and for what is still to be fetched',
  descriptors: 'open files and sockets, and how many there may be',
  clock: 'whether the time is possible, and whether it jumped; members are not asked for theirs',
  tcp: 'up to 8 members are asked over TCP; without a daemon: whether the port is free',
  udp: 'how many members answered pings over UDP; without a daemon: whether the port is free',
  peers: 'members that are alive, suspect, dead or left',
  refused: 'datagrams and connections that were turned away, by reason'
} as const
export type DoctorCheck = keyof typeof DOCTOR_CHECKS

export interface DoctorRow {
  check: DoctorCheck
  /** warn: it works, and something should be looked at. fail: something does not work. */
  status: 'ok' | 'warn' | 'fail'
  text: string
  /** What to do about it, where it is not ok. */
  fix?: string
}

export interface DoctorResult {
  rows: DoctorRow[]
}
