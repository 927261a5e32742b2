/** `shoal service` with a systemctl of the test's own, and without any. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { fakeDaemon, linesOf, shoal, temporaryFolder } from './shoal.ts'

/** Notes what it is asked; answers `show-environment` as told. */
function fakeSystemd(status: number) {
  const folder = temporaryFolder()
  const calls = path.join(folder, 'calls')
  fs.writeFileSync(path.join(folder, 'systemctl'), `#!/bin/sh\necho "$@" >>'${calls}'\nexit ${status}\n`, {
    mode: 0o755
  })
  const env = { PATH: `${folder}:${process.env['PATH']}`, XDG_CONFIG_HOME: path.join(folder, 'config') }
  const units = path.join(env.XDG_CONFIG_HOME, 'systemd', 'user')
  return {
    env,
    called: () => (fs.existsSync(calls) ? fs.readFileSync(calls, 'utf8').trim().split('\n') : []),
    units: () => (fs.existsSync(units) ? fs.readdirSync(units).map(name => path.join(units, name)) : [])
  }
}

describe('shoal service', () => {
  it('installs a unit with absolute paths for this home, and removes it', async () => {
    const home = path.join(temporaryFolder(), 'a home of 100%')
    const systemd = fakeSystemd(0)
    const installed = await shoal(home, ['--json', 'service', 'install'], { env: systemd.env })
    expect(installed.status).toBe(0)
    const [file = ''] = systemd.units()
    const name = path.basename(file)
    expect(name).toMatch(/^shoal-[0-9a-f]{8}\.service$/)
    expect(linesOf(installed.stdout)).toEqual([{ v: 1, installed: true, file, unit: name, started: true }])
    const start = /^ExecStart="(\/[^"]+)" "(\/[^"]+\/bin\/shoal\.js)" "--home" "(.+)" "daemon"$/m.exec(
      fs.readFileSync(file, 'utf8')
    )
    expect(fs.statSync(start![1]!).mode & 0o111).not.toBe(0)
    expect(start![3]).toBe(home.replace('%', '%%'))
    const removed = await shoal(home, ['service', 'remove'], { env: systemd.env })
    expect([removed.status, systemd.units()]).toEqual([0, []])
    expect(systemd.called()).toEqual([
      ...['--user show-environment', '--user daemon-reload', `--user enable --now ${name}`],
      ...['--user show-environment', `--user disable --now ${name}`, '--user daemon-reload']
    ])
  })

  it('is called shoal.service for the usual home', async () => {
    const systemd = fakeSystemd(0)
    const data = temporaryFolder()
    const home = path.join(data, 'shoal')
    await shoal(home, ['service', 'install'], { env: { ...systemd.env, XDG_DATA_HOME: data } })
    expect(systemd.units().map(file => path.basename(file))).toEqual(['shoal.service'])
  })

  it('starts no second daemon beside one that runs', async () => {
    const { home } = await fakeDaemon({
      hello: async () => ({ id: 'x', name: 'cod', addresses: [], ready: true, overlay: 'y', version: '0', pid: 1 })
    })
    const systemd = fakeSystemd(0)
    const { stdout, stderr } = await shoal(home, ['--json', 'service', 'install'], { env: systemd.env })
    expect(linesOf(stdout)).toMatchObject([{ started: false }])
    expect(stderr).toContain('a daemon runs already')
    expect(systemd.called().at(-1)).not.toContain('--now')
  })

  it('without systemd does nothing, and says what it would do', async () => {
    const systemd = fakeSystemd(1)
    const home = temporaryFolder()
    const { status, stderr } = await shoal(home, ['service', 'install'], { env: systemd.env })
    expect(status).toBe(6)
    expect(stderr).toContain('ExecStart=')
    expect(stderr).toContain('systemctl --user enable --now shoal-')
    expect(systemd.units()).toEqual([])
  })

  it('leaves a unit alone that somebody else wrote', async () => {
    const systemd = fakeSystemd(0)
    const home = temporaryFolder()
    await shoal(home, ['service', 'install'], { env: systemd.env })
    const [file = ''] = systemd.units()
    fs.writeFileSync(file, '[Service]\n')
    expect((await shoal(home, ['service', 'install'], { env: systemd.env })).status).toBe(11)
    expect((await shoal(home, ['service', 'remove'], { env: systemd.env })).status).toBe(11)
    expect(fs.readFileSync(file, 'utf8')).toBe('[Service]\n')
  })

  it.each([
    [['service', 'remove'], 3],
    [['service', 'mend'], 64],
    [['service', 'install', '--system'], 64],
    [['service'], 64]
  ])('%j ends with %d', async (args, status) => {
    const systemd = fakeSystemd(0)
    const ended = await shoal(temporaryFolder(), args, { env: systemd.env })
    expect(ended.status).toBe(status)
    expect(systemd.called()).toEqual([])
  })

  it('prints a unit for the machine', async () => {
    const { status, stdout } = await shoal(temporaryFolder(), ['service', 'print', '--system'])
    expect(status).toBe(0)
    expect(stdout).toContain('"--home" "/var/lib/shoal" "daemon"')
    expect(stdout).toContain('WantedBy=multi-user.target')
  })
})
