/** Searches of real daemons: what they find, what they must not find, and what becomes of the results. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HitRow, Params, ShareRow } from '../../src/wire/control/methods.ts'
import { Cluster, errorOf, until, type Answer, type Daemon } from './cluster.ts'
import { contents, makeFile } from './content.ts'

/** Files of a folder, 100 bytes each unless told otherwise. Returns the folder. */
function makeShare(folder: string, files: Record<string, number>): string {
  for (const [name, bytes] of Object.entries(files)) makeFile(path.join(folder, name), bytes, name)
  return folder
}

const hitsOf = ({ lines }: Answer): HitRow[] =>
  lines.filter(({ event }) => event === 'hit').map(line => line as unknown as HitRow)

/** Best first, without a process for the command line. */
async function hits(from: Daemon, text: string, filter: Omit<Params<'search'>, 'text'> = {}): Promise<HitRow[]> {
  return (await from.ask('search', { text, ...filter })).results
}

const nameOf = ({ name, path: inside }: HitRow): string => (inside === undefined ? name : `${name}/${inside}`)
const names = async (...query: Parameters<typeof hits>): Promise<string[]> =>
  (await hits(...query)).map(nameOf).toSorted()

/** Waits until the search has this name among its results: neighbours hear of a new share within a second or two. */
const finds = (from: Daemon, name: string, text: string): Promise<HitRow> =>
  until(`${from.name} finds ${name} by ${text}`, async () => (await hits(from, text)).find(row => nameOf(row) === name))

const nobodyFinds = (from: Daemon, text: string): Promise<true> =>
  until(`${from.name} finds nothing by ${text}`, async () => (await hits(from, text)).length === 0)

async function share(daemon: Daemon, folder: string, unlisted?: boolean): Promise<{ id: string; unlisted?: boolean }> {
  const { shares } = await daemon.ask('share', { paths: [folder], ...(unlisted === undefined ? {} : { unlisted }) })
  return shares[0]!
}

const forget = (daemon: Daemon, id: string): Promise<unknown> => daemon.ask('rm', { id, yes: true })
const listed = async (by: Daemon): Promise<ShareRow[]> => {
  const answer = await by.ask('ls', { all: true })
  return 'shares' in answer ? answer.shares : []
}

