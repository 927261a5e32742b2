/** `search` of the command line: what it asks, streams and prints, with answers that a test makes up. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { HitRow, SearchAnswer } from '../../../src/wire/control/methods.ts'
import { fakeDaemon, inTerminal, linesOf, shoal, start, type FakeCall } from './shoal.ts'

const [one, two] = ['ab'.repeat(32), 'cd'.repeat(32)]
const share: HitRow = { number: 1, id: one, name: 'photos', bytes: 5e9, holders: ['cod'], holderCount: 1, hops: 1 }
const file: HitRow = {
  ...{ number: 2, id: two, name: 'x', path: 'deep/beach.jpg', bytes: 1536, hops: 0, here: 'complete' },
  ...{ holders: ['n1', 'cod', 'eel', 'ray'], holderCount: 70 }
}
const ended: Omit<SearchAnswer, 'hits' | 'results'> = {
  ...{ event: 'done', ended: 'exhausted', answered: 2, others: 4, messages: 6, elapsedMs: 123 }
}
const answer = (...results: HitRow[]): SearchAnswer => ({ ...ended, hits: results.length, results })

/** Tells the results as it was asked to, and ends with them ranked. */
const telling = async (params: Record<string, unknown>, { emit }: FakeCall): Promise<object> => {
  if (params['tellMs'] !== undefined) {
    emit({ event: 'hit', ...share, holders: [], holderCount: 0 })
    emit({ event: 'hit', ...file })
    emit({ event: 'hit', ...share })
    await sleep(200)
  }
  return answer(file, share)
}

it('prints the ranked list into a pipe, with a number, size, hops and holders for each', async () => {
  const daemon = await fakeDaemon({ search: telling })
  const { status, stdout, stderr } = await shoal(daemon.home, ['search', 'holiday', 'beach'])
  expect(stdout).toBe(
    [
      '#      SIZE  HOPS  HOLDERS           HERE      NAME',
      '2  1.50 KiB     0  n1, cod, eel +67  complete  x/deep/beach.jpg',
      '1  4.66 GiB     1  cod                         photos',
      ''
    ].join('\n')
  )
  expect([status, stderr]).toEqual([0, '2 results from 2 nodes in 123 ms; fetch one: shoal get NUMBER\n'])
  expect(daemon.calls).toEqual([['search', { text: 'holiday beach' }]])
})

it('hands every option on, sizes in bytes and seconds as milliseconds', async () => {
  const daemon = await fakeDaemon({ search: telling })
  const options = '--limit 5 --timeout 1.5 --type .PDF --min-size 10K --max-size 1.5GiB --trace'.split(' ')
  await shoal(daemon.home, ['search', 'a', ...options])
  const sizes = { minBytes: 10_240, maxBytes: 1_610_612_736 }
  expect(daemon.calls[0]?.[1]).toEqual({ text: 'a', limit: 5, timeoutMs: 1_500, type: '.PDF', ...sizes, trace: true })
})

it('--json is an event a hit, again when it is known better, and a last line with the ranks', async () => {
  const daemon = await fakeDaemon({ search: telling })
  const { status, stdout, stderr } = await shoal(daemon.home, ['--json', 'search', 'a'])
  const lines = linesOf(stdout)
  expect(lines.map(({ event, number, hits }) => [event, number, hits])).toEqual([
    ['hit', 1, undefined],
    ['hit', 2, undefined],
    ['hit', 1, undefined],
    ['done', undefined, 2]
  ])
  expect(lines.slice(1)).toEqual([
    { v: 1, event: 'hit', ...file },
    { v: 1, event: 'hit', ...share },
    { v: 1, ...ended, hits: 2, ranked: [2, 1] }
  ])
  expect([status, stderr, daemon.calls[0]?.[1]]).toEqual([0, '', { text: 'a', tellMs: 0 }])
})

it('--json tells of results whose events were dropped', async () => {
  const { home } = await fakeDaemon({ search: async () => answer(file) })
  expect(linesOf((await shoal(home, ['--json', 'search', 'a'])).stdout)[0]).toEqual({ v: 1, event: 'hit', ...file })
})

it('-q prints IDs, the best first and each once', async () => {
  const { home } = await fakeDaemon({ search: async () => answer(file, { ...file, number: 3 }, share) })
  expect(await shoal(home, ['-q', 'search', 'a'])).toEqual({ status: 0, stdout: `${two}\n${one}\n`, stderr: '' })
})

