/** What each command asks of the daemon, and prints of its answer: for people, for scripts, and ids only. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { fakeDaemon, inTerminal, linesOf, shoal, start, temporaryFolder, type FakeDaemon } from './shoal.ts'

const id = 'ab'.repeat(32)
const peer = '12D3KooWBCzhTompnKtSa2hz3XUHy33TYSNB2dYziPbbH5wZsw7m'

/** The three ways of one command. */
async function threeWays({ home }: FakeDaemon, args: readonly string[]) {
  const [text, json, quiet] = await Promise.all([
    shoal(home, args),
    shoal(home, ['--json', ...args]),
    shoal(home, ['-q', ...args])
  ])
  expect([text.status, json.status, quiet.status]).toEqual([0, 0, 0])
  expect(quiet.stderr).toBe('')
  return { text: text.stdout, notes: text.stderr, json: linesOf(json.stdout), ids: quiet.stdout }
}

describe('members', () => {
  const members = [
    { id: peer, name: 'cod', address: '10.0.0.1:7462', state: 'alive', incarnation: 3, self: true },
    { id: `${peer}x`, name: '鱼\u001b[31m', address: '10.0.0.22:7462', state: 'dead', incarnation: 12, self: false }
  ]

  it('is a table in which names cannot command the terminal', async () => {
    const daemon = await fakeDaemon({ members: async () => ({ members }) })
    const { text, json, ids } = await threeWays(daemon, ['members'])
    expect(text).toBe(
      [
        'NAME             STATE  ADDRESS         INC  ID',
        `cod (this node)  alive  10.0.0.1:7462     3  ${peer}`,
        `鱼\\u{1b}[31m     dead   10.0.0.22:7462   12  ${peer}x`,
        ''
      ].join('\n')
    )
    expect(json).toEqual([{ v: 1, members }])
    expect(ids).toBe(`${peer}\n${peer}x\n`)
  })

  it('--wait says on stderr what it waits for, and hands its timeout on in milliseconds', async () => {
    const daemon = await fakeDaemon({
      members: async (_, { emit }) => {
        emit({ event: 'waiting', alive: 1, for: '3 alive members' })
        throw new ShoalError('timeout', '1 of 3 members are alive after 2 s')
      }
    })
    const ended = await shoal(daemon.home, ['members', '--wait', '3', '--timeout', '1.001'])
    expect(ended).toEqual({
      status: 2,
      stdout: '',
      stderr: 'waiting for 3 live members, 1 so far\nshoal: 1 of 3 members are alive after 2 s\n'
    })
    expect(daemon.calls).toEqual([['members', { wait: 3, timeoutMs: 1001 }]])
  })

  it('is coloured on a terminal, and not with NO_COLOR', async () => {
    const daemon = await fakeDaemon({ members: async () => ({ members }) })
    expect((await inTerminal(daemon.home, ['members'], '')).screen).toContain('\u001b[31mdead\u001b[0m')
    expect((await inTerminal(daemon.home, ['members'], '', { NO_COLOR: '1' })).screen).not.toContain('\u001b[31m')
  })
})

