/** What the two nodes of a shoal answer to input that will not do. */
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ExitStatus } from '../../../src/wire/control/exit.ts'
import { start } from '../cli/shoal.ts'
import { Cluster, type Daemon } from '../cluster.ts'
import { makeFile } from '../content.ts'
import { expectNoStack, expectRefusal } from './refusal.ts'

const TORRENTS = path.resolve(import.meta.dirname, '../../fixtures/torrents')
const UNKNOWN = '0'.repeat(64)

type Row = readonly [claim: string, words: readonly string[], status: ExitStatus, says: RegExp, next: RegExp]

let cluster: Cluster
let sharer: Daemon
let other: Daemon
let ticket: string
let stranger: Daemon

beforeAll(async () => {
  cluster = await Cluster.start(2)
  sharer = cluster.node(1)
  other = cluster.node(2)
  for (const folder of ['one', 'two']) {
    makeFile(cluster.folder(`${folder}/twin/file`), 1000, folder)
    await sharer.ok('share', [cluster.folder(`${folder}/twin`)])
  }
  makeFile(cluster.folder('folder/a'), 100_000, 'a')
  makeFile(cluster.folder('folder/b'), 100_000, 'b')
  await sharer.ok('share', [cluster.folder('folder')])
  ticket = (await sharer.ask('invite', {})).ticket
  stranger = await cluster.found('stranger')
})
afterAll(() => cluster.close())

/** Of the node that does not share, in the folder of the cluster, where relative paths of a row begin. */
function shoal(words: readonly string[], { home = other.home, input = '' } = {}) {
  return start({ args: ['--home', home, ...words], cwd: cluster.root, input }).ended
}

/** `%` in the words of a row is the root of the cluster. */
function refuses(rows: readonly Row[]): void {
  it.each(rows)('%s', async (_claim, words, status, says, next) => {
    expectRefusal(await shoal(words.map(word => word.replace('%', cluster.root))), { status, says, next })
  })
}

describe('a content', () => {
  beforeAll(() => {
    fs.writeFileSync(cluster.folder('text.torrent'), 'no torrent\n')
    fs.writeFileSync(cluster.folder('empty.torrent'), '')
    const whole = fs.readFileSync(path.join(TORRENTS, 'many.torrent'))
    fs.writeFileSync(cluster.folder('cut.torrent'), whole.subarray(0, whole.length / 2))
    fs.writeFileSync(cluster.folder('no-info.torrent'), 'd1:ai1ee')
    fs.truncateSync(makeFile(cluster.folder('huge.torrent'), 0), 1 << 30)
    fs.mkdirSync(cluster.folder('folder.torrent'))
  })

  refuses([
    ['of an unknown ID', ['get', UNKNOWN], 3, /nobody in this overlay shares 0{64}/, /`shoal ls --all`/],
    ['of an unknown prefix', ['get', '00000000'], 3, /nobody .* shares "00000000"/, /`shoal ls --all`/],
    ['of an unknown name', ['get', 'nothing'], 3, /nobody .* shares "nothing"/, /`shoal ls --all`/],
    ['of an ID with a letter too many', ['get', `${UNKNOWN}0`], 3, /nobody .* shares "0{65}"/, /`shoal ls --all`/],
    ['of two meanings, by name', ['get', 'twin'], 11, /2 contents are called "twin"/, /give the ID: [0-9a-f]{12}, /],
    ['without a name', ['get', ''], 64, /needs an ID, a name, a magnet link or/, /`shoal ls --all`/],
    ['to list, of an unknown name', ['ls', 'nothing'], 3, /nobody .* shares "nothing"/, /`shoal ls --all`/],
    ['to forget, of an unknown name', ['rm', 'nothing'], 3, /this node has nothing called "nothing"/, /`shoal ls`/],
    ['to follow, of an unknown name', ['status', 'nothing'], 3, /this node has nothing called/, /`shoal ls`/],
    ['to follow, of an unknown ID', ['status', UNKNOWN], 3, /this node has nothing called/, /`shoal ls`/],
    ['by a magnet without content', ['get', 'magnet:?dn=x'], 1, /has no content ID/, /magnet:\?xt=urn:btmh:1220/],
    ['by a magnet cut short', ['get', 'magnet:?xt=urn:btmh:12201234'], 1, /not 64 hexadecimal digits/, /xt=urn:btmh/],
    [
      'by a magnet of another hash',
      ['get', `magnet:?xt=urn:btmh:1320${UNKNOWN}`],
      1,
      /the magnet link has no content ID/,
      /magnet:\?xt=urn:btmh:1220/
    ],
    [
      'by a magnet of BitTorrent v1, which is refused by name',
      ['get', `magnet:?xt=urn:btih:${'0'.repeat(40)}`],
      1,
      /has a BitTorrent v1 infohash only, and v2 is required/,
      /magnet:\?xt=urn:btmh:1220/
    ],
    [
      'by a .torrent of BitTorrent v1, which is refused by name',
      ['get', path.join(TORRENTS, 'nested.v1.torrent')],
      1,
      /is a BitTorrent v1 torrent, and v2 or a hybrid is required/,
      /as v2 or as a hybrid/
    ],
    ['by a .torrent that is a text', ['get', './text.torrent'], 1, /not a \.torrent file, or it is truncated/, /again/],
    ['by an empty .torrent', ['get', './empty.torrent'], 1, /not a \.torrent file, or it is truncated/, /again/],
    [
      'by a .torrent cut short',
      ['get', './cut.torrent'],
      1,
      /it is truncated: bencode: (truncated string|unexpected end of input) at byte/,
      /again/
    ],
    ['by a .torrent without content', ['get', './no-info.torrent'], 1, /it has no info dictionary/, /again/],
    ['by a huge .torrent', ['get', './huge.torrent'], 1, /has more than \d+ bytes/, /by its magnet link or content ID/],
    [
      'by a missing .torrent',
      ['get', './none.torrent'],
      3,
      /cannot read .*none\.torrent: no such file/,
      /check the path/
    ],
    ['by a folder called .torrent', ['get', './folder.torrent'], 1, /folder\.torrent: it is a folder/, /check the path/]
  ])
})

