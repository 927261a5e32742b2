/** What the commands promise, on daemons that run: CLI semantics that one process alone cannot show. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster, errorOf, until, type Daemon } from './cluster.ts'
import { contents, makeFile, makeFolder, sha256 } from './content.ts'

const MIB = 1 << 20

describe('on two daemons and a slow one', () => {
  let cluster: Cluster
  let [n1, n2, slow]: Daemon[] = []
  beforeAll(async () => {
    cluster = await Cluster.start(2)
    await cluster.join('slow', { peer: ['--rate', String(4 * MIB)] })
    await cluster.converged()
    ;[n1, n2, slow] = [1, 2, 3].map(number => cluster.node(number))
  })
  afterAll(() => cluster.close())

  describe('get', () => {
    let file: string
    let folder: string
    beforeAll(async () => {
      file = makeFile(cluster.folder('report.bin'), 300_000)
      folder = makeFolder(cluster.folder('photos'), 30)
      makeFile(path.join(folder, 'notes/read me.txt'), 100)
      await n1!.ok('share', [file, folder])
    })

    it('twice: the second one finds all of it there', async () => {
      const args = ['report.bin', '-o', cluster.folder('twice')]
      expect(await n2!.ok('get', args)).toMatchObject({ fetchedBytes: 300_000, reusedBytes: 0 })
      const again = await n2!.ok('get', args)
      expect(again).toMatchObject({ bytes: 300_000, fetchedBytes: 0, reusedBytes: 300_000 })
      expect(sha256(again.path)).toBe(sha256(file))
    })

    it('--include fetches only what matches', async () => {
      const args = ['photos', '-o', cluster.folder('some'), '--include', '*.txt', '--include', 'd0/f1']
      const { path } = await n2!.ok('get', args)
      expect(Object.keys(contents(path))).toEqual(['/d0/f1', '/notes/read me.txt'])
      await n2!.ok('rm', ['photos'])
    })

    it('leaves a file with other bytes alone (11), and replaces it with --overwrite', async () => {
      const there = makeFile(cluster.folder('taken/photos/d0/f5'), 50, 'mine')
      const before = sha256(there)
      const args = ['get', 'photos', '-o', cluster.folder('taken')]
      const answer = await n2!.run(args)
      expect([answer.code, errorOf(answer).code]).toEqual([11, 'conflict'])
      expect(errorOf(answer).message).toContain('f5')
      expect(contents(cluster.folder('taken'))).toEqual({ '/photos/d0/f5': before })
      const { path } = await n2!.ok('get', [...args.slice(1), '--overwrite'])
      expect(contents(path)).toEqual(contents(folder))
    })

    it('--no-share does not make a holder', async () => {
      await n2!.run(['rm', 'report.bin'])
      const { id } = await n2!.ok('get', ['report.bin', '-o', cluster.folder('quiet'), '--no-share'])
      const { shares } = (await n1!.ok('ls', ['--all'])) as { shares: Array<{ id: string; holders: string[] }> }
      expect(shares.find(share => share.id === id)).toMatchObject({ holders: ['n1'] })
    })

    it('of what nobody shares is not found (3)', async () => {
      const answer = await n2!.run(['get', '0'.repeat(64)])
      expect([answer.code, errorOf(answer).code]).toEqual([3, 'not-found'])
    })
  })

  describe('a download that Ctrl-C interrupts', () => {
    let id: string
    let file: string
    let args: string[]
    beforeAll(async () => {
      file = makeFile(cluster.folder('long.bin'), 12 * MIB)
      ;({ id } = await slow!.ok('share', [file]))
      args = ['get', 'long.bin', '-o', cluster.folder('long')]
    })

    it('is paused, exit 7, and the same command goes on with it', async () => {
      const { child, answer } = n2!.begin(args)
      await until('some of it is there', async () => ((await n2!.transfer(id))?.haveBytes ?? 0) > MIB)
      child.kill('SIGINT')
      expect((await answer).code).toBe(7)
      const paused = await n2!.transfer(id)
      expect(paused).toMatchObject({ state: 'paused', reason: 'user' })
      await n2!.kill('SIGKILL')
      await n2!.start()
      expect(await n2!.transfer(id), 'over a restart too').toMatchObject({ state: 'paused' })
      const done = await n2!.ok('get', args.slice(1))
      expect(sha256(done.path)).toBe(sha256(file))
      expect(done.reusedBytes).toBeGreaterThan(0)
      expect(done.fetchedBytes + done.reusedBytes).toBe(12 * MIB)
    })

    it('goes on when only the terminal is lost', async () => {
      await n1!.ok('members', ['--wait', '3'])
      const { child, answer } = n1!.begin(['get', id, '-o', cluster.folder('lost')])
      await until('it is under way', async () => (await n1!.transfer(id))?.state === 'fetching')
      child.kill('SIGHUP')
      expect((await answer).code).toBe(7)
      await until('it is complete all the same', async () => (await n1!.transfer(id))?.state === 'complete')
      expect(sha256(cluster.folder('lost/long.bin'))).toBe(sha256(file))
    })
  })

  describe('rm', () => {
    it('asks when this is the last holder (11 to a script), and files stay', async () => {
      const file = makeFile(cluster.folder('only.bin'), 1_000)
      const { id } = await n1!.ok('share', [file])
      const refused = await n1!.run(['rm', id])
      expect([refused.code, errorOf(refused).code]).toEqual([11, 'conflict'])
      expect(await n1!.ok('rm', [id, '--yes'])).toMatchObject({ id, removed: true })
      expect((await n1!.run(['ls', id])).code).toBe(3)
      expect(fs.existsSync(file)).toBe(true)
    })

    it('does not ask when another holds it, and --delete-files deletes', async () => {
      const { id } = await n1!.ok('share', [makeFile(cluster.folder('both.bin'), 1_000)])
      const { path } = await n2!.ok('get', [id, '-o', cluster.folder('got')])
      expect(await n2!.ok('rm', [id, '--delete-files'])).toMatchObject({ removed: true, deletedFiles: 1 })
      expect(fs.existsSync(path)).toBe(false)
      expect((await n2!.ok('get', [id, '-o', cluster.folder('got')])).fetchedBytes).toBe(1_000)
    })
  })

  describe('overlays', () => {
    let other: Daemon
    let ticket: string
    beforeAll(async () => {
      other = await cluster.found('other')
      ;({ ticket } = await other.ok('invite'))
    })

    it("another overlay's ticket is a conflict (11) for one that has met members", async () => {
      const answer = await n2!.run(['join', '-'], { input: ticket })
      expect([answer.code, errorOf(answer).code]).toEqual([11, 'conflict'])
      expect(await n1!.sees(n2!)).toBe('alive')
    })

    it('after leave it joins the other one, with what it shares', async () => {
      await n2!.ok('leave')
      await until('the others see that it left', async () => (await n1!.sees(n2!)) === 'left')
      expect(await n2!.ok('members')).toMatchObject({ members: [{ name: 'n2' }] })
      expect(await n2!.ok('join', ['-'], { input: ticket })).toMatchObject({ members: 2 })
      await until('the founder of the other sees it', async () => (await other.sees(n2!)) === 'alive')
      expect(await n1!.sees(n2!)).toBe('left')
      const { path } = await other.ok('get', ['photos', '-o', cluster.folder('elsewhere')])
      expect(contents(path)).toEqual(contents(cluster.folder('photos')))
    })
  })

  it('a cut ticket is bad input (1), and says so', async () => {
    const { ticket } = await n1!.ok('invite')
    const answer = await n2!.run(['join', ticket.slice(0, -5)])
    expect(answer.code).toBe(1)
    expect(errorOf(answer).message).toMatch(/incomplete or mistyped/)
  })
})