describe('ls', () => {
  it('lists shares with short ids', async () => {
    const shares = [
      { id, name: 'a', bytes: 0, files: 1, pieceLengthBytes: 16384, state: 'complete', path: '/srv/a' },
      { id, name: 'b', bytes: 5e9, files: 20, pieceLengthBytes: 16384, state: 'partial', path: '/srv/b' }
    ]
    const { text, json, ids } = await threeWays(await fakeDaemon({ ls: async () => ({ shares }) }), ['ls'])
    expect(text).toBe(
      [
        'ID                    SIZE  FILES  STATE     NAME  WHERE',
        'abababababababab       0 B      1  complete  a     /srv/a',
        'abababababababab  4.66 GiB     20  partial   b     /srv/b',
        ''
      ].join('\n')
    )
    expect(json).toEqual([{ v: 1, shares }])
    expect(ids).toBe(`${id}\n${id}\n`)
  })

  it('--all has holders', async () => {
    const shares = [
      { id, name: 'a', bytes: 1, files: 1, pieceLengthBytes: 1, state: 'complete', holders: ['cod', 'eel'] }
    ]
    const daemon = await fakeDaemon({ ls: async () => ({ shares }) })
    expect((await shoal(daemon.home, ['ls', '--all'])).stdout).toMatch(/HOLDERS\n.* cod, eel\n$/)
    expect(daemon.calls).toEqual([['ls', { all: true }]])
  })

  it('ID lists its files, empty folders and executables', async () => {
    const entries = [
      { path: 'bin/run', bytes: 10, executable: true },
      { path: 'empty/', bytes: 0, executable: false }
    ]
    const content = { id, name: 'x', bytes: 10, files: 1, pieceLengthBytes: 16384, entries }
    const daemon = await fakeDaemon({ ls: async () => content })
    const { text, json, ids } = await threeWays(daemon, ['ls', 'abababab'])
    expect(text).toBe(`${id}  x  (10 B, 1 file)\nSIZE  MODE  PATH\n10 B  x     bin/run\n   -        empty/\n`)
    expect([json, ids]).toEqual([[{ v: 1, ...content }], `${id}\n`])
    expect(daemon.calls[0]).toEqual(['ls', { id: 'abababab' }])
  })

  it('of nothing says how to share', async () => {
    const { home } = await fakeDaemon({ ls: async () => ({ shares: [] }) })
    expect(await shoal(home, ['ls'])).toEqual({
      status: 0,
      stdout: '',
      stderr: 'nothing is shared: shoal share PATH\n'
    })
  })
})

describe('get', () => {
  const sources = [{ id: peer, name: 'eel', bytes: 100 }]
  const row = { id, name: 'photos', state: 'fetching', bytes: 200, haveBytes: 50, fetchedBytes: 50, reusedBytes: 0 }
  const progress = { event: 'progress', ...row, bytesPerSecond: 10, sources }
  const done = {
    event: 'done',
    id,
    path: '/x/photos',
    bytes: 200,
    fetchedBytes: 100,
    reusedBytes: 100,
    seconds: 2,
    sources
  }

  it('follows the download; JSON has its events, people see a line of progress', async () => {
    const daemon = await fakeDaemon({
      get: async (_, { emit }) => {
        emit({ event: 'waiting', for: 'a holder of photos' })
        emit(progress)
        return done
      }
    })
    const { text, notes, json, ids } = await threeWays(daemon, ['get', 'photos'])
    expect(text).toBe('/x/photos: 200 B, 100 B was there, in 2.0 s (50 B/s) from 1 source\n')
    expect(notes).toBe('waiting for a holder of photos\nphotos  25.0 %  50 B of 200 B  10 B/s  15 s left  1 source\n')
    expect(json).toEqual([
      { v: 1, event: 'waiting', for: 'a holder of photos' },
      { v: 1, ...progress },
      { v: 1, ...done }
    ])
    expect(ids).toBe(`${id}\n`)
  })

  it('hands on where to, what of it and how', async () => {
    const daemon = await fakeDaemon({ get: async () => done })
    const cwd = temporaryFolder()
    const flags = ['-o', 'in', '--include', '*.jpg', '--include', 'a/**', '--overwrite', '--no-share', '--rename']
    await shoal(daemon.home, ['get', ...flags, 'photos'], { cwd })
    await shoal(daemon.home, ['get', 'x'], { cwd })
    const include = ['*.jpg', 'a/**']
    expect(daemon.calls).toEqual([
      ['get', { what: 'photos', dir: `${cwd}/in`, include, overwrite: true, share: false, rename: true }],
      ['get', { what: 'x', dir: cwd }]
    ])
  })

  it('of a .torrent file sends its bytes; a name that ends so is a name', async () => {
    const daemon = await fakeDaemon({ get: async () => done })
    const cwd = temporaryFolder()
    fs.writeFileSync(path.join(cwd, 'a.torrent'), Buffer.from([0, 255, 1]))
    await shoal(daemon.home, ['get', 'a.torrent'], { cwd })
    await shoal(daemon.home, ['get', 'b.torrent'], { cwd })
    expect(daemon.calls).toEqual([
      ['get', { torrent: 'AP8B', dir: cwd }],
      ['get', { what: 'b.torrent', dir: cwd }]
    ])
    expect(await shoal(daemon.home, ['get', './b.torrent'], { cwd })).toMatchObject({ status: 3 })
    fs.writeFileSync(path.join(cwd, 'c.torrent'), Buffer.alloc(1 << 20))
    expect(await shoal(daemon.home, ['get', 'c.torrent'], { cwd })).toMatchObject({ status: 1, stdout: '' })
    expect(daemon.calls).toHaveLength(2)
  })

  const stuck = () =>
    fakeDaemon({
      get: async (_, { emit, signal }) => {
        emit(progress)
        await new Promise(resolve => {
          signal.addEventListener('abort', resolve)
        })
        return done
      },
      pause: async () => ({ id, paused: true })
    })

  it.each(['SIGINT', 'SIGTERM'] as const)('pauses on %s, and ends with 7', async signal => {
    const daemon = await stuck()
    const { child, ended, said } = start({ args: ['--home', daemon.home, 'get', 'photos'] })
    await said('25.0 %')
    child.kill(signal)
    const { status, stderr } = await ended
    expect(status).toBe(7)
    expect(stderr).toContain(`shoal: paused ${id}\n  the same command goes on where it was\n`)
    expect(daemon.calls.at(-1)).toEqual(['pause', { id }])
  })

  it('leaves the download going when its terminal is lost', async () => {
    const daemon = await stuck()
    const { child, ended, said } = start({ args: ['--home', daemon.home, 'get', 'photos'] })
    await said('25.0 %')
    child.kill('SIGHUP')
    expect((await ended).status).toBe(7)
    expect(daemon.calls.map(([method]) => method)).toEqual(['get'])
  })

  it('redraws one line on a terminal, cut to its width', async () => {
    const long = { ...progress, name: '長'.repeat(60) }
    const { home } = await fakeDaemon({
      get: async (_, { emit }) => {
        emit(long)
        return done
      }
    })
    const { screen, status } = await inTerminal(home, ['get', 'photos'], '')
    expect(status).toBe(0)
    expect(screen).toBe(
      `\r\u001b[K${'長'.repeat(39)}…\r\u001b[K/x/photos: 200 B, 100 B was there, in 2.0 s (50 B/s) from 1 source\r\n`
    )
  })

  it('says so when the daemon goes away in the middle', async () => {
    const home = temporaryFolder()
    const net = await import('node:net')
    const server = net.createServer(socket =>
      socket.end('HTTP/1.1 200 OK\r\n\r\n{"v":1,"event":"waiting","for":"x"}\n')
    )
    await new Promise<void>(resolve => server.listen(`${home}/s`, resolve))
    fs.writeFileSync(`${home}/socket`, `${home}/s\n`)
    const { status, stderr } = await shoal(home, ['get', 'x'])
    server.close()
    expect(status).toBe(6)
    expect(stderr).toContain('shoal: the daemon closed the connection before it answered\n')
  })
})

