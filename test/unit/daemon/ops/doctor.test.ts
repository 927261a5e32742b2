import dgram from 'node:dgram'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { diskRows, judgeDisk } from '../../../../src/daemon/ops/doctor/disk.ts'
import { examineHome } from '../../../../src/daemon/ops/doctor/doctor.ts'
import {
  clockRow,
  DESCRIPTORS_NEEDED,
  descriptorsRow,
  homeRow,
  judgeClock,
  judgeDescriptors,
  rowOr,
  versionsRow
} from '../../../../src/daemon/ops/doctor/home.ts'
import { judgeLane, judgePeers } from '../../../../src/daemon/ops/doctor/node.ts'
import { portRow } from '../../../../src/daemon/ops/doctor/ports.ts'
import { judgeShares } from '../../../../src/daemon/ops/doctor/shares.ts'
import { DOCTOR_CHECKS, type DoctorRow } from '../../../../src/wire/control/doctor.ts'
import { VERSION } from '../../../../src/daemon/process/version.ts'
import { temporaryFolder } from '../temporary.ts'

const GIB = 2 ** 30
const NOW = Date.UTC(2026, 6, 1)

/** Whatever is not ok says what to do. */
function judged(row: DoctorRow): DoctorRow['status'] {
  expect(row.fix === undefined).toBe(row.status === 'ok')
  return row.status
}

describe('the doctor judges', () => {
  it.each([
    ['ok', { freeBytes: 50 * GIB, totalBytes: 100 * GIB, missingBytes: 0 }],
    ['ok', { freeBytes: 50 * GIB, totalBytes: 100 * GIB, missingBytes: 50 * GIB }],
    ['fail', { freeBytes: 50 * GIB, totalBytes: 100 * GIB, missingBytes: 51 * GIB }],
    ['warn', { freeBytes: GIB - 1, totalBytes: 4 * GIB, missingBytes: 0 }],
    ['warn', { freeBytes: 4 * GIB, totalBytes: 100 * GIB, missingBytes: 0 }],
    ['fail', { freeBytes: 1 << 20, totalBytes: 100 * GIB, missingBytes: 0 }]
  ] as const)('a disk as %s: %j', (status, disk) => {
    expect(judged(judgeDisk({ folder: '/x', ...disk }))).toBe(status)
  })

  it.each([
    ['ok', 30, DESCRIPTORS_NEEDED],
    ['ok', 30, Infinity],
    ['warn', 30, DESCRIPTORS_NEEDED - 1],
    ['fail', 900, 1_024],
    ['ok', undefined, 1_024]
  ] as const)('descriptors as %s: %d of %d', (status, open, most) => {
    expect(judged(judgeDescriptors(open, most))).toBe(status)
  })

  it.each([
    ['ok', { now: NOW, newestMs: NOW, jumpMs: 10 }],
    ['fail', { now: 0, newestMs: 0, jumpMs: 0 }],
    ['warn', { now: NOW, newestMs: NOW + 120_000, jumpMs: 0 }],
    ['warn', { now: NOW, newestMs: NOW, jumpMs: -3_600_000 }]
  ] as const)('a clock as %s: %j', (status, clock) => {
    expect(judged(judgeClock(clock))).toBe(status)
  })

  const lane = { asked: 4, answered: 4, young: false, addresses: '10.0.0.1:7462', neverDialled: false } as const
  it.each([
    ['ok', {}],
    ['ok', { answered: 2 }],
    ['fail', { answered: 1 }],
    ['fail', { answered: 0 }],
    ['warn', { answered: 0, young: true }],
    ['ok', { asked: 1, answered: 1 }],
    ['fail', { asked: 1, answered: 0 }],
    ['warn', { asked: 0, answered: 0 }],
    ['warn', { neverDialled: true }]
  ] as const)('a lane as %s: %j', (status, more) => {
    for (const name of ['tcp', 'udp'] as const) {
      const row = judgeLane({ lane: name, ...lane, reach: undefined, ...more })
      expect([judged(row), row.check]).toEqual([status, name])
    }
  })

  it('a lane by how far its address reaches', () => {
    expect(judgeLane({ lane: 'tcp', ...lane, reach: 'loopback' }).text).toContain('only this machine')
  })

  it.each([
    ['ok', { alive: 3, suspect: 0, dead: 0, left: 1 }],
    ['warn', { alive: 1, suspect: 0, dead: 2, left: 0 }],
    ['warn', { alive: 2, suspect: 1, dead: 0, left: 0 }],
    ['warn', { alive: 2, suspect: 0, dead: 1, left: 0 }]
  ] as const)('peers as %s: %j', (status, members) => {
    expect(judged(judgePeers(members, undefined))).toBe(status)
    expect(judged(judgePeers(members, '10.0.0.2:7462'))).toBe('fail')
  })

  it('a command of another version', () => {
    const home = temporaryFolder()
    expect(judged(versionsRow(home, VERSION))).toBe('ok')
    expect(judged(versionsRow(home, '9.9.9'))).toBe('warn')
    fs.writeFileSync(path.join(home, 'version'), '2\n')
    expect(judged(versionsRow(home, VERSION))).toBe('fail')
  })
})

