/** Files of a share change, vanish and come back, while another node fetches it. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ShareRow } from '../../src/wire/control/methods.ts'
import { Cluster, errorOf, until, type Daemon } from './cluster.ts'
import { contents, makeFile, sha256 } from './content.ts'

const FILE_BYTES = 500_000
/** What the issue promises of a folder that comes back. */
const BACK_MS_MAX = 30_000

let cluster: Cluster
let holder: Daemon
let getter: Daemon
beforeAll(async () => {
  cluster = await Cluster.start(2)
  holder = cluster.node(1)
  getter = cluster.node(2)
})
afterAll(() => cluster.close())

/** Three files of their own bytes. */
function makeAlbum(name: string): string {
  const folder = cluster.folder(name)
  for (const number of [1, 2, 3]) makeFile(`${folder}/${number}.jpg`, FILE_BYTES, `${name} ${number}`)
  return folder
}

async function share(path: string): Promise<string> {
  return (await holder.ask('share', { paths: [path] })).shares[0]!.id
}

async function rowOf(node: Daemon, id: string): Promise<ShareRow | undefined> {
  const answer = await node.ask('ls', {})
  return 'shares' in answer ? answer.shares.find(row => row.id === id) : undefined
}

function isIn(node: Daemon, id: string, state: ShareRow['state']): Promise<unknown> {
  return until(`${node.name} calls it ${state}`, async () => (await rowOf(node, id))?.state === state, BACK_MS_MAX)
}

describe('a file with the same bytes', () => {
  it('is fetched although its times or its inode are other ones', async () => {
    const touched = makeFile(cluster.folder('touched.bin'), FILE_BYTES, 'touched')
    const restored = makeFile(cluster.folder('restored.bin'), FILE_BYTES, 'restored')
    const ids = [await share(touched), await share(restored)]
    fs.utimesSync(touched, 1, 1)
    fs.cpSync(restored, `${restored}.copy`, { preserveTimestamps: true })
    fs.renameSync(`${restored}.copy`, restored)
    for (const id of ids) {
      const { path } = await getter.ok('get', [id, '-o', cluster.folder('fetched')])
      expect(sha256(path)).toBe(sha256(path.endsWith('touched.bin') ? touched : restored))
    }
  })
})

describe('a file that was deleted', () => {
  let album: string
  let id: string
  beforeAll(async () => {
    album = makeAlbum('album')
    id = await share(album)
    fs.renameSync(`${album}/2.jpg`, cluster.folder('kept.jpg'))
  })

  it('ends get with 3: it names the file and who no longer has it', async () => {
    const answer = await getter.run(['get', id, '-o', cluster.folder('fetched')])
    expect([answer.code, errorOf(answer)]).toEqual([
      3,
      {
        code: 'not-found',
        message: 'no member that answers has 2.jpg: n1 no longer has it',
        hint: `the download goes on when somebody offers it again: shoal get ${id} --timeout SECONDS waits for that`
      }
    ])
    expect(fs.existsSync(cluster.folder('fetched/album/2.jpg'))).toBe(false)
  })

  it('is shown by ls, status and doctor of its holder, with what to do', async () => {
    await isIn(holder, id, 'missing')
    const problem = {
      files: [{ path: '2.jpg', state: 'missing' }],
      fileCount: 1,
      fix: `put it back, or share it again: shoal share ${album}`
    }
    expect(await rowOf(holder, id)).toMatchObject({ state: 'missing', problem })
    const { damaged } = await holder.ok('status')
    expect(damaged).toMatchObject([{ id, name: 'album', state: 'missing', problem }])
    const { rows } = await holder.ask('doctor', {})
    expect(rows.find(({ check }) => check === 'shares')).toMatchObject({
      ...{ status: 'warn', text: 'album: 2.jpg is missing', fix: problem.fix }
    })
    const listing = await holder.ask('ls', { id })
    expect('entries' in listing && listing.entries.map(({ path, state }) => [path, state])).toEqual([
      ['1.jpg', undefined],
      ['2.jpg', 'missing'],
      ['3.jpg', undefined]
    ])
    const others = await getter.ask('ls', { all: true })
    expect('shares' in others && others.shares.find(row => row.id === id)?.state).toBe('partial')
  })

  it('is waited for as long as --timeout says, with exit 2 and what it waits for', async () => {
    const answer = await getter.run(['get', id, '-o', cluster.folder('fetched'), '--timeout', '3'])
    expect([answer.code, errorOf(answer)]).toMatchObject([
      2,
      { code: 'timeout', message: 'not complete after 3 s: waiting for 2.jpg: n1 no longer has it' }
    ])
    expect(await getter.transfer(id)).toMatchObject({
      ...{ reason: 'not-offered', problem: 'waiting for 2.jpg: n1 no longer has it' }
    })
  })

  it('is fetched by a get that waits once it is back, and nothing is called missing any more', async () => {
    const waiting = getter.run(['get', id, '-o', cluster.folder('fetched'), '--timeout', '60'])
    fs.renameSync(cluster.folder('kept.jpg'), `${album}/2.jpg`)
    expect((await waiting).code).toBe(0)
    expect(contents(cluster.folder('fetched/album'))).toEqual(contents(album))
    await isIn(holder, id, 'complete')
    expect((await holder.ok('status')).damaged).toEqual([])
  })
})