describe('rm', () => {
  const rm = async ({ yes }: Record<string, unknown>): Promise<object> =>
    yes === true ? { id, removed: true, deletedFiles: 3 } : { id, removed: false, lastHolder: true }

  it('of the last copy is refused where nobody can be asked', async () => {
    const daemon = await fakeDaemon({ rm })
    const { status, stderr } = await shoal(daemon.home, ['rm', 'abababab'])
    expect([status, stderr]).toEqual([
      11,
      'shoal: nobody else is known to hold abababab: it would be gone from the shoal\n  if that is meant: shoal rm --yes abababab\n'
    ])
    expect(daemon.calls).toEqual([['rm', { id: 'abababab' }]])
  })

  it('asks on a terminal, and takes only yes for yes', async () => {
    const daemon = await fakeDaemon({ rm })
    const no = await inTerminal(daemon.home, ['rm', 'abababab'], '\n')
    expect([no.status, daemon.calls.length]).toEqual([7, 1])
    expect(no.screen).toContain('Forget it? [y/N]')
    const yes = await inTerminal(daemon.home, ['rm', 'abababab', '--delete-files'], 'y\n')
    expect(yes.status).toBe(0)
    expect(daemon.calls.at(-1)).toEqual(['rm', { id: 'abababab', deleteFiles: true, yes: true }])
  })

  it('of an unfinished download says what stays on the disk, and how to delete it', async () => {
    const unfinished = { path: '/downloads/x\u001b[31m', bytes: 3 * 2 ** 30 }
    const daemon = await fakeDaemon({ rm: async () => ({ id, removed: true, unfinished }) })
    const { text, notes, json } = await threeWays(daemon, ['rm', 'abababab'])
    expect(text).toBe(`forgot ${id}\n`)
    expect(notes).toContain(
      '3.00 GiB of an unfinished download stay at /downloads/x\\u{1b}[31m, in files that end in .part'
    )
    expect(notes).toContain('shoal rm --delete-files')
    expect(json).toEqual([{ v: 1, id, removed: true, unfinished }])
  })

  it('--yes asks nobody', async () => {
    const daemon = await fakeDaemon({ rm })
    const { text, json, ids } = await threeWays(daemon, ['rm', 'abababab', '--yes'])
    expect([text, ids]).toEqual([`forgot ${id}, 3 files deleted\n`, `${id}\n`])
    expect(json).toEqual([{ v: 1, id, removed: true, deletedFiles: 3 }])
  })
})