describe('the doctor looks at', () => {
  it('a home that others can enter, and at secrets that others can read', () => {
    const home = temporaryFolder()
    expect(judged(homeRow(path.join(home, 'none')))).toBe('warn')
    expect(judged(homeRow(home))).toBe('ok')
    fs.writeFileSync(path.join(home, 'node-key'), '', { mode: 0o640 })
    expect(homeRow(home)).toMatchObject({ status: 'fail', fix: `chmod go= ${path.join(home, 'node-key')}` })
    fs.chmodSync(path.join(home, 'node-key'), 0o600)
    fs.chmodSync(home, 0o755)
    expect(homeRow(home)).toMatchObject({ status: 'fail', fix: `chmod go= ${home}` })
  })

  it('one file system once, also for folders that are not there yet', async () => {
    const home = temporaryFolder()
    const rows = await diskRows([
      { folder: home, missingBytes: 0 },
      { folder: path.join(home, 'a', 'b'), missingBytes: 2 ** 60 }
    ])
    expect(rows).toHaveLength(1)
    expect(judged(rows[0]!)).toBe('fail')
  })

  it('shares, and names those of which files changed or are missing', () => {
    expect(judged(judgeShares([]))).toBe('ok')
    const files = [{ path: '2.jpg', state: 'missing' as const }]
    const album = { name: 'album', problem: { files, fileCount: 2, fix: 'put it back' } }
    expect(judgeShares([album])).toEqual({
      ...{ check: 'shares', status: 'warn', text: 'album: 2.jpg is missing and 1 other file', fix: 'put it back' }
    })
    const row = judgeShares(Array.from({ length: 5 }, () => album))
    expect(judged(row)).toBe('warn')
    expect(row.text).toMatch(/; and 2 more$/)
  })

  it('this process and this machine', () => {
    expect(descriptorsRow().text).toMatch(/^\d+ of (\d+|Infinity) files/)
    expect(clockRow(temporaryFolder()).status).not.toBe('fail')
  })

  it.each(['tcp', 'udp'] as const)('a %s port that is free or taken', async lane => {
    const taken = await occupy(lane)
    expect(judged(await portRow(lane, { host: '127.0.0.1', port: taken }))).toBe('fail')
    expect(judged(await portRow(lane, { host: '127.0.0.1', port: 0 }))).toBe('ok')
  })

  it('what cannot be looked at, as a failure of that row only', async () => {
    const row = await rowOr('clock', () => {
      throw new Error('no clock')
    })
    expect(row).toMatchObject({ check: 'clock', status: 'fail', text: 'no clock' })
    judged(row)
  })

  it('everything but the node, where none runs', async () => {
    const { rows } = await examineHome(path.join(temporaryFolder(), 'none'))
    const checks = rows.map(({ check }) => check)
    const ofNode = ['shares', 'peers', 'refused']
    expect(checks).toEqual(Object.keys(DOCTOR_CHECKS).filter(check => !ofNode.includes(check)))
    rows.forEach(judged)
  })
})

async function occupy(lane: 'tcp' | 'udp'): Promise<number> {
  if (lane === 'tcp') {
    const server = net.createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise(resolve => server.once('listening', resolve))
    return (server.address() as net.AddressInfo).port
  }
  const socket = dgram.createSocket('udp4')
  onTestFinished(() => void socket.close())
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', () => resolve()))
  return socket.address().port
}
