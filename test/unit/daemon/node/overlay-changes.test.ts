/** Joining and leaving with a home on disk, a state database, and sessions that fail at a step. */
import fs from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { textOf, utf8 } from '../../../../src/base/bytes.ts'
import { ShoalError } from '../../../../src/base/errors.ts'
import { ensureHome, found, join, keepOverlay, openHome, refound } from '../../../../src/daemon/home/home.ts'
import { foundOverlay, ticketFor } from '../../../../src/daemon/home/overlay.ts'
import { Life } from '../../../../src/daemon/life.ts'
import { OverlayChanges, type MovableSession } from '../../../../src/daemon/node/overlay-changes.ts'
import { keepStateOf, overlayState, restoreState } from '../../../../src/daemon/node/overlay-state.ts'
import type { LivingHome } from '../../../../src/daemon/node/session.ts'
import { StateDb } from '../../../../src/io/state/db.ts'
import { decodeTicket, encodeTicket, type OverlaySettings, type Ticket } from '../../../../src/wire/ticket.ts'
import { temporaryFolder } from '../temporary.ts'

const MEMBERS = 'node/membership/members'
type Step = 'write' | 'goodbye' | 'close' | 'forget' | 'open' | 'back' | 'other-port'

function ticket(settings: Partial<OverlaySettings> = {}): Ticket {
  const overlay = foundOverlay(new Uint8Array(32).fill(9), 'lan')
  return decodeTicket(encodeTicket({ ...ticketFor(overlay, []), settings: { ...overlay.settings, ...settings } }))
}

/** A daemon's life with sessions that open no socket. `failing`: the steps that throw. */
class Rig {
  readonly dir = temporaryFolder()
  readonly db = StateDb.open(path.join(this.dir, 'test-state.db'))
  readonly failing = new Set<Step>()
  readonly did: string[] = []
  readonly lost: unknown[] = []
  readonly open = new Set<string>()
  readonly life = new Life<MovableSession>({ onLost: problem => this.lost.push(problem) })
  readonly changes: OverlayChanges<MovableSession>

  constructor() {
    this.changes = new OverlayChanges({
      life: this.life,
      keeper: {
        join: (home, given) => this.step('write', () => join(home, given)),
        found: home => this.step('write', () => refound(home)),
        keep: keepOverlay
      },
      state: {
        copy: ({ overlay }) => {
          const state = overlayState(this.db)
          return () => restoreState(this.db, overlay.id, state)
        },
        replace: async ({ overlay }) => {
          await keepStateOf(this.db, overlay.id)
          this.step('forget', () => undefined)
        }
      },
      open: async (home, listen) => this.session(home, listen.port),
      log: pino({ level: 'silent' })
    })
    onTestFinished(async () => this.db.close())
  }

  async start(): Promise<string> {
    fs.mkdirSync(path.join(this.dir, 'home'))
    const home = found(ensureHome(path.join(this.dir, 'home')), 'local')
    await keepStateOf(this.db, home.overlay.id)
    await this.db.put(MEMBERS, utf8('kept of the first'))
    await this.life.start(async () => this.session(home, 7_000))
    this.did.length = 0
    return home.overlay.id
  }

  get overlayOnDisk(): string | undefined {
    return openHome(path.join(this.dir, 'home')).overlay?.id
  }

  get members(): string | undefined {
    const value = this.db.get(MEMBERS)
    return value && textOf(value)
  }

  private first = true

  private session(home: LivingHome, port: number): MovableSession {
    const isBack = !this.first && home.overlay.id === this.firstOverlay
    if (!this.first) this.step(!isBack ? 'open' : port === 0 ? 'other-port' : 'back', () => undefined)
    if (this.first) this.firstOverlay = home.overlay.id
    this.first = false
    const name = home.overlay.id
    if (this.open.size > 0) throw new Error('two sessions are open')
    this.open.add(name)
    return {
      home,
      listening: { host: '127.0.0.1', port },
      sayGoodbye: async () => this.step('goodbye', () => undefined),
      lookFor: async () => this.step('goodbye', () => undefined),
      close: async () => {
        this.open.delete(name)
        this.step('close', () => undefined)
      }
    }
  }

