/** Commands on a home without its daemon, and the daemon's process around them. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ensureHome, found } from '../../../src/daemon/home/home.ts'
import { takeLock } from '../../../src/daemon/home/lock.ts'
import { ticketFor } from '../../../src/daemon/home/overlay.ts'
import { encodeTicket } from '../../../src/wire/ticket.ts'
import { linesOf, shoal, start, temporaryFolder } from './shoal.ts'

function newHome(): string {
  return path.join(temporaryFolder(), 'home')
}

function otherTicket(): { ticket: string; overlay: string } {
  const { overlay } = found(ensureHome(temporaryFolder()), 'lan')
  return { ticket: encodeTicket(ticketFor(overlay, [])), overlay: overlay.id }
}

describe('without a daemon', () => {
  it('init is repeatable, and keeps who the node is', async () => {
    const home = newHome()
    const first = await shoal(home, ['--json', 'init', '--name', 'cod'])
    const again = await shoal(home, ['--json', 'init'])
    expect([first.status, again.status]).toEqual([0, 0])
    expect(again.stdout).toBe(first.stdout)
    expect(linesOf(first.stdout)).toEqual([
      {
        v: 1,
        id: expect.stringMatching(/^12D3KooW/) as string,
        name: 'cod',
        overlay: expect.stringMatching(/^[0-9a-f]{64}$/) as string
      }
    ])
    const other = await shoal(home, ['init', '--preset', 'wan'])
    expect([other.status, other.stdout]).toEqual([11, ''])
  })

  it('join keeps the ticket, and says how to go on', async () => {
    const home = newHome()
    const { ticket, overlay } = otherTicket()
    const kept = await shoal(home, ['--json', 'join', '-'], { input: ticket })
    expect(kept).toMatchObject({ status: 0, stdout: `{"v":1,"overlay":"${overlay}","members":0}\n` })
    expect(linesOf((await shoal(home, ['--json', 'init'])).stdout)[0]).toMatchObject({ overlay })
    expect((await shoal(home, ['join', ticket])).stdout).toContain(`shoal --home ${home} daemon --detach`)
  })

  it('a damaged ticket makes no home', async () => {
    const home = newHome()
    const { ticket } = otherTicket()
    const { status, stderr } = await shoal(home, ['join', ticket.slice(0, -1)])
    expect([status, stderr.split('\n')[0]]).toEqual([1, 'shoal: this ticket is incomplete or mistyped'])
    expect(fs.existsSync(home)).toBe(false)
  })

  it("another overlay's ticket is a conflict once a member was met, until leave", async () => {
    const home = newHome()
    await shoal(home, ['init'])
    const overlayFile = path.join(home, 'overlay')
    const overlay = JSON.parse(fs.readFileSync(overlayFile, 'utf8')) as object
    fs.writeFileSync(overlayFile, JSON.stringify({ ...overlay, met: true }))
    const { ticket } = otherTicket()
    const refused = await shoal(home, ['join', ticket])
    expect(refused).toEqual({
      status: 11,
      stdout: '',
      stderr:
        'shoal: this ticket is for another overlay, and this node already met members of its own\n' +
        '  `shoal leave` first (shares and files stay), or join from another home: shoal --home DIR\n'
    })
    expect((await shoal(home, ['leave'])).status).toBe(0)
    expect((await shoal(home, ['join', ticket])).status).toBe(0)
  })

  it('leave where no home is says so', async () => {
    expect((await shoal(newHome(), ['leave'])).status).toBe(3)
  })

  it('a home of a newer version is a conflict to every command', async () => {
    const home = newHome()
    await shoal(home, ['init'])
    fs.writeFileSync(path.join(home, 'version'), '2\n')
    for (const args of [['init'], ['daemon'], ['daemon', '--detach'], ['leave'], ['config', 'set', 'name', 'x']]) {
      const { status, stderr } = await shoal(home, args)
      expect([args, status, stderr]).toEqual([args, 11, expect.stringMatching(/^shoal: .* was made by a newer Shoal/)])
      expect(stderr.split('\n')).toHaveLength(3)
    }
  })

  it('a home that may not be written is named, as a user that is not root', async () => {
    const folder = temporaryFolder()
    fs.writeFileSync(path.join(folder, 'file'), '')
    const { status, stderr } = await shoal(path.join(folder, 'file', 'home'), ['init'])
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(
        /^shoal: cannot make .*: a part of the path is no folder\n {2}use another home: shoal --home DIR\n$/
      )
    ])
  })

  it('config knows where each setting comes from', async () => {
    const home = newHome()
    const env = { SHOAL_UPLOAD_SLOTS: '3' }
    expect((await shoal(home, ['config', 'set', 'listen', '127.0.0.1:1'])).stdout).toBe(
      'listen is 127.0.0.1:1 (file)\n'
    )
    const { stdout } = await shoal(home, ['--json', 'config', 'show'], { env })
    const { settings } = linesOf(stdout)[0] as { settings: Array<{ key: string; value: string; origin: string }> }
    expect(settings.map(({ key, value, origin }) => [key, value, origin])).toEqual([
      ['listen', '127.0.0.1:1', 'file'],
      ['advertise', '', 'default'],
      ['name', expect.any(String), 'default'],
      ['ticket-file', '', 'default'],
      ['invite-file', '', 'default'],
      ['log-level', 'info', 'default'],
      ['upload-slots', '3', 'environment'],
      ['gateway', '', 'default'],
      ['metrics-listen', '', 'default'],
      ['metrics-token-file', '', 'default']
    ])
    expect((await shoal(home, ['config', 'get', 'upload-slots'], { env })).stdout).toBe('3\n')
    expect((await shoal(home, ['config', 'set', 'listen', '--default'])).stdout).toBe(
      'listen is 0.0.0.0:7462 (default)\n'
    )
    expect((await shoal(home, ['config', 'get', 'colour'])).status).toBe(3)
    const bad = await shoal(home, ['config', 'show'], { env: { SHOAL_LISTEN: 'x' } })
    expect([bad.status, bad.stderr]).toEqual([64, expect.stringMatching(/^shoal: SHOAL_LISTEN: "x" is invalid/)])
  })

  it('the home is --home, else SHOAL_HOME, else in the XDG data folder', async () => {
    const folder = temporaryFolder()
    const init = (env: Record<string, string>) => start({ args: ['init'], env: { HOME: `${folder}/u`, ...env } }).ended
    await init({ SHOAL_HOME: `${folder}/a`, XDG_DATA_HOME: `${folder}/x` })
    await init({ XDG_DATA_HOME: `${folder}/x` })
    await init({ XDG_DATA_HOME: 'relative' })
    const homes = ['a', 'x/shoal', 'u/.local/share/shoal']
    expect(homes.map(home => fs.existsSync(path.join(folder, home, 'node-key')))).toEqual([true, true, true])
  })
})

describe('the daemon', () => {
  const listen = ['--listen', '127.0.0.1:0']

  async function foreground(home: string) {
    const running = start({ args: ['--home', home, '--json', 'daemon', ...listen] })
    await running.said('"ready":true')
    return running
  }

  it('in the foreground is the process that was started: kill -9 it, and the next starts at once', async () => {
    const home = newHome()
    const first = await foreground(home)
    const second = await shoal(home, ['daemon', ...listen])
    expect([second.status, second.stdout, second.stderr.split('\n')[0]]).toEqual([
      11,
      '',
      expect.stringMatching(/^shoal: another daemon runs on this home \(process \d+\)$/)
    ])
    first.child.kill('SIGKILL')
    expect((await first.ended).status).toBe('SIGKILL')
    const third = await foreground(home)
    third.child.kill('SIGTERM')
    const { status, stdout } = await third.ended
    expect(status).toBe(0)
    expect(linesOf(stdout)[0]).toMatchObject({ v: 1, ready: true, addresses: [expect.any(String)] })
  })

  it('detached is ready when the command returns, keeps where to listen, and ends with stop', async () => {
    const home = newHome()
    onTestFinished(async () => {
      await shoal(home, ['stop'])
    })
    const started = await shoal(home, ['--json', 'daemon', '--detach', ...listen])
    expect(started.status).toBe(0)
    expect(linesOf(started.stdout)).toEqual([
      {
        v: 1,
        id: expect.stringMatching(/^12D3KooW/) as string,
        addresses: [expect.any(String)],
        ready: true,
        name: expect.any(String) as string
      }
    ])
    expect(started.stderr).toBe(`its log is in ${home}/log\n`)
    expect((await shoal(home, ['config', 'get', 'listen'])).stdout).toBe('127.0.0.1:0\n')
    expect((await shoal(home, ['daemon', '--detach'])).status).toBe(11)
    expect((await shoal(home, ['init'])).status).toBe(0)
    expect(await shoal(home, ['stop'])).toEqual({ status: 0, stdout: 'stopped\n', stderr: '' })
    expect((await shoal(home, ['stop'])).status).toBe(6)
    // The process is gone, and with it its lock.
    takeLock(path.join(home, 'lock.db')).release()
  })

  it('that cannot start says why, attached or not', async () => {
    const folder = temporaryFolder()
    fs.writeFileSync(path.join(folder, 'letter'), '')
    for (const more of [[], ['--detach']]) {
      const { status, stderr } = await shoal(folder, ['daemon', ...more])
      expect([status, stderr.split('\n')[0]]).toEqual([11, `shoal: ${folder} has files in it and is no home of Shoal`])
    }
    expect(fs.readdirSync(folder)).toEqual(['letter'])
  })
})