describe('status', () => {
  const node = { ready: true, id: peer, name: 'cod', overlay: 'ef'.repeat(32), addresses: ['10.0.0.1:7462'] }
  const result = {
    ...node,
    members: { alive: 2, suspect: 0, dead: 1, left: 0 },
    transfers: [
      {
        ...{ id, name: 'photos', state: 'paused', reason: 'the disk is full', bytes: 2048, haveBytes: 1024 },
        ...{ fetchedBytes: 1024, reusedBytes: 0, bytesPerSecond: 0, sources: [{ id: peer, name: 'eel', bytes: 1 }] }
      }
    ],
    damaged: [],
    banned: [{ id: peer, name: 'pike', content: id, reason: 'a bad leaf' }],
    refused: { 'wrong overlay': 4 },
    uptimeSeconds: 3_725,
    rssBytes: 100 << 20
  }

  it('says how the node does, what moves, and who is banned', async () => {
    const { text, json, ids } = await threeWays(await fakeDaemon({ status: async () => result }), ['status'])
    expect(text).toContain(
      'members  2 alive, 1 dead\nprocess  up 1 h 2 min, 100 MiB resident\nrefused  wrong overlay: 4 times\n'
    )
    expect(text).toMatch(
      /abababababababab {2}paused: the disk is full {2}1\.00 KiB {2}2\.00 KiB +0 B\/s {2}eel +photos\n/
    )
    expect(text).toMatch(/banned\nNAME {2}CONTENT +WHY +ID\npike {2}abababababababab {2}a bad leaf {2}12D3/)
    expect(json).toEqual([{ v: 1, ...result }])
    expect(ids).toBe(`${peer}\n${id}\n`)
  })

  it('--follow ends when its reader has seen enough', async () => {
    const { home } = await fakeDaemon({
      status: async (_, { emit, signal }) => {
        while (!signal.aborted) {
          emit({ event: 'status', ...result })
          await new Promise(resolve => setTimeout(resolve, 20))
        }
        return result
      }
    })
    const { child, ended, said } = start({ args: ['--home', home, 'status', '--follow'] })
    await said('members')
    child.stdout?.destroy()
    expect((await ended).status).toBe(0)
  })

  it('--follow prints every one until Ctrl-C, which is no error', async () => {
    const { home } = await fakeDaemon({
      status: async (_, { emit, signal }) => {
        emit({ event: 'status', ...result })
        await new Promise(resolve => {
          signal.addEventListener('abort', resolve)
        })
        return result
      }
    })
    const { child, ended, said } = start({ args: ['--home', home, '--json', 'status', '--follow'] })
    await said('"event":"status"')
    child.kill('SIGINT')
    const { status, stdout } = await ended
    expect(status).toBe(0)
    expect(linesOf(stdout).map(({ event }) => event)).toEqual(['status', 'done'])
  })
})

