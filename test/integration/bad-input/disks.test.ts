/** Disks that are full, and paths that a user may not read or write. Only root can mount a small disk or be another user. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { shoal, start, temporaryFolder } from '../cli/shoal.ts'
import { Cluster, until, type Daemon } from '../cluster.ts'
import { makeFile, sha256 } from '../content.ts'
import { running } from './daemons.ts'
import { isRoot, nobody, NOBODY, type OtherUser } from '../../fixtures/other-user.ts'
import { expectRefusal } from './refusal.ts'

const MIB = 1 << 20
const FILE_BYTES = 12 * MIB

let cluster: Cluster
let sharer: Daemon
let id: string
let file: string

beforeAll(async () => {
  cluster = await Cluster.start(1)
  sharer = cluster.node(1)
  file = makeFile(cluster.folder('big.bin'), FILE_BYTES)
  id = (await sharer.ok('share', [file])).id
})
afterAll(() => cluster.close())

/** A disk of its own for the test. */
function smallDisk(bytes: number): string {
  const disk = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', disk])
  onTestFinished(() => {
    // Whoever still has files open there: the mount goes now, its memory with the last of them.
    execFileSync('umount', ['--lazy', disk])
    fs.rmdirSync(disk)
  })
  return disk
}

/** All of it: what is written after that finds no room. Returns the file that took it. */
function fill(disk: string): string {
  const ballast = path.join(disk, 'ballast')
  const handle = fs.openSync(ballast, 'a')
  try {
    for (let bytes = MIB; bytes >= 512; bytes /= 2) {
      try {
        for (;;) fs.writeSync(handle, Buffer.alloc(bytes))
      } catch {
        // Smaller ones may still fit.
      }
    }
  } finally {
    fs.closeSync(handle)
  }
  return ballast
}

async function joined(home: string, options: { as?: OtherUser } = {}): Promise<void> {
  const { ticket } = await sharer.ask('invite', {})
  const { status, stderr } = await shoal(home, ['join', '-'], { input: ticket, ...options })
  expect(status, stderr).toBe(0)
  await running(home, options)
}

/** The other is seen, so what it shares is found. */
async function met(home: string, options: { as?: OtherUser } = {}): Promise<void> {
  const { status, stderr } = await shoal(home, ['members', '--wait', '2', '--timeout', '60'], options)
  expect(status, stderr).toBe(0)
}

describe.skipIf(!isRoot)('a full disk', () => {
  it('pauses a download; `get` says so, and it goes on by itself when there is room', async () => {
    const disk = smallDisk(20 * MIB)
    const home = path.join(temporaryFolder(), 'home')
    makeFile(path.join(disk, 'ballast'), 15 * MIB)
    await joined(home)
    await met(home)
    expectRefusal(await shoal(home, ['get', id, '-o', disk]), {
      status: 9,
      says: /no room left for .*\/big\.bin/,
      next: /make room: the download goes on by itself/
    })
    const status = await shoal(home, ['status'])
    expect([status.status, status.stdout]).toEqual([0, expect.stringMatching(/paused: disk-full/)])
    fs.rmSync(path.join(disk, 'ballast'))
    await until('the download is complete', () => fs.existsSync(path.join(disk, 'big.bin')))
    expect(sha256(path.join(disk, 'big.bin'))).toBe(sha256(file))
  })

  it('of the home: the daemon lives on, says what it cannot keep, and works again when there is room', async () => {
    const disk = smallDisk(20 * MIB)
    const home = path.join(disk, 'home')
    const target = temporaryFolder()
    await joined(home)
    const ballast = fill(disk)
    // That it met a member is among what cannot be kept.
    await met(home)
    const noRoom = { status: 9, says: /(room|full|cannot be written)/, next: /[Mm]ake room/ } as const
    expectRefusal(await shoal(home, ['get', id, '-o', target]), noRoom)
    expectRefusal(await shoal(home, ['share', makeFile(path.join(target, 'mine'), 3 * MIB)]), noRoom)
    expectRefusal(await shoal(home, ['config', 'set', 'upload-slots', '3']), noRoom)
    expect(await shoal(home, ['members'])).toMatchObject({ status: 0 })
    fs.rmSync(ballast)
    expect(await shoal(home, ['share', path.join(target, 'mine')])).toMatchObject({ status: 0 })
    const { status, stderr } = await shoal(home, ['get', id, '-o', target])
    expect(status, stderr).toBe(0)
  })

  it('of a new home: no daemon starts, and none half-made is left to trip over', async () => {
    const disk = smallDisk(1 * MIB)
    const ballast = fill(disk)
    const home = path.join(disk, 'home')
    const refused = await shoal(home, ['daemon', '--detach', '--listen', '127.0.0.1:0'])
    expectRefusal(refused, { status: 9, says: /(room|full)/, next: /make room/ })
    fs.rmSync(ballast)
    expect(await shoal(home, ['init'])).toMatchObject({ status: 0 })
  })
})

describe.skipIf(!isRoot)('a user without rights', () => {
  const other = nobody()
  let root: string
  let home: string
  beforeAll(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-nobody-'))
    home = path.join(root, 'home')
    fs.chmodSync(root, 0o755)
    fs.mkdirSync(home)
    fs.chownSync(home, NOBODY, NOBODY)
  })
  afterAll(() => {
    fs.rmSync(root, { recursive: true, force: true })
  })

  it('is told which path cannot be read, and where nothing can be written', async () => {
    fs.chmodSync(makeFile(path.join(root, 'secret'), 10), 0o600)
    fs.chmodSync(makeFile(path.join(root, 'folder/inner/secret'), 10), 0o600)
    fs.mkdirSync(path.join(root, 'closed/target'), { recursive: true })
    fs.chmodSync(path.join(root, 'closed'), 0o700)
    await joined(home, { as: other })
    await met(home, { as: other })
    const say = (...args: string[]) => start({ args: ['--home', home, ...args], cwd: root, as: other }).ended
    const unread = { status: 1, says: /cannot read ".*secret": permission denied/, next: /right to read it/ } as const
    expectRefusal(await say('share', 'secret'), unread)
    expectRefusal(await say('share', '--strict', 'folder'), unread)
    const closed = { status: 1, says: /cannot read ".*closed.*": permission denied/, next: /right to read it/ } as const
    expectRefusal(await say('share', 'closed'), closed)
    expectRefusal(await say('share', 'closed/target'), closed)
    const unwritten = { status: 1, says: /no permission to write in /, next: /another folder with -o/ } as const
    expectRefusal(await say('get', id, '-o', root), unwritten)
    expectRefusal(await say('get', id, '-o', path.join(root, 'new')), unwritten)
    expectRefusal(await say('get', id, '-o', path.join(root, 'closed/target')), unwritten)
    expectRefusal(await say('get', path.join(root, 'closed/x.torrent')), {
      status: 1,
      says: /cannot read .*x\.torrent: permission denied/,
      next: /check the path/
    })
    expect(fs.readdirSync(path.join(root, 'closed/target'))).toEqual([])
  })
})
