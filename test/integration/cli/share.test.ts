/** What `share` asks of the daemon, and prints of its answers. */
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { fakeDaemon, linesOf, shoal, start, temporaryFolder } from './shoal.ts'

const id = 'ab'.repeat(32)
const none = {
  ...{ symlinks: 0, specials: 0, names: 0, paths: 0, unreadable: 0, failing: 0, changed: 0, vanished: 0, examples: [] }
}
const one = {
  ...{ id, name: 'photos', bytes: 1536, files: 2, pieceLengthBytes: 16384, filesHashed: 2, filesReused: 0 },
  skipped: none
}
const missing = (path: string): object => ({
  path,
  code: 'not-found',
  message: `there is no "${path}"`,
  hint: 'Check the path.'
})
const pathsIn = (params: Record<string, unknown> | undefined): string[] => (params?.['paths'] ?? []) as string[]

describe('share', () => {
  it('makes paths absolute, prints ids, and names what was skipped on stderr', async () => {
    const examples = [
      { path: 'a\nb', reason: 'symlink' },
      { path: '"/x/b"', reason: 'unreadable' },
      { path: '"/x/c"', reason: 'changed' },
      { path: '"/x/d"', reason: 'of a newer daemon' }
    ]
    const daemon = await fakeDaemon({
      share: async (_, { emit }) => {
        emit({ event: 'hashing', path: '/x/a', files: 1, bytes: 512, totalBytes: 1536 })
        return { shares: [{ ...one, skipped: { ...none, symlinks: 3, unreadable: 1, changed: 2, examples } }] }
      }
    })
    const cwd = temporaryFolder()
    const ended = await shoal(daemon.home, ['share', 'photos', '../x', '/y'], { cwd })
    expect(ended).toEqual({
      status: 0,
      stdout: `${id}  photos  (1.50 KiB, 2 files)\n`,
      stderr: [
        'hashing 512 B of 1.50 KiB, 1 file: /x/a',
        'skipped a\\nb: a symlink',
        'skipped "/x/b": permission denied',
        'skipped "/x/c": it changed while it was read',
        'skipped "/x/d": of a newer daemon',
        'skipped 2 more in photos',
        ''
      ].join('\n')
    })
    expect(daemon.calls).toEqual([['share', { paths: [path.join(cwd, 'photos'), path.resolve(cwd, '../x'), '/y'] }]])
    await shoal(daemon.home, ['share', '/y', '--strict'])
    expect(daemon.calls[1]).toEqual(['share', { paths: ['/y'], strict: true }])
  })

  it('--invite ends with the ticket: on a line of its own, in the last object, after the ids', async () => {
    const daemon = await fakeDaemon({
      share: async () => ({ shares: [one, { ...one, name: 'b' }] }),
      invite: async () => ({ ticket: 'shoal1abc', warning: 'its only address is private' })
    })
    const [text, json, ids] = await Promise.all(
      [[], ['--json'], ['-q']].map(mode => shoal(daemon.home, [...mode, 'share', 'a', 'b', '--invite']))
    )
    expect(text?.stdout.split('\n').slice(-2)).toEqual(['shoal1abc', ''])
    expect(text?.stderr).toContain('note: its only address is private\n')
    const lines = linesOf(json?.stdout ?? '')
    expect(lines.map(({ name, ticket }) => [name, ticket])).toEqual([
      ['photos', undefined],
      ['b', 'shoal1abc']
    ])
    expect(lines[1]).toMatchObject({ v: 1, id, bytes: 1536, files: 2, pieceLengthBytes: 16384 })
    expect(ids?.stdout).toBe(`${id}\n${id}\nshoal1abc\n`)
  })

  it('prints what was shared and what failed, and ends with the status of the first failure', async () => {
    const failed = [missing('/b'), { path: '/c', code: 'permission', message: 'cannot read "/c"' }]
    const daemon = await fakeDaemon({ share: async () => ({ shares: [one], failed }) })
    const [text, json, ids] = await Promise.all(
      [[], ['--json'], ['-q']].map(mode => shoal(daemon.home, [...mode, 'share', '/a', '/b', '/c']))
    )
    const stderr = 'shoal: there is no "/b"\n  Check the path.\nshoal: cannot read "/c"\n'
    expect(text).toEqual({ status: 3, stdout: `${id}  photos  (1.50 KiB, 2 files)\n`, stderr })
    expect(ids).toEqual({ status: 3, stdout: `${id}\n`, stderr })
    expect(json?.status).toBe(3)
    expect(linesOf(json?.stdout ?? '')).toEqual([
      { v: 1, error: { code: 'not-found', message: 'there is no "/b"', hint: 'Check the path.' }, path: '/b' },
      { v: 1, error: { code: 'permission', message: 'cannot read "/c"' }, path: '/c' },
      { v: 1, ...one }
    ])
  })

  it('sends more paths than one call takes in several, also when the last fails', async () => {
    const daemon = await fakeDaemon({
      share: async params => {
        const paths = pathsIn(params)
        if (paths.length === 1) throw new ShoalError('not-found', 'there is no "/p2000"')
        return { shares: paths.map(name => ({ ...one, name })) }
      }
    })
    const paths = Array.from({ length: 2_001 }, (_, at) => `/p${at}`)
    const { status, stdout, stderr } = await shoal(daemon.home, ['-q', 'share', ...paths])
    expect([status, stdout.split('\n').length - 1, stderr]).toEqual([3, 2_000, 'shoal: there is no "/p2000"\n'])
    expect(daemon.calls.map(([, params]) => pathsIn(params).length)).toEqual([1_000, 1_000, 1])
    expect(daemon.calls.flatMap(([, params]) => pathsIn(params))).toEqual(paths)
  })

  it('does not send a path that the daemon would refuse, and shares the others', async () => {
    const daemon = await fakeDaemon({ share: async () => ({ shares: [one] }) })
    const { status, stdout, stderr } = await shoal(daemon.home, ['-q', 'share', '/a', `/${'x'.repeat(9_000)}`])
    expect([status, stdout, stderr]).toEqual([1, `${id}\n`, 'shoal: a path has 9001 letters, the limit is 8192\n'])
    expect(daemon.calls).toEqual([['share', { paths: ['/a'] }]])
  })

  it('prints what was shared also when a later call fails, or the ticket', async () => {
    const calls = { number: 0 }
    const daemon = await fakeDaemon({
      share: async params => {
        if (++calls.number === 2) throw new ShoalError('busy', 'too many calls')
        return { shares: pathsIn(params).map(() => one) }
      },
      invite: async () => {
        throw new ShoalError('busy', 'too many calls')
      }
    })
    const paths = Array.from({ length: 1_002 }, (_, at) => `/p${at}`)
    const later = await shoal(daemon.home, ['-q', 'share', ...paths])
    expect([later.status, later.stdout, later.stderr]).toEqual([1, `${id}\n`.repeat(1_000), 'shoal: too many calls\n'])
    const ticket = await shoal(daemon.home, ['-q', 'share', '/a', '--invite'])
    expect([ticket.status, ticket.stdout, ticket.stderr]).toEqual([1, `${id}\n`, 'shoal: too many calls\n'])
  })

  it('sends long paths in calls that the daemon takes', async () => {
    const daemon = await fakeDaemon({ share: async params => ({ shares: pathsIn(params).map(() => one) }) })
    const paths = Array.from({ length: 300 }, (_, at) => `/${at}/${'長'.repeat(1_300)}`)
    const { status, stdout } = await shoal(daemon.home, ['-q', 'share', ...paths])
    expect([status, stdout.split('\n').length - 1]).toEqual([0, 300])
    expect(daemon.calls.length).toBeGreaterThan(1)
  })
})