it('redraws on a terminal as results come, and leaves the ranked list', async () => {
  const daemon = await fakeDaemon({ search: telling })
  const { screen } = await inTerminal(daemon.home, ['search', 'a'], '')
  expect(daemon.calls[0]?.[1]).toEqual({ text: 'a', tellMs: 100 })
  const [drawn, last] = screen.split('\u001b[3A\r\u001b[J')
  expect(drawn).toMatch(/^#.*NAME\r\n1 .*photos\r\n2 .*beach\.jpg\r\n$/)
  expect(last).toMatch(/^#.*\r\n2 .*beach\.jpg\r\n1 .*photos\r\n2 results from/)
})

it('without a result ends with 3, and says how many were asked', async () => {
  const { home } = await fakeDaemon({ search: async () => answer() })
  const text = await shoal(home, ['search', 'no', 'such'])
  expect([text.status, text.stdout]).toEqual([3, ''])
  expect(text.stderr).toMatch(
    /^shoal: nothing found for "no such": asked 4 other nodes in this overlay with 6 messages/
  )
  const json = await shoal(home, ['--json', 'search', 'no', 'such'])
  expect([json.status, linesOf(json.stdout)]).toMatchObject([3, [{ error: { code: 'not-found' } }]])
})

it('says when it ended too early to know all', async () => {
  const late = { ...answer(share), ended: 'timeout' as const }
  expect((await shoal((await fakeDaemon({ search: async () => late })).home, ['search', 'a'])).stderr).toContain(
    'not all nodes had answered: --timeout SECONDS\n'
  )
  const full = { ...answer(share), ended: 'limit' as const }
  expect((await shoal((await fakeDaemon({ search: async () => full })).home, ['search', 'a'])).stderr).toContain(
    'there may be more: --limit N\n'
  )
})

it('--trace shows the way of the results', async () => {
  const reached = [
    { id: 'p1', name: 'cod', hops: 1, results: [1], forwarded: 2, path: [] },
    { id: 'p2', name: 'eel', hops: 2, results: [], forwarded: 0, path: ['p1'] }
  ]
  const { home } = await fakeDaemon({ search: async () => ({ ...answer(share), reached }) })
  expect((await shoal(home, ['search', 'a', '--trace'])).stdout).toMatch(
    /photos\n\n6 messages sent, 2 other nodes reached in 123 ms\nthis node\n└─ cod {2}sent on 2 {2}result 1\n {3}└─ eel\n$/
  )
  const none = await fakeDaemon({ search: async () => ({ ...answer(), reached }) })
  const { status, stdout, stderr } = await shoal(none.home, ['search', 'a', '--trace'])
  expect([status, stdout.includes('└─ eel'), stderr.includes('asked 2 nodes')]).toEqual([3, true, true])
})

it('ends with 7 at Ctrl-C, and the daemon hears that nobody listens', async () => {
  const hungUp = Promise.withResolvers<boolean>()
  const daemon = await fakeDaemon({
    search: async (_, { emit, signal }) => {
      emit({ event: 'hit', ...share })
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
      hungUp.resolve(true)
      return answer()
    }
  })
  const running = start({ args: ['--home', daemon.home, '--json', 'search', 'a'] })
  await running.said('"number":1')
  running.child.kill('SIGINT')
  const { status, stdout } = await running.ended
  expect([status, linesOf(stdout).at(-1)]).toMatchObject([7, { error: { code: 'interrupted' } }])
  expect(await hungUp.promise).toBe(true)
})

it('shows names that command terminals, turn lines and fill screens harmlessly', async () => {
  const names = ['\u001b[2J\u009b31m', 'gpj.\u202eexe', '\u2028\n\r', '<img src=x onerror=alert(1)>', '\u{e0041}']
  const rows = names.map((name, at) => ({ ...share, number: at + 1, name, holders: [name], path: name }))
  rows.push({ ...share, number: 9, name: 'x'.repeat(65_536), holders: ['y'.repeat(65_536)], path: '長'.repeat(4_096) })
  const { home } = await fakeDaemon({
    search: async (params, { emit }) => {
      if (params['tellMs'] !== undefined) for (const row of rows) emit({ event: 'hit', ...row })
      return answer(...rows)
    }
  })
  const [text, json] = await Promise.all([shoal(home, ['search', 'a']), shoal(home, ['--json', 'search', 'a'])])
  // eslint-disable-next-line no-control-regex -- that is what must not be there
  const commanding = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/u
  for (const { stdout, status } of [text, json]) expect([status, commanding.test(stdout)]).toEqual([0, false])
  expect(text.stdout.split('\n')).toHaveLength(rows.length + 2)
  expect(Math.max(...text.stdout.split('\n').map(line => line.length))).toBeLessThan(300)
  expect(linesOf(json.stdout).map(({ name }) => name)).toEqual([...rows.map(({ name }) => name), undefined])
  const { screen } = await inTerminal(home, ['search', 'a'], '')
  expect(commanding.test(screen.replaceAll('\r', '').replaceAll('\u001b[', ''))).toBe(false)
})

it.each([
  [['--limit', '0'], 'It must be a whole number'],
  [['--limit', 'x'], 'It must be a whole number'],
  [['--timeout', '-1'], 'It must be a number'],
  [['--min-size', '10X'], 'It must be a size'],
  [['--max-size', ''], 'It must be a size']
])('refuses %j', async (options, why) => {
  const { home } = await fakeDaemon({})
  const { status, stderr } = await shoal(home, ['search', 'a', ...options])
  expect([status, stderr.includes(why)]).toEqual([64, true])
})

it('share refuses to list and unlist at once, and says of a share that it is unlisted', async () => {
  const skipped = {
    ...{ symlinks: 0, specials: 0, names: 0, paths: 0, unreadable: 0, failing: 0, changed: 0, vanished: 0 },
    examples: []
  }
  const row = {
    id: one,
    name: 'a',
    bytes: 1,
    files: 1,
    pieceLengthBytes: 16_384,
    filesHashed: 1,
    filesReused: 0,
    skipped
  }
  const daemon = await fakeDaemon({ share: async () => ({ shares: [{ ...row, unlisted: true }] }) })
  expect((await shoal(daemon.home, ['share', '/a', '--listed', '--unlisted'])).status).toBe(64)
  const { stdout } = await shoal(daemon.home, ['share', '/a', '--unlisted'])
  expect(stdout).toBe(`${one}  a  (1 B, 1 file)  unlisted\n`)
  await shoal(daemon.home, ['share', '/a', '--listed'])
  await shoal(daemon.home, ['share', '/a'])
  expect(daemon.calls.map(([, params]) => params['unlisted'])).toEqual([true, false, undefined])
})