  private firstOverlay = ''

  private step<T>(step: Step, act: () => T): T {
    this.did.push(step)
    if (this.failing.has(step)) throw new ShoalError('disk-full', `${step} failed`)
    return act()
  }
}

it('leaves: the home first, then the goodbye, and nothing is kept of the previous overlay', async () => {
  const rig = new Rig()
  const before = await rig.start()
  await rig.changes.leave()
  expect(rig.did).toEqual(['write', 'goodbye', 'close', 'forget', 'open'])
  expect(rig.overlayOnDisk).not.toBe(before)
  expect(rig.life.session.home.overlay).toMatchObject({ id: rig.overlayOnDisk, settings: { preset: 'local' } })
  expect(rig.life.session.listening.port).toBe(7_000)
  expect(rig.members).toBeUndefined()
})

it('joins another overlay without a goodbye, for nobody was met', async () => {
  const rig = new Rig()
  await rig.start()
  const given = ticket()
  await rig.changes.adopt(given)
  expect(rig.did).toEqual(['write', 'close', 'forget', 'open'])
  expect([rig.overlayOnDisk, rig.life.session.home.overlay.id]).toEqual([given.overlay, given.overlay])
})

it('takes a ticket of the same overlay without closing anything', async () => {
  const rig = new Rig()
  const before = await rig.start()
  await rig.changes.adopt(ticket())
  rig.did.length = 0
  const { overlay } = rig.life.session.home
  await rig.changes.adopt({ ...ticketFor(overlay, []), overlay: overlay.id })
  expect(rig.did).toEqual(['write', 'goodbye'])
  expect(rig.overlayOnDisk).not.toBe(before)
})

it.each(['write', 'close', 'forget', 'open'] as const)(
  'a leave that fails at "%s" is back in its overlay, with all that was kept of it',
  async step => {
    const rig = new Rig()
    const before = await rig.start()
    rig.failing.add(step)
    await expect(rig.changes.leave()).rejects.toMatchObject({ code: 'disk-full' })
    expect([rig.life.kind, rig.life.session.home.overlay.id, rig.overlayOnDisk]).toEqual(['running', before, before])
    expect(rig.members).toBe('kept of the first')
    expect(rig.open).toEqual(new Set([before]))
    // The next one succeeds.
    rig.failing.clear()
    await rig.changes.leave()
    expect(rig.overlayOnDisk).not.toBe(before)
  }
)

it('takes another port when the previous one is gone meanwhile', async () => {
  const rig = new Rig()
  const before = await rig.start()
  rig.failing.add('open').add('back')
  await expect(rig.changes.leave()).rejects.toThrow('open failed; the node is back in its overlay, on another port')
  expect([rig.life.session.home.overlay.id, rig.life.session.listening.port]).toEqual([before, 0])
})

it('is lost when nothing opens: the home names the previous overlay, where the next start goes', async () => {
  const rig = new Rig()
  const before = await rig.start()
  rig.failing.add('open').add('back').add('other-port')
  await expect(rig.changes.leave()).rejects.toThrow('other-port failed')
  expect([rig.life.kind, rig.lost.length, rig.overlayOnDisk]).toEqual(['lost', 1, before])
  expect(rig.members).toBe('kept of the first')
})

it.each([
  [{ detector: 'heartbeat' }, 'detector heartbeat is not supported; supported: swim'],
  [{ routing: 'pastry' }, 'routing pastry is not supported; supported: chord'],
  [{ choking: 'open' }, 'choking open is not supported; supported: cluster'],
  [{ replicas: 9 }, 'replicas 9 is not supported; supported: 1 to 8']
] as const)('refuses a ticket with %j by name, and stays', async (settings, problem) => {
  const rig = new Rig()
  const before = await rig.start()
  await expect(rig.changes.adopt(ticket(settings))).rejects.toMatchObject({
    code: 'bad-input',
    message: `the overlay of this ticket has settings that this node cannot honour: ${problem}`
  })
  expect([rig.did, rig.overlayOnDisk, rig.life.kind]).toEqual([['write'], before, 'running'])
})
