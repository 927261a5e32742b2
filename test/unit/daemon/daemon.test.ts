/** Whole daemons in this process, on loopback: changes of the overlay while calls come in, stops, and faults. */
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { socketTransport } from '../../../src/cli/client/transport.ts'
import { resolveConfig } from '../../../src/daemon/home/config.ts'
import { ensureHome, found, lockHome } from '../../../src/daemon/home/home.ts'
import { runDaemon, type Daemon } from '../../../src/daemon/daemon.ts'
import { Runtime } from '../../../src/daemon/node/runtime.ts'
import type { ControlMethod, Params, ResultOf } from '../../../src/wire/control/methods.ts'
import { temporaryFolder } from './temporary.ts'

interface Running {
  readonly dir: string
  readonly daemon: Daemon
  readonly faults: unknown[]
  readonly logged: Array<{ msg: string }>
  ask<M extends ControlMethod>(method: M, params: Params<M>): Promise<ResultOf<M>>
}

async function start(name: string): Promise<Running> {
  const dir = path.join(temporaryFolder(), name)
  const lock = lockHome(dir)
  const home = found(ensureHome(dir), 'local')
  const config = resolveConfig(dir, { flags: { listen: '127.0.0.1:0', name }, env: {} })
  const faults: unknown[] = []
  const logged: Running['logged'] = []
  const log = pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line) as { msg: string }) })
  const daemon = await runDaemon({ home, config, log, onFault: error => faults.push(error) })
  onTestFinished(async () => {
    await daemon.stop()
    lock.release()
  })
  const transport = socketTransport(dir, '')
  return {
    ...{ dir, daemon, faults, logged },
    ask: async (method, params) => transport.ask(method, params, { signal: AbortSignal.timeout(30_000) })
  }
}

const codeOf = (error: unknown): string => (error instanceof ShoalError ? error.code : String(error))

/** Calls, one after the other, until the returned function is called: it gives how each ended. */
function calls(running: Running): () => Promise<Set<string>> {
  const ends = new Set<string>()
  let on = true
  const worker = async (method: 'status' | 'members' | 'ring'): Promise<void> => {
    while (on) ends.add(await running.ask(method, {}).then(() => 'ok', codeOf))
  }
  const all = Promise.all([worker('status'), worker('members'), worker('ring')])
  return async () => {
    on = false
    await all
    return ends
  }
}

it('joins and leaves while calls come in: every call is answered, or told to come again', async () => {
  const [a, b] = [await start('a'), await start('b')]
  const { ticket } = await a.ask('invite', {})
  const end = calls(b)
  expect(await b.ask('join', { ticket })).toMatchObject({ members: 2 })
  await b.ask('leave', {})
  await b.ask('join', { ticket })
  // All at once: one at a time.
  await Promise.all([b.ask('leave', {}), b.ask('leave', {}), b.ask('leave', {})])
  const ends = await end()
  expect([...ends].filter(one => one !== 'ok' && one !== 'busy')).toEqual([])
  expect(ends).toContain('ok')
  expect(await b.ask('status', {})).toMatchObject({ members: { alive: 1 } })
  expect([...a.faults, ...b.faults]).toEqual([])
})

it('stops during a change: both end, and the home is whole', async () => {
  const [a, b] = [await start('a'), await start('b')]
  const { ticket } = await a.ask('invite', {})
  await b.ask('join', { ticket })
  const left = b.ask('leave', {}).then(() => 'ok', codeOf)
  await sleep(5)
  await Promise.all([b.daemon.stop(), b.daemon.stop()])
  // `unreachable`: a call that is not over within the server's grace is cut off.
  expect(['ok', 'interrupted', 'unreachable']).toContain(await left)
  expect(b.logged.filter(({ msg }) => msg === 'a step of the stop failed')).toEqual([])
  expect(found(ensureHome(b.dir), 'lan').overlay.id).toMatch(/^[0-9a-f]{64}$/)
  expect(b.faults).toEqual([])
})

it('tells those who follow that it is the daemon that stops', async () => {
  const running = await start('a')
  const waiting = running.ask('members', { wait: 2 }).then(
    () => 'ok',
    (error: unknown) => error
  )
  await sleep(200)
  await running.daemon.stop()
  expect(await waiting).toMatchObject({ code: 'interrupted', message: 'the daemon is stopping' })
})

it('a watcher that throws starves no other, and a machine that throws is a fault of which no call hears `ok`', async () => {
  const opened: Runtime[] = []
  const open = Runtime.open.bind(Runtime)
  Runtime.open = async parts => {
    const runtime = await open(parts)
    opened.push(runtime)
    return runtime
  }
  onTestFinished(() => {
    Runtime.open = open
  })
  const running = await start('a')
  const [runtime] = opened
  const heard: string[] = []
  runtime!.watch(() => {
    throw new TypeError('a watcher')
  })
  runtime!.watch(({ room }) => heard.push(room))
  runtime!.call((node, at) => node.ring.lookup('ab'.repeat(32) as never, at))
  await expect.poll(() => heard.length).toBeGreaterThan(0)
  expect(running.faults).toEqual([])
  expect(running.logged.filter(({ msg }) => msg.startsWith('failed: a watcher of')).length).toBeGreaterThan(0)
  const fault = new TypeError('the machine')
  expect(() => {
    runtime!.call(() => {
      throw fault
    })
  }).toThrow(fault)
  expect(running.faults).toEqual([fault])
  expect(await running.ask('ring.lookup', { key: 'ab' }).then(() => 'ok', codeOf)).toBe('internal')
})
