/** Commands reach the daemon of their own home: not that of a home that this one was copied from, and also without the socket's file. */
import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { running } from './bad-input/daemons.ts'
import { linesOf, shoal, temporaryFolder } from './cli/shoal.ts'

it('commands on a copied home leave the daemon of the original alone', async () => {
  const folder = temporaryFolder()
  const [home, copy] = [path.join(folder, 'home'), path.join(folder, 'copy')]
  await running(home)
  fs.cpSync(home, copy, { recursive: true, filter: file => !file.endsWith('.sock') })
  for (const command of ['status', 'stop', 'members']) {
    const { status, stderr } = await shoal(copy, [command])
    expect([command, status, stderr]).toEqual([command, 6, expect.stringContaining(`no daemon runs on ${copy}`)])
  }
  const { status, stdout } = await shoal(home, ['--json', 'status'])
  expect([status, linesOf(stdout)]).toEqual([0, [expect.objectContaining({ ready: true })]])
})

it('a daemon whose socket was removed is named, and can be reached again', async () => {
  const home = path.join(temporaryFolder(), 'home')
  const { child } = await running(home)
  fs.rmSync(path.join(home, 'control.sock'))
  const second = await shoal(home, ['daemon', '--detach'])
  expect([second.status, second.stderr]).toEqual([11, expect.stringContaining(`(process ${child.pid})`)])
  expect(second.stderr).toContain(`\`kill ${child.pid}\``)
  await expect.poll(() => fs.existsSync(path.join(home, 'control.sock')), { timeout: 15_000 }).toBe(true)
  expect((await shoal(home, ['stop'])).status).toBe(0)
})
