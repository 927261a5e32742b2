/** What `shoal doctor` is told: a row for each thing that was looked at. */

export const DOCTOR_CHECKS = [
  'daemon',
  'versions',
  'home',
  'disk',
  'descriptors',
  'clock',
  'tcp',
  'udp',
  'peers',
  'refused'
] as const
export type DoctorCheck = (typeof DOCTOR_CHECKS)[number]

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
