/** Room for the home, and for what is shared and fetched. */
import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import path from 'node:path'
import type { DoctorRow } from '../../../wire/control/doctor.ts'

/** Less than this, and the state cannot be kept. */
const FREE_BYTES_MIN = 64 << 20
const FREE_BYTES_GOOD = 1 << 30
/** A file system wants this part of itself free. */
const FREE_PART_GOOD = 0.05

export interface Place {
  folder: string
  /** What is still to be written below it. */
  missingBytes: number
}

interface Disk {
  folder: string
  freeBytes: number
  totalBytes: number
  missingBytes: number
}

/** A row for each file system that the folders lie on, and for each folder that is gone. */
export async function diskRows(places: readonly Place[]): Promise<DoctorRow[]> {
  const disks = new Map<number, Disk>()
  const rows: DoctorRow[] = []
  for (const { folder, missingBytes } of places) {
    const device = statSync(existing(folder)).dev
    const known = disks.get(device)
    if (known !== undefined) {
      known.missingBytes += missingBytes
      continue
    }
    const { bavail, blocks, bsize } = await statfs(existing(folder))
    disks.set(device, { folder, freeBytes: bavail * bsize, totalBytes: blocks * bsize, missingBytes })
  }
  for (const disk of disks.values()) rows.push(judgeDisk(disk))
  return rows
}

export function judgeDisk({ folder, freeBytes, totalBytes, missingBytes }: Disk): DoctorRow {
  const check = 'disk'
  const wanted = missingBytes > 0 ? `, ${mebibytes(missingBytes)} still to be fetched` : ''
  const text = `${mebibytes(freeBytes)} free at ${folder}${wanted}`
  const fix = missingBytes > 0 ? 'make room, or shoal rm ID what is not needed' : 'make room'
  if (freeBytes < FREE_BYTES_MIN || freeBytes < missingBytes) return { check, status: 'fail', text, fix }
  const little = freeBytes < FREE_BYTES_GOOD || freeBytes < totalBytes * FREE_PART_GOOD
  return little ? { check, status: 'warn', text, fix } : { check, status: 'ok', text }
}

/** The folder itself, or the nearest one above it that is there. */
function existing(folder: string): string {
  let place = path.resolve(folder)
  while (statSync(place, { throwIfNoEntry: false }) === undefined && place !== path.dirname(place)) {
    place = path.dirname(place)
  }
  return place
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`
}