describe('a ticket', () => {
  const judged = async (text: string, status: ExitStatus, says: RegExp, next: RegExp): Promise<void> => {
    for (const words of [
      ['join', text],
      ['join', '-'],
      ['join', '--file', 'ticket']
    ]) {
      fs.writeFileSync(cluster.folder('ticket'), text)
      expectRefusal(await shoal(words, { input: text }), { status, says, next })
    }
  }

  it('cut short', () => judged(ticket.slice(0, -9), 1, /incomplete or mistyped/, /copy the whole ticket/))
  it('mistyped in one letter', () =>
    judged(
      ticket.replace(/.{20}$/, end => (end.startsWith('a') ? 'b' : 'a') + end.slice(1)),
      1,
      /mistyped/,
      /copy the whole/
    ))
  it('of a newer form', () =>
    judged(ticket.replace('shoal1', 'shoal2'), 1, /has format 2; .* reads format 1/, /upgrade/))
  it('that is none', () => judged('hello', 1, /not a ticket: a ticket is one word/, /`shoal invite` on a member/))
  it('of nothing, as from a broken pipe', () => judged('', 1, /not a ticket: a ticket is one word/, /`shoal invite`/))

  it('of another overlay, once a member was met', async () => {
    const foreign = (await stranger.ask('invite', {})).ticket
    await judged(foreign, 11, /for another overlay, .* already met members/, /`shoal leave` first/)
    expect((await other.ask('members', {})).members).toHaveLength(2)
  })

  it('in a file that is not there', async () => {
    const refusal = { status: 3, says: /cannot read .*none: no such file/, next: /check the path/ } as const
    expectRefusal(await shoal(['join', '--file', 'none']), refusal)
  })
})