describe('a share that is interrupted', () => {
  const stuck = (cancelled: number) =>
    fakeDaemon({
      share: async ({ cancel }, { emit, signal }) => {
        if (cancel === true) return { shares: [], cancelled }
        emit({ event: 'hashing', path: '/x/a', files: 1, bytes: 512, totalBytes: 1536 })
        await new Promise(resolve => {
          signal.addEventListener('abort', resolve)
        })
        return { shares: [] }
      }
    })

  it.each(['SIGINT', 'SIGTERM'] as const)('by %s is cancelled, and the status is 7', async signal => {
    const daemon = await stuck(1)
    const { child, ended, said } = start({ args: ['--home', daemon.home, 'share', '/a', '/b'] })
    await said('hashing')
    child.kill(signal)
    const { status, stderr } = await ended
    expect([status, stderr]).toEqual([
      7,
      expect.stringContaining('\ncancelling\nshoal: cancelled; 1 of 2 paths not shared\n')
    ])
    expect(daemon.calls.at(-1)).toEqual(['share', { paths: ['/a', '/b'], cancel: true }])
  })

  it('when everything was shared in the meantime says so', async () => {
    const daemon = await stuck(0)
    const { child, ended, said } = start({ args: ['--home', daemon.home, 'share', '/a'] })
    await said('hashing')
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ status: 7, stderr: expect.stringContaining('everything was shared') as string })
  })

  it('because its terminal is lost goes on in the daemon', async () => {
    const daemon = await stuck(1)
    const { child, ended, said } = start({ args: ['--home', daemon.home, 'share', '/a'] })
    await said('hashing')
    child.kill('SIGHUP')
    const { status, stderr } = await ended
    expect([status, stderr]).toEqual([7, expect.stringContaining('the daemon continues to share\n')])
    expect(daemon.calls).toHaveLength(1)
  })
})
