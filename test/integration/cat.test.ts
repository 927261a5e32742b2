/** `shoal cat` on real daemons: of what is here, of what is being fetched, and of what is fetched in passing. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster, until, type Daemon } from './cluster.ts'
import { makeFile, sha256 } from './content.ts'
import { bytesOf, cat } from './readers.ts'

const MB = 1_000_000
/** Read with a pattern, some of these names would mean others of them; some are names of folders elsewhere. */
const HOSTILE_NAMES = ['a\\b', 'ab', 'a*b', 'axb', '[x]', 'x', 'sub/x/y', 'sub/a?', 'sub/az', '{a,b}', ' ', '%41', '🐟']
/** More than a pipe and the buffers of a process hold. */
const HOSTILE_BYTES = MB

function filesIn(folder: string): string[] {
  if (!fs.existsSync(folder)) return []
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath, entry.name))
}

describe('on one that reads and a slow one that holds', () => {
  let cluster: Cluster
  let reader: Daemon
  let film: string
  let id: string
  let album: string
  let albumId: string
  let hostile: string
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    reader = cluster.node(1)
    await cluster.join('slow', { peer: ['--rate', String(4 * MB)] })
    await cluster.converged()
    film = makeFile(cluster.folder('film.bin'), 12 * MB)
    album = cluster.folder('album')
    makeFile(path.join(album, 'sub/a [1]*.jpg'), 300_000, 'one')
    makeFile(path.join(album, 'other.bin'), 8 * MB, 'other')
    fs.writeFileSync(path.join(album, 'empty'), '')
    hostile = cluster.folder('hostile')
    for (const name of HOSTILE_NAMES) makeFile(path.join(hostile, name), HOSTILE_BYTES, name)
    const { shares } = await cluster.node(2).ask('share', { paths: [film, album, hostile] })
    ;[id, albumId] = [shares[0]!.id, shares[1]!.id]
  })
  afterAll(() => cluster.close())

  const passing = (): string[] => {
    const folder = path.join(reader.home, 'passing')
    return fs.existsSync(folder) ? fs.readdirSync(folder) : []
  }
  /** Nothing of what was fetched in passing is left, nor known. */
  const isForgotten = (): Promise<boolean> =>
    until('nothing is left of it', async () => {
      const { transfers } = await reader.ask('status', {})
      return passing().length === 0 && transfers.length === 0
    })

  it('prints a file that is held by nobody here, and keeps nothing', async () => {
    const { code, stdout, stderr } = await cat(reader, [`album/sub/a [1]*.jpg`]).printed
    expect([code, stderr]).toEqual([0, 'waiting for the members to say who has it\n'])
    expect(stdout.equals(fs.readFileSync(path.join(album, 'sub/a [1]*.jpg')))).toBe(true)
    expect(await isForgotten()).toBe(true)
  })

  it.each(HOSTILE_NAMES)('prints the file %j, and fetches no other', async name => {
    const { child, printed } = cat(reader, [`hostile/${name}`])
    // What was fetched stays for as long as the reader does not go on.
    child.stdout!.pause()
    const fetched = await until('it is fetched', () => {
      const files = filesIn(path.join(reader.home, 'passing'))
      return files.length > 0 && !files.some(file => file.endsWith('.part')) && files
    })
    // By what they hold: in there a backslash of a name is replaced.
    const sums = fetched.map(sha256)
    child.stdout!.resume()
    expect(sums).toEqual([sha256(path.join(hostile, name))])
    const { code, stdout } = await printed
    expect([code, stdout.equals(fs.readFileSync(path.join(hostile, name)))]).toEqual([0, true])
    expect(await isForgotten()).toBe(true)
  })

  it('prints parts: --range, --offset, --length, from the end, of an empty file', async () => {
    const parts: Array<[string[], Buffer]> = [
      [['--range', '5000000-5000099'], bytesOf(film, 5_000_000, 5_000_100)],
      [['--range', '-10'], bytesOf(film, 12 * MB - 10, 12 * MB)],
      [['--range', '11999990-'], bytesOf(film, 12 * MB - 10, 12 * MB)],
      [['--offset', '7000000', '--length', '100'], bytesOf(film, 7_000_000, 7_000_100)],
      [['--offset', String(12 * MB)], Buffer.alloc(0)]
    ]
    for (const [options, right] of parts) {
      const { code, stdout } = await cat(reader, [id, ...options]).printed
      expect([code, stdout.equals(right)], options.join(' ')).toEqual([0, true])
    }
    expect(await cat(reader, [`${albumId}/empty`]).printed).toMatchObject({ code: 0, stdout: Buffer.alloc(0) })
  })

  it('offers to nobody what it fetches in passing', async () => {
    const { child, printed } = cat(reader, [id])
    // Its first bytes: what came before it may not have been forgotten yet.
    await new Promise(resolve => child.stdout!.once('data', resolve))
    expect(passing().length).toBeGreaterThan(0)
    const { shares } = (await cluster.node(2).ask('ls', { all: true })) as {
      shares: Array<{ id: string; holders?: string[] }>
    }
    expect(shares.find(share => share.id === id)?.holders).toEqual(['slow'])
    child.kill('SIGINT')
    const { code, stderr } = await printed
    expect(code).toBe(7)
    expect(stderr).toMatch(/interrupted after [0-9]+ bytes\n {2}--offset [0-9]+ goes on\n$/)
    expect(await isForgotten()).toBe(true)
  })

  it('is quiet when its reader has seen enough', async () => {
    const { child, printed } = cat(reader, [id])
    child.stdout!.once('data', () => child.stdout!.destroy())
    const { code, stderr } = await printed
    expect([code, stderr.replace(/^waiting for .*\n/, '')]).toEqual([0, ''])
    expect(await isForgotten()).toBe(true)
  })

  it('goes on with the download of a get that takes over', async () => {
    const { printed } = cat(reader, [id])
    await until('it is fetched', () => passing().length > 0)
    const got = await reader.ok('get', [id, '-o', cluster.folder('got')])
    expect(sha256(got.path)).toBe(sha256(film))
    const { code, stdout } = await printed
    expect([code, stdout.equals(fs.readFileSync(film))]).toEqual([0, true])
    expect(passing()).toEqual([])
    await reader.ok('rm', [id, '--delete-files'])
  })

  it('reads along with a get, and what is here without asking anybody', async () => {
    const getting = reader.begin(['get', id, '-o', cluster.folder('along')])
    await until('it is under way', async () => (await reader.transfer(id))?.state === 'fetching')
    const { code, stdout } = await cat(reader, [id, '--range', '9000000-9999999']).printed
    expect([code, stdout.equals(bytesOf(film, 9_000_000, 10_000_000))]).toEqual([0, true])
    expect((await reader.transfer(id))?.state).toBe('fetching')
    expect((await getting.answer).code).toBe(0)
    const whole = await cat(reader, ['film.bin']).printed
    expect([whole.code, whole.stderr, whole.stdout.equals(fs.readFileSync(film))]).toEqual([0, '', true])
    await reader.ok('rm', [id, '--delete-files'])
  })

  it('what a crash left behind goes with the next start', async () => {
    const { printed } = cat(reader, [id])
    await until('it is fetched', () => passing().length > 0)
    await reader.kill('SIGKILL')
    expect((await printed).code).toBe(6)
    expect(passing()).toEqual([id])
    await reader.start()
    expect(passing()).toEqual([])
    expect((await reader.ask('status', {})).transfers).toEqual([])
    await cluster.converged()
  })

  it('refuses with what is wrong and what to do next', async () => {
    const refusals: Array<[string[], number, RegExp]> = [
      [[`${albumId}/sub`], 1, /this is a folder.*\n {2}its files: shoal ls/],
      [[albumId], 1, /this is a folder/],
      [[`${albumId}/nothing`], 3, /has no file "nothing"/],
      [[`${albumId}/../etc/passwd`], 3, /has no file/],
      [['nobody has this'], 3, /nobody in this overlay shares/],
      [[id, '--offset', '99999999'], 64, /has 12000000 bytes/],
      [[id, '--range', '5-1'], 64, /no range of bytes/],
      [[id, '--range', '1-2', '--offset', '1'], 64, /--range says/],
      [[id, '--json'], 64, /cat prints bytes/]
    ]
    for (const [args, status, words] of refusals) {
      const { code, stdout, stderr } = await cat(reader, args).printed
      expect(code, args.join(' ')).toBe(status)
      expect(stderr + stdout.toString()).toMatch(words)
    }
    expect(await isForgotten()).toBe(true)
  })

  it('says so when the download leaves the file out, or is paused', async () => {
    await reader.ok('get', [albumId, '-o', cluster.folder('some'), '--include', 'empty'])
    expect(await cat(reader, [`${albumId}/other.bin`]).printed).toMatchObject({
      code: 11,
      stderr: `shoal: the download of ${albumId} leaves this file out\n  get it with an --include that takes it: shoal get ${albumId}\n`
    })
    await reader.ok('rm', [albumId])
    void reader.begin(['get', id, '-o', cluster.folder('paused')])
    await until('it is under way', async () => (await reader.transfer(id))?.state === 'fetching')
    await reader.ask('pause', { id })
    const { code, stderr } = await cat(reader, [id, '--range', '-10']).printed
    expect([code, stderr]).toEqual([11, `shoal: the download of ${id} is paused\n  go on: shoal get ${id}\n`])
  })

  it('without a daemon says how to start one', async () => {
    await reader.stop()
    const { code, stderr } = await cat(reader, [id]).printed
    expect(code).toBe(6)
    expect(stderr).toContain('no daemon runs')
  })
})