describe('what is to be shared', () => {
  let server: net.Server
  beforeAll(async () => {
    fs.mkdirSync(cluster.folder('empty'))
    fs.symlinkSync(cluster.folder('none'), cluster.folder('dangling'))
    server = net.createServer()
    await new Promise<void>(resolve => server.listen(cluster.folder('sock'), resolve))
  })
  afterAll(() => void server.close())

  refuses([
    ['is not there', ['share', './none'], 3, /there is no ".*\/none"/, /[Cc]heck the path/],
    ['is a link to nothing', ['share', './dangling'], 3, /there is no ".*\/dangling"/, /[Cc]heck the path/],
    ['goes through a file', ['share', './folder/a/b'], 3, /there is no ".*\/a\/b"/, /[Cc]heck the path/],
    [
      'is a socket',
      ['share', './sock'],
      1,
      /cannot share ".*\/sock": it is neither a file nor a folder/,
      /Name a file, or/
    ],
    ['is a device', ['share', '/dev/null'], 1, /cannot share "\/dev\/null": it is neither a file/, /Name a file, or/],
    ['is empty', ['share', './empty'], 1, /there is nothing in it to share/, /Name a file, or/],
    ['is the whole machine', ['share', '/'], 1, /cannot share \/: this node's home is in it/, /shoal --home DIR/],
    ["has the node's keys in it", ['share', '.'], 1, /this node's home is in it/, /share folders beside/],
    ["is the node's home", ['share', './n2'], 1, /this node's home is in it/, /share folders beside/],
    ["is in the node's home", ['share', './n2/node-key'], 1, /this node's home is in it/, /share folders beside/]
  ])

  it("has the node's keys behind a link", async () => {
    fs.symlinkSync(other.home, cluster.folder('link'))
    const refusal = { status: 1, says: /this node's home is in it/, next: /share folders beside/ } as const
    expectRefusal(await shoal(['share', './link']), refusal)
    expect((await other.ask('ls', {})) as object).toEqual({ shares: [] })
  })
})

describe('a target', () => {
  const outside = (): string[] => fs.readdirSync(cluster.folder('outside'))
  beforeAll(() => {
    fs.mkdirSync(cluster.folder('outside'))
    makeFile(cluster.folder('file'), 10)
    makeFile(cluster.folder('other-bytes/folder/a'), 100_000, 'other')
    for (const target of ['link-for-folder', 'link-for-file/folder', 'link-for-part/folder', 'link-on-the-way'])
      fs.mkdirSync(cluster.folder(target), { recursive: true })
    fs.symlinkSync(cluster.folder('outside'), cluster.folder('link-for-folder/folder'))
    fs.symlinkSync(cluster.folder('outside/a'), cluster.folder('link-for-file/folder/a'))
    fs.symlinkSync(cluster.folder('outside/b'), cluster.folder('link-for-part/folder/b.part'))
  })

  const target = (claim: string, dir: string, status: ExitStatus, says: RegExp, next: RegExp): Row => [
    claim,
    ['get', 'folder', '-o', dir],
    status,
    says,
    next
  ]
  refuses([
    target('that is a file', './file', 11, /\/file cannot be a folder: a file is in the way/, /another folder with -o/),
    target('inside a file', './file/x', 11, /cannot be a folder: a file is in the way/, /another folder with -o/),
    target(
      'where nobody can make a folder',
      '/proc/x',
      3,
      /does not exist and cannot be created/,
      /another folder with -o/
    ),
    target('with other bytes', './other-bytes', 11, /other files are in the way: .*\/folder\/a/, /with --overwrite/),
    target(
      'with a link for the folder',
      './link-for-folder',
      11,
      /folder is a symbolic link: nothing is written/,
      /-o/
    ),
    target('with a link for a file', './link-for-file', 11, /in the way: .*\/folder\/a/, /another folder with -o/),
    target('with a link for an unfinished file', './link-for-part', 11, /in the way: .*b\.part/, /another folder/),
    [
      'with a link for a file, though it may replace files',
      ['get', 'folder', '-o', './link-for-file', '--overwrite'],
      11,
      /in the way: .*\/folder\/a/,
      /they are links, .*: move them away/
    ],
    ['for no file at all', ['get', 'folder', '-o', './out', '--include', 'c*'], 11, /no file .* matches/, /./]
  ])

  it('with links that point outside gets nothing written through them', () => {
    expect(outside()).toEqual([])
    expect(fs.readFileSync(cluster.folder('other-bytes/folder/a'))).toHaveLength(100_000)
  })

  it('that was refused is not in the way of the next one', async () => {
    const { status, stderr } = await shoal(['get', 'folder', '-o', './good'])
    expect([status, fs.readdirSync(cluster.folder('good/folder'))], stderr).toEqual([0, ['a', 'b']])
  })

  it('elsewhere while the content is here copies it, and what is in the way of a copy is a conflict', async () => {
    const { status, stderr } = await shoal(['get', 'folder', '-o', './better'])
    expect([status, fs.readdirSync(cluster.folder('better/folder'))], stderr).toEqual([0, ['a', 'b']])
    fs.writeFileSync(cluster.folder('better/folder/a'), 'mine')
    const refusal = {
      status: 11,
      says: /other files are in the way: .*\/better\/folder\/a/,
      next: /--overwrite/
    } as const
    expectRefusal(await shoal(['get', 'folder', '-o', './better']), refusal)
    expect(fs.readFileSync(cluster.folder('better/folder/a'), 'utf8')).toBe('mine')
  })
})

describe('in other forms', () => {
  it('--json: the error is one line on stdout, with a hint', async () => {
    const { status, stdout, stderr } = await shoal(['--json', 'get', UNKNOWN])
    const lines = stdout.split('\n').filter(Boolean)
    expect([status, stderr]).toEqual([3, ''])
    const [waiting, error, ...more] = lines.map(line => JSON.parse(line) as Record<string, Record<string, string>>)
    expect([waiting?.['event'], more]).toEqual(['waiting', []])
    expect(Object.keys(error?.['error'] ?? {})).toEqual(['code', 'message', 'hint'])
    expect(error?.['error']?.['code']).toBe('not-found')
  })

  it('-q: the error is all that is said', async () => {
    const { status, stdout, stderr } = await shoal(['-q', 'get', UNKNOWN])
    expect([status, stdout, stderr.split('\n').length]).toEqual([3, '', 3])
    expectNoStack(stderr)
  })

  it('a usage that is wrong is explained: 64', async () => {
    for (const words of [['sing'], ['get'], ['ls', '--al'], ['members', '--wait', '2', '--timeout', 'soon']])
      expectRefusal(await shoal(words), { status: 64, says: /(unknown|missing|invalid)/, next: /--help/ })
  })
})
