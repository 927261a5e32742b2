/** Exit statuses: what is documented happens, and what happens is documented. */
import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { ShoalError, type ErrorCode } from '../../../src/base/errors.ts'
import { EXIT_STATUSES } from '../../../src/wire/control/exit.ts'
import { fakeDaemon, linesOf, shoal, temporaryFolder } from './shoal.ts'

/** Written by hand from the contract of the command line, not taken from the code. */
const contract: Record<ErrorCode, number> = {
  internal: 1,
  'bad-input': 1,
  permission: 1,
  busy: 1,
  limit: 1,
  timeout: 2,
  'not-found': 3,
  unreachable: 6,
  interrupted: 7,
  'disk-full': 9,
  'not-admitted': 10,
  conflict: 11,
  integrity: 12,
  usage: 64
}

it.each(Object.entries(contract))(
  '%s ends with status %i, in one line and a hint, or as JSON',
  async (code, status) => {
    const { home } = await fakeDaemon({
      ls: async () => {
        throw new ShoalError(code as ErrorCode, 'the boat has a leak', { hint: 'bail it out' })
      }
    })
    const [text, json] = await Promise.all([shoal(home, ['ls']), shoal(home, ['ls', '--json'])])
    expect(text).toEqual({ status, stdout: '', stderr: 'shoal: the boat has a leak\n  bail it out\n' })
    expect([json.status, json.stderr]).toEqual([status, ''])
    expect(linesOf(json.stdout)).toEqual([
      { v: 1, error: { code, message: 'the boat has a leak', hint: 'bail it out' } }
    ])
  }
)

it('documents these statuses and no others, in --help', async () => {
  const { stdout, status } = await shoal(temporaryFolder(), ['--help'])
  const table = stdout.slice(stdout.indexOf('Exit status:'))
  const documented = [...table.matchAll(/^ +(\d+) {2}(.+)$/gm)].map(([, number, meaning]) => [Number(number), meaning])
  expect(status).toBe(0)
  expect(Object.fromEntries(documented)).toEqual(EXIT_STATUSES)
  expect(new Set(documented.map(([number]) => number))).toEqual(new Set([0, ...Object.values(contract)]))
})

const commands = [
  ...[
    'init',
    'daemon',
    'stop',
    'invite',
    'join',
    'leave',
    'members',
    'share',
    'ls',
    'get',
    'cat',
    'rm',
    'search',
    'status',
    'ring',
    'help'
  ],
  ...['ring lookup', 'config show', 'config get', 'config set']
]

it.each(commands)('%s --help has examples and the statuses that it may end with', async command => {
  const { stdout, status } = await shoal(temporaryFolder(), [...command.split(' '), '--help'])
  expect(status).toBe(0)
  expect(stdout).toContain(`\nExamples:\n  shoal `)
  const listed = [...stdout.slice(stdout.indexOf('Exit status:')).matchAll(/^ +(\d+) {2}/gm)].map(match =>
    Number(match[1])
  )
  expect(listed).toEqual(expect.arrayContaining([0, 1, 64]))
  for (const one of listed) expect(Object.keys(EXIT_STATUSES)).toContain(String(one))
})

it.each([
  [''],
  ['sing'],
  ['get'],
  ['get a b'],
  ['ls --al'],
  ['ls x --all'],
  ['members --wait none'],
  ['members --wait 0'],
  ['members --timeout 3'],
  ['members --wait 2 --timeout 2147484'],
  ['members --wait 1000001'],
  ['search a --limit 1001'],
  ['search a --timeout 61'],
  ['join'],
  ['join x --file y'],
  ['config'],
  ['config set listen'],
  ['config set listen nowhere'],
  ['daemon --listen nowhere'],
  ['daemon --upload-slots 1000'],
  ['init --preset moon'],
  ['--json -q ls']
])('%j is wrong usage: 64, and nothing on stdout', async words => {
  const { status, stdout, stderr } = await shoal(temporaryFolder(), words.split(' ').filter(Boolean))
  expect([status, stdout]).toEqual([64, words.includes('--json') ? expect.any(String) : ''])
  expect(words.includes('--json') ? '' : stderr).not.toMatch(/^ +at /m)
})

it.each(['ls', 'invite', 'members', 'status', 'ring', 'stop', 'share .', 'get x', 'rm x', 'ring lookup x'])(
  '%s without a daemon ends with 6 and the line that starts one',
  async words => {
    const home = temporaryFolder()
    const { status, stdout, stderr } = await shoal(home, words.split(' '))
    expect({ status, stdout, stderr }).toEqual({
      status: 6,
      stdout: '',
      stderr: `shoal: no daemon runs on ${home}\n  start one: shoal --home ${home} daemon --detach\n`
    })
  }
)

it('prints that line as a shell wants it', async () => {
  const home = path.join(temporaryFolder(), "a b'c")
  const { stderr } = await shoal(home, ['ls'])
  expect(stderr).toContain(`start one: shoal --home '${home.replace("'", "'\\''")}' daemon --detach\n`)
})

it('says the same of a daemon that was killed and left its socket', async () => {
  const home = temporaryFolder()
  fs.writeFileSync(`${home}/socket`, `${home}/gone.sock\n`)
  expect((await shoal(home, ['ls'])).status).toBe(6)
})

it('shows the stack of an error only with SHOAL_DEBUG=1', async () => {
  const misfit = async (): Promise<object> => ({ shares: 7 })
  const { home } = await fakeDaemon({ ls: misfit })
  const [quiet, asked] = await Promise.all([shoal(home, ['ls']), shoal(home, ['ls'], { env: { SHOAL_DEBUG: '1' } })])
  expect(quiet.status).toBe(1)
  expect(quiet.stderr).toMatch(
    /^shoal: this version of shoal cannot read the daemon's answer\n {2}client and daemon .*\n$/
  )
  expect(asked.stderr).toMatch(/^ +at /m)
})
