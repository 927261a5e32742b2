/** `shoal help`: topics of the reference as text, JSON and ids; the help of commands. */
import os from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { ERROR_CODES, EXIT_STATUSES } from '../../../src/wire/control/exit.ts'
import { SETTING_KEYS } from '../../../src/wire/control/settings.ts'
import { linesOf, shoal } from './shoal.ts'

/** No command of this file reads it. */
const home = path.join(os.tmpdir(), 'shoal-without-home')

it.each([
  ['exit-codes', '  11  conflict: a name, port or path is already in use'],
  ['errors', '  not-found     there is no such content'],
  ['settings', '  listen              address to listen on'],
  ['api', '  ring.lookup  Finds the owner of a key.']
])('help %s prints the topic, and needs no home', async (topic, line) => {
  const { status, stdout, stderr } = await shoal(home, ['help', topic])
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toContain(line)
})

it('--json is one line with all rows', async () => {
  const jsonOf = async (topic: string): Promise<Record<string, unknown>> =>
    linesOf((await shoal(home, ['--json', 'help', topic])).stdout)[0] ?? {}
  expect(await jsonOf('errors')).toEqual({
    ...{ v: 1, topic: 'errors' },
    errors: Object.entries(ERROR_CODES).map(([code, row]) => ({ code, ...row }))
  })
  expect((await jsonOf('exit-codes'))['statuses']).toHaveLength(Object.keys(EXIT_STATUSES).length)
  expect((await jsonOf('settings'))['settings']).toHaveLength(SETTING_KEYS.length)
  expect((await jsonOf('api'))['methods']).toContainEqual({
    ...{ name: 'pause', about: 'Pauses a download; get goes on with it.', events: [] },
    params: [
      {
        ...{ name: 'id', optional: false, type: 'text, at most 16384 characters' },
        about: 'content ID, a unique prefix of one, or a name'
      }
    ],
    result: [
      { name: 'id', optional: false, type: 'text', about: 'content ID, 64 hexadecimal digits' },
      { name: 'paused', optional: false, type: 'true', about: 'always' }
    ]
  })
})

it('-q prints the names of the rows', async () => {
  const { stdout } = await shoal(home, ['-q', 'help', 'settings'])
  expect(stdout.trimEnd().split('\n')).toEqual(SETTING_KEYS)
})

it.each(['', 'get', 'config set'])('help %s is that of shoal %s --help', async command => {
  const words = command.split(' ').filter(word => word !== '')
  const asked = await shoal(home, ['help', ...words])
  expect(asked).toEqual(await shoal(home, [...words, '--help']))
  expect(asked.status).toBe(0)
})

it.each(['sing', 'exit-codes errors', 'get sing'])('help %s is wrong usage', async command => {
  const { status, stderr } = await shoal(home, ['help', ...command.split(' ')])
  expect([status, stderr]).toEqual([64, expect.stringContaining('there is no command or topic')])
})