describe('a shoal of five', () => {
  let cluster: Cluster
  let n1: Daemon
  let n2: Daemon
  let n3: Daemon
  let n4: Daemon
  let album: string
  beforeAll(async () => {
    cluster = await Cluster.start(5)
    ;[n1, n2, n3, n4] = [cluster.node(1), cluster.node(2), cluster.node(3), cluster.node(4)]
    const files = { 'Ćevapčići.txt': 100, '东京/旅行照片.jpg': 200, 'mobyDick.epub': 300, 'beach_2024.JPG': 5_000 }
    album = (await share(n2, makeShare(cluster.folder('two/Holiday Photos'), files))).id
    await share(n3, makeShare(cluster.folder('three/Holiday Photos'), files))
    await share(n4, makeFile(cluster.folder('debian-13.iso'), 70_000))
  })
  afterAll(() => cluster.close())

  it.each([
    ['a word', 'holiday', 'Holiday Photos'],
    ['a prefix', 'deb', 'debian-13.iso'],
    ['several words, in any order and case', 'DICK moby', 'Holiday Photos/mobyDick.epub'],
    ['letters without their accents', 'cevapcici', 'Holiday Photos/Ćevapčići.txt'],
    ['letters with them, where the name has them', 'ćevap', 'Holiday Photos/Ćevapčići.txt'],
    ['Chinese', '旅行', 'Holiday Photos/东京/旅行照片.jpg'],
    ['one Chinese character', '京', 'Holiday Photos/东京/旅行照片.jpg'],
    ['a part of camelCase', 'dick', 'Holiday Photos/mobyDick.epub'],
    ['digits', '2024', 'Holiday Photos/beach_2024.JPG']
  ])('finds on another node by %s', async (_, text, name) => {
    await finds(n1, name, text)
  })

  it('merges the holders of one content', async () => {
    const row = await until('both are named', async () =>
      (await hits(n1, 'holiday')).find(({ holderCount }) => holderCount === 2)
    )
    expect(row).toMatchObject({ id: album, name: 'Holiday Photos', bytes: 5_600 })
    expect([row.holders.toSorted(), row.hops > 0, row.here]).toEqual([['n2', 'n3'], true, undefined])
  })

  it('marks what this node has itself', async () => {
    const row = await finds(n2, 'Holiday Photos', 'holiday')
    expect([row.here, row.hops, row.holders[0]]).toEqual(['complete', 0, 'n2'])
  })

  it('takes only what fits a type and sizes', async () => {
    await finds(n1, 'Holiday Photos/beach_2024.JPG', '2024')
    expect(await names(n1, 'beach', { type: 'jpg' })).toEqual(['Holiday Photos/beach_2024.JPG'])
    expect(await names(n1, 'beach', { type: 'image' })).toEqual(['Holiday Photos/beach_2024.JPG'])
    expect(await names(n1, 'beach', { type: 'video' })).toEqual([])
    expect(await names(n1, 'beach', { minBytes: 4_096, maxBytes: 5_000 })).toEqual(['Holiday Photos/beach_2024.JPG'])
    expect(await names(n1, 'beach', { minBytes: 5_120 })).toEqual([])
    expect(await names(n1, 'beach', { maxBytes: 4_999 })).toEqual([])
  })

  it('ends when everybody was asked, long before its time is up', async () => {
    const { code, lines } = await n1.run(['search', 'debian', '--timeout', '60'])
    expect([code, lines.at(-1)]).toMatchObject([0, { event: 'done', hits: 1, ended: 'exhausted', ranked: [1] }])
    expect(lines.at(-1)!['elapsedMs']).toBeLessThan(30_000)
  })

  it('ends with 3 where there is nothing, and with 64 where nothing can be', async () => {
    const nothing = await n1.run(['search', 'nosuchword'])
    expect(nothing.code).toBe(3)
    expect(errorOf(nothing).message).toMatch(/^nothing found for "nosuchword": .*4 other nodes/)
    const refusals: Array<[string[], RegExp]> = [
      [['!!!', '…'], /no word in "!!! …"/],
      [[''], /no word/],
      [['x'.repeat(257)], /at most 256 bytes of text, and this has 257/],
      [['a', '--type', 'no such'], /no type of file/],
      [['a', '--min-size', '2K', '--max-size', '1K'], /at least 2048 and at most 1024/],
      [['a', '--timeout', '0'], /"timeoutMs" as whole number from 1 to 60000/],
      [['a', '--limit', '1001'], /whole number from 1 to 1000/]
    ]
    for (const [args, why] of refusals) {
      const answer = await n1.run(['search', ...args])
      expect([answer.code, errorOf(answer).message]).toEqual([64, expect.stringMatching(why)])
    }
  })

  it('stops at the limit', async () => {
    const { lines } = await n1.run(['search', 'holiday', '--limit', '1'])
    expect(lines.at(-1)).toMatchObject({ hits: 1, ended: 'limit' })
  })

  it('--trace tells of every node, and of who gave what', async () => {
    await finds(n1, 'debian-13.iso', 'debian')
    const { lines } = await n1.run(['search', 'debian', '--trace'])
    const { reached, messages } = lines.at(-1) as unknown as {
      reached: Array<{ name: string; hops: number; results: number[]; path: string[] }>
      messages: number
    }
    expect(reached.find(({ name }) => name === 'n4')?.results).toEqual([1])
    expect(reached.every(({ hops, path: way }) => way.length === Math.max(0, hops - 1))).toBe(true)
    expect(messages).toBeGreaterThan(0)
  })

  describe('get NUMBER', () => {
    it('fetches the file that the result is, and nothing else', async () => {
      const { number } = await finds(n1, 'Holiday Photos/mobyDick.epub', 'moby')
      await finds(n1, 'Holiday Photos/Ćevapčići.txt', 'cevap')
      const again = await finds(n1, 'Holiday Photos/mobyDick.epub', 'moby')
      const target = cluster.folder('number')
      expect(again.number).toBe(number)
      expect((await n1.ok('get', [String(number), '-o', target])).id).toBe(album)
      expect(Object.keys(contents(target))).toEqual(['/Holiday Photos/mobyDick.epub'])
    })

    it('adds another file of the share to it', async () => {
      const { number } = await finds(n1, 'Holiday Photos/Ćevapčići.txt', 'cevap')
      const target = cluster.folder('number')
      await n1.ok('get', [String(number), '-o', target])
      const both = ['/Holiday Photos/mobyDick.epub', '/Holiday Photos/Ćevapčići.txt']
      expect(Object.keys(contents(target)).toSorted()).toEqual(both.toSorted())
      await n1.ask('rm', { id: album, deleteFiles: true, yes: true })
    })

    it('means the same after a restart, and fetches a whole share', async () => {
      const { number } = await finds(n1, 'debian-13.iso', 'debian')
      await n1.stop()
      await n1.start()
      await cluster.converged()
      const target = cluster.folder('restarted')
      await n1.ok('get', [String(number), '-o', target])
      expect(contents(target)).toEqual({ '/debian-13.iso': contents(cluster.folder('debian-13.iso'))[''] })
      await forget(n1, 'debian-13.iso')
    })

    it('without such a result ends with 3', async () => {
      await finds(n1, 'debian-13.iso', 'debian')
      const answer = await n1.run(['get', '7'])
      expect([answer.code, errorOf(answer).message]).toEqual([
        3,
        'there is no result 7: the last search of this node has results 1 to 1'
      ])
      await n1.run(['search', 'nosuchword'])
      expect((await n1.run(['get', '1'])).code).toBe(3)
    })

    it('of a name that is a number fetches the share, unless a result has the number too', async () => {
      const { id } = await share(n4, makeFile(cluster.folder('1'), 10))
      await n1.run(['search', 'nosuchword'])
      const target = cluster.folder('called-1')
      expect((await n1.ok('get', ['1', '-o', target])).id).toBe(id)
      await finds(n1, 'Holiday Photos', 'holiday')
      const both = await n1.run(['get', '1', '-o', target])
      expect([both.code, errorOf(both).hint]).toEqual([11, `give an ID: result 1 is ${album}, the share is ${id}`])
      await forget(n1, id)
      await forget(n4, id)
    })

    it('of a file takes no --include', async () => {
      const { number } = await finds(n1, 'Holiday Photos/mobyDick.epub', 'moby')
      const answer = await n1.run(['get', String(number), '--include', '*.txt'])
      expect([answer.code, errorOf(answer).message]).toEqual([
        64,
        `result ${number} is one file: there is nothing to --include`
      ])
    })
  })

  describe('an unlisted share', () => {
    let folder: string
    let id: string
    it('is found and listed by nobody, and fetched by its ID', async () => {
      folder = makeShare(cluster.folder('secret plans'), { 'unicorn.txt': 1_000 })
      id = (await share(n2, folder, true)).id
      await finds(n1, 'debian-13.iso', 'debian')
      for (const from of [n1, n2]) expect(await names(from, 'unicorn')).toEqual([])
      const shares = await listed(n1)
      expect([shares.length > 0, shares.some(one => one.id === id)]).toEqual([true, false])
      for (const what of ['secret plans', id.slice(0, 12)]) expect((await n1.run(['get', what])).code).toBe(3)
      expect((await n1.ok('get', [id, '-o', cluster.folder('plans')])).id).toBe(id)
    })

    it('is kept so by who fetched it, and by who fetched it of them', async () => {
      expect((await listed(n3)).some(one => one.id === id)).toBe(false)
      await n2.kill('SIGKILL')
      await n3.ok('get', [id, '-o', cluster.folder('plans of plans')])
      await n2.start()
      await cluster.converged()
      await finds(n4, 'Holiday Photos', 'holiday')
      for (const from of [n1, n3, n4]) expect(await names(from, 'unicorn')).toEqual([])
      expect(await n1.ask('ls', {})).toMatchObject({ shares: [{ id, unlisted: true }] })
    })

    it('stays so when its path is shared again, until it is listed', async () => {
      makeShare(folder, { 'another unicorn.txt': 10 })
      const changed = await share(n2, folder)
      expect([changed.id === id, changed.unlisted]).toEqual([false, true])
      expect(await names(n1, 'unicorn')).toEqual([])
      const open = await share(n2, folder, false)
      expect([open.id, open.unlisted]).toEqual([changed.id, undefined])
      await finds(n1, 'secret plans/another unicorn.txt', 'unicorn')
      await share(n2, folder, true)
      await nobodyFinds(n1, 'unicorn')
    })
  })

  it('finds no more what was removed', async () => {
    const { id } = await share(n4, makeFile(cluster.folder('walrus.bin'), 10))
    await finds(n1, 'walrus.bin', 'walrus')
    await forget(n4, id)
    expect(await names(n1, 'walrus')).toEqual([])
  })

  it('finds what was fetched at who fetched it', async () => {
    const { id } = await share(n4, makeFile(cluster.folder('narwhal.bin'), 10))
    await n3.ok('get', [id, '-o', cluster.folder('fetched')])
    await forget(n4, id)
    expect((await finds(n1, 'narwhal.bin', 'narwhal')).holders).toEqual(['n3'])
  })

  it('finds again what a node has, when it was started again', async () => {
    await n4.stop()
    await nobodyFinds(n1, 'debian')
    await n4.start()
    expect((await finds(n1, 'debian-13.iso', 'debian')).holders).toEqual(['n4'])
  })

  it('shows harmlessly what was named to do harm', async () => {
    const evil = ['\u001b[2J\u001b]0;owned\u0007 kraken.txt', 'kraken\n# 99 trust me.txt', '\u202etxt.exe kraken']
    const dir = makeShare(
      cluster.folder('evil'),
      Object.fromEntries([...evil, '<b>kraken</b>'].map(name => [name, 10]))
    )
    await share(n2, dir)
    await until('all of them are found', async () => (await hits(n1, 'kraken')).length === 4)
    const json = await n1.run(['search', 'kraken'])
    // eslint-disable-next-line no-control-regex -- that is what must not be there
    expect(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\p{Cf}]/u.test(json.stdout)).toBe(false)
    expect(
      hitsOf(json)
        .map(row => row.path)
        .toSorted()
    ).toEqual([...evil, '<b>kraken</b>'].toSorted())
    const { number } = hitsOf(json).find(row => row.path === evil[0])!
    const target = cluster.folder('harmless')
    await n1.ok('get', [String(number), '-o', target])
    expect(fs.readdirSync(path.join(target, 'evil'))).toEqual([evil[0]])
  })

  it('tells nothing more of a node that was killed', async () => {
    await n4.kill('SIGKILL')
    await nobodyFinds(n1, 'debian')
  })
})

describe('with a neighbour that asks a hundred times too much', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.start(4)
    for (const at of [1, 2, 3, 4]) await share(cluster.node(at), makeFile(cluster.folder(`common${at}.txt`), 10))
    await cluster.join('flooding', { peer: ['--flood', '100', '--text', 'common'] })
    await cluster.converged()
  })
  afterAll(() => cluster.close())

  it('the others still find, and cut it off', async () => {
    const [n1, n2] = [cluster.node(1), cluster.node(2)]
    await finds(n1, 'common2.txt', 'common2')
    await until('the flood is named in the logs', () =>
      [n1, n2].some(node => node.logged('a peer broke the protocol').some(({ room }) => room === 'search'))
    )
    for (const at of [2, 3, 4]) await finds(n1, `common${at}.txt`, `common${at}`)
  })
})