describe('a file that was changed', () => {
  it('is never fetched with its other bytes; what is right of the share is', async () => {
    const album = makeAlbum('diary')
    const id = await share(album)
    const right = contents(album)
    const bytes = fs.readFileSync(`${album}/2.jpg`)
    bytes[FILE_BYTES - 1]! ^= 1
    fs.writeFileSync(`${album}/2.jpg`, bytes)
    const answer = await getter.run(['get', id, '-o', cluster.folder('fetched')])
    expect([answer.code, errorOf(answer).message]).toEqual([3, 'no member that answers has 2.jpg: n1 no longer has it'])
    await isIn(holder, id, 'changed')
    expect((await getter.ok('status')).banned).toEqual([])
    bytes[FILE_BYTES - 1]! ^= 1
    fs.writeFileSync(`${album}/2.jpg`, bytes)
    await getter.ok('get', [id, '-o', cluster.folder('fetched'), '--timeout', '60'])
    expect(contents(cluster.folder('fetched/diary'))).toEqual(right)
  })
})

describe('a folder that goes away and comes back', () => {
  it('is withdrawn while it is away, and a get that waits goes on within 30 s of its return', async () => {
    const album = makeAlbum('drive')
    const id = await share(album)
    const right = contents(album)
    fs.renameSync(album, `${album}.away`)
    // As the mount point of a drive that was unplugged.
    fs.mkdirSync(album)
    await isIn(holder, id, 'missing')
    expect((await rowOf(holder, id))?.problem?.fileCount).toBe(3)
    const waiting = getter.run(['get', id, '-o', cluster.folder('fetched'), '--timeout', '90'])
    await until('get waits', async () => (await getter.transfer(id))?.problem?.includes('n1 no longer has it'))
    fs.rmdirSync(album)
    fs.renameSync(`${album}.away`, album)
    const backMs = performance.now()
    const { code } = await waiting
    expect(code).toBe(0)
    expect(performance.now() - backMs).toBeLessThan(BACK_MS_MAX)
    expect(contents(cluster.folder('fetched/drive'))).toEqual(right)
    await isIn(holder, id, 'complete')
  })

  it('is offered again after the holder was restarted while it was away', async () => {
    const album = makeAlbum('stick')
    const id = await share(album)
    fs.renameSync(album, `${album}.away`)
    await holder.stop()
    await holder.start()
    await cluster.converged()
    await isIn(holder, id, 'missing')
    fs.renameSync(`${album}.away`, album)
    await isIn(holder, id, 'complete')
    await getter.ok('get', [id, '-o', cluster.folder('fetched')])
    expect(contents(cluster.folder('fetched/stick'))).toEqual(contents(album))
  })
})

describe('a get that fails on a folder that was complete', () => {
  it('leaves it held: what is right of it is served on, and all of it when it is restored', async () => {
    const album = makeAlbum('trip')
    const id = await share(album)
    const target = cluster.folder('fetched')
    await getter.ok('get', [id, '-o', target])
    const file = `${target}/trip/2.jpg`
    const before = fs.readFileSync(file)
    fs.writeFileSync(file, 'something else')
    const failed = await getter.run(['get', id, '-o', target])
    expect([failed.code, errorOf(failed).code]).toEqual([11, 'conflict'])
    await isIn(getter, id, 'changed')
    expect((await rowOf(getter, id))?.problem?.fix).toContain(`shoal get ${id} -o ${target} --overwrite`)
    // The holder has nothing any more: what the other one still has comes from there.
    await holder.ok('rm', [id, '--yes'])
    const third = await cluster.join('third')
    await cluster.converged()
    const partly = await third.run(['get', id, '-o', cluster.folder('third-fetched')])
    expect([partly.code, errorOf(partly).message]).toEqual([3, 'no member that answers has 2.jpg: n2 no longer has it'])
    fs.writeFileSync(file, before)
    await third.ok('get', [id, '-o', cluster.folder('third-fetched'), '--timeout', '60'])
    expect(contents(cluster.folder('third-fetched/trip'))).toEqual(contents(album))
    await isIn(getter, id, 'complete')
  })
})