describe('ring', () => {
  const near = { id: peer, name: 'eel', key: 'cd'.repeat(32) }

  it('lists the tables', async () => {
    const result = {
      ...{ id: peer, key: id, joined: true, predecessor: near, successors: [near], records: 1 },
      fingers: [near]
    }
    const { text, json } = await threeWays(await fakeDaemon({ ring: async () => result }), ['ring'])
    expect(text).toContain('stands at abababababababab, joined, keeps 1 record\n')
    expect(text).toMatch(/predecessor {2}eel {3}cdcdcdcdcdcdcdcd {2}12D3.*\nsuccessor 1 {2}eel.*\nfinger 1 +eel/)
    expect(json).toEqual([{ v: 1, ...result }])
  })

  it('lookup prints the owner, and every hop with --trace', async () => {
    const owner = { id: peer, name: 'eel' }
    const result = { key: id, owner, hops: 1, path: [{ id: peer, name: 'cod' }, owner], ms: 3.4 }
    const daemon = await fakeDaemon({ 'ring.lookup': async () => result })
    const { text, json, ids } = await threeWays(daemon, ['ring', 'lookup', 'k', '--trace'])
    expect(text).toBe(`eel  ${peer}  (1 hop, 3 ms)\n  0  cod  ${peer}\n  1  eel  ${peer}\n`)
    expect([json, ids]).toEqual([[{ v: 1, ...result }], `${peer}\n`])
    expect(daemon.calls[0]).toEqual(['ring.lookup', { key: 'k', trace: true }])
  })
})

describe('invite, join, leave', () => {
  it('invite prints the ticket and nothing else on stdout', async () => {
    const daemon = await fakeDaemon({ invite: async () => ({ ticket: 'shoal1abc', warning: 'loopback only' }) })
    const { text, notes, json, ids } = await threeWays(daemon, ['invite'])
    expect({ text, notes, json, ids }).toEqual({
      text: 'shoal1abc\n',
      notes: 'note: loopback only\n',
      json: [{ v: 1, ticket: 'shoal1abc' }],
      ids: 'shoal1abc\n'
    })
  })

  it('a wait says what it waits for', async () => {
    const gate = Promise.withResolvers<object>()
    const { home } = await fakeDaemon({ invite: () => gate.promise })
    const { said, ended } = start({ args: ['--home', home, 'invite'] })
    await said("waiting for the daemon's answer\n")
    gate.resolve({ ticket: 'shoal1abc' })
    expect(await ended).toMatchObject({ status: 0, stdout: 'shoal1abc\n' })
  })

  it('join takes the ticket as a word, from stdin, from a file, or from a paste', async () => {
    const joined = { overlay: id, members: 3 }
    const daemon = await fakeDaemon({
      join: async (_, { emit }) => {
        emit({ event: 'waiting', for: 'an answer on UDP' })
        return joined
      }
    })
    const cwd = temporaryFolder()
    fs.writeFileSync(path.join(cwd, 't'), 'from file\n')
    const ways = [
      await shoal(daemon.home, ['join', 'word']),
      await shoal(daemon.home, ['join', '-'], { input: 'from\nstdin' }),
      await shoal(daemon.home, ['join', '--file', 't', '--timeout', '5'], { cwd })
    ]
    const pasted = await inTerminal(daemon.home, ['join', '-'], '\nfrom paste\n')
    for (const { status, stdout, stderr } of ways) {
      expect({ status, stdout, stderr }).toEqual({
        status: 0,
        stdout: `joined overlay ${id}: 3 members\n`,
        stderr: 'waiting for an answer on UDP\n'
      })
    }
    expect(pasted.status).toBe(0)
    expect(daemon.calls.map(([, params]) => params)).toEqual([
      { ticket: 'word' },
      { ticket: 'from\nstdin' },
      { ticket: 'from file\n', timeoutMs: 5000 },
      { ticket: 'from paste' }
    ])
  })

  it('join does not fall back on the home when the daemon found nobody', async () => {
    const daemon = await fakeDaemon({
      join: async () => {
        throw new ShoalError('unreachable', 'nobody answered', { hint: 'TCP and UDP are silent: is the port open?' })
      }
    })
    expect((await shoal(daemon.home, ['join', 'word'])).status).toBe(6)
    expect(fs.existsSync(path.join(daemon.home, 'version'))).toBe(false)
  })

  it('join - takes no novel', async () => {
    const { home } = await fakeDaemon({})
    expect((await shoal(home, ['join', '-'], { input: 'x'.repeat(1 << 20) })).status).toBe(1)
  })

  it('leave', async () => {
    const { text, json, ids } = await threeWays(await fakeDaemon({ leave: async () => ({ left: true }) }), ['leave'])
    expect({ text, json, ids }).toEqual({
      text: 'left the overlay; shares and files stay\n',
      json: [{ v: 1, left: true }],
      ids: ''
    })
  })
})
