/** Ctrl-C, a lost terminal, and the end of a daemon. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shoal, start, temporaryFolder, type Running } from '../cli/shoal.ts'
import { Cluster, until, type Daemon } from '../cluster.ts'
import { makeFile, sha256 } from '../content.ts'
import { running } from './daemons.ts'
import { expectRefusal } from './refusal.ts'

const FILE_BYTES = 16 << 20
/** So that a download is under way for as long as a busy machine needs to send a signal. */
const SLOW_BYTES_PER_SECOND = String(1 << 20)

let cluster: Cluster
let reader: Daemon
let file: string
let id: string

beforeAll(async () => {
  cluster = await Cluster.start(1)
  reader = cluster.node(1)
  await cluster.join('slow', { peer: ['--rate', SLOW_BYTES_PER_SECOND] })
  await cluster.converged()
  file = makeFile(cluster.folder('big.bin'), FILE_BYTES)
  ;({ id } = (await cluster.node(2).ask('share', { paths: [file] })).shares[0]!)
})
afterAll(() => cluster.close())

const state = async (): Promise<string | undefined> => (await reader.transfer(id))?.state

async function get(): Promise<Running> {
  const running = start({ args: ['--home', reader.home, 'get', id, '-o', cluster.folder('out')] })
  await until('bytes arrive', async () => (await state()) === 'fetching' && (await reader.transfer(id))!.haveBytes > 0)
  return running
}

describe('get', () => {
  it('on Ctrl-C ends with 7, and the download is paused', async () => {
    const getting = await get()
    getting.child.kill('SIGINT')
    expectRefusal(await getting.ended, { status: 7, says: /paused [0-9a-f]{64}/, next: /the same command goes on/ })
    expect(await state()).toBe('paused')
  })

  it('goes on where it was with the same command, and without it when the terminal is lost', async () => {
    const before = (await reader.transfer(id))!.haveBytes
    const getting = await get()
    getting.child.kill('SIGHUP')
    expect(await getting.ended).toMatchObject({ status: 7 })
    expect(before).toBeGreaterThan(0)
    expect(await state()).toBe('fetching')
    await cluster.node(2).kill('SIGKILL')
    await cluster.node(2).start()
    await until('all of it is there', async () => (await state()) === 'complete')
    expect(sha256(cluster.folder('out/big.bin'))).toBe(sha256(file))
  })
})

describe('a daemon that stops', () => {
  it('tells who follows a get that the download goes on with its next start (7)', async () => {
    const slow = cluster.node(2)
    const big = makeFile(cluster.folder('bigger.bin'), FILE_BYTES)
    await slow.kill('SIGKILL')
    await slow.start({ peer: ['--rate', SLOW_BYTES_PER_SECOND] })
    const { id } = (await slow.ask('share', { paths: [big] })).shares[0]!
    const getting = start({ args: ['--home', reader.home, 'get', id, '-o', cluster.folder('stopped')] })
    const begun = async (): Promise<boolean> => ((await reader.transfer(id))?.haveBytes ?? 0) > 0
    await until('bytes arrive', begun)
    await reader.stop()
    expectRefusal(await getting.ended, {
      status: 7,
      says: /the daemon is stopping; the download continues with its next start/,
      next: /shoal daemon/
    })
    await reader.start()
    await until('it goes on by itself', begun)
  })

  it('because of a fault says so in one line, ends with 1, and can be started again', async () => {
    const faulty = cluster.add('faulty')
    const { ticket } = await reader.ask('invite', {})
    await faulty.ok('init', ['--name', 'faulty'])
    await faulty.ok('join', ['-'], { input: ticket })
    await faulty.start({ peer: ['--fault'] })
    const file = makeFile(cluster.folder('fault.bin'), 100_000)
    const { id } = (await faulty.ask('share', { paths: [file] })).shares[0]!
    const getting = start({ args: ['--home', reader.home, 'get', id, '-o', cluster.folder('faulty')] })
    await until('it has ended', () => !faulty.running)
    expect(faulty.logged('the daemon ends: invariant broken: as a test asks for')).toHaveLength(1)
    expect(faulty.exitCode).toBe(1)
    await faulty.start()
    expect(await getting.ended).toMatchObject({ status: 0 })
    expect(sha256(cluster.folder('faulty/fault.bin'))).toBe(sha256(file))
  })
})

describe('a daemon', () => {
  async function joined(): Promise<{ daemon: Running; id: string }> {
    const home = path.join(temporaryFolder(), 'home')
    const { ticket } = await reader.ask('invite', {})
    expect(await shoal(home, ['join', '-'], { input: ticket })).toMatchObject({ status: 0 })
    const daemon = await running(home)
    const { stdout } = await shoal(home, ['-q', 'init'])
    await until('it is seen', async () => (await stateOf(stdout.trim())) === 'alive')
    return { daemon, id: stdout.trim() }
  }
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await reader.ask('members', {})).members.find(member => member.id === id)?.state

  it('on SIGTERM ends with 0 within 10 s, and the others see that it left', async () => {
    const { daemon, id } = await joined()
    const begunMs = performance.now()
    daemon.child.kill('SIGTERM')
    const { status, stderr } = await daemon.ended
    expect(status, stderr).toBe(0)
    expect(performance.now() - begunMs).toBeLessThan(10_000)
    expect(await stateOf(id)).toBe('left')
  })

  it('on a second SIGTERM ends at once', async () => {
    const { daemon } = await joined()
    // Nobody answers its goodbye, which it would wait for.
    await cluster.node(1).kill('SIGSTOP')
    await cluster.node(2).kill('SIGSTOP')
    try {
      daemon.child.kill('SIGTERM')
      const ended = await Promise.race([daemon.ended, new Promise(resolve => setTimeout(resolve, 500))])
      expect(ended).toBeUndefined()
      daemon.child.kill('SIGTERM')
      expect((await daemon.ended).status).toBe('SIGKILL')
    } finally {
      await cluster.node(1).kill('SIGCONT')
      await cluster.node(2).kill('SIGCONT')
    }
  })
})
