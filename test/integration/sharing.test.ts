/** `share` on a real daemon: who ends it, what fails in it, and what is shared after that. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster, errorOf, until, type Daemon } from './cluster.ts'
import { makeFile } from './content.ts'

/** Sparse; hashed in one to two seconds by an idle machine. */
const LARGE_BYTES = 1.5 * 2 ** 30
/** For a busy machine. */
const HASHED_MS_MAX = 180_000

let cluster: Cluster
let node: Daemon
beforeAll(async () => {
  cluster = await Cluster.start(1)
  node = cluster.node(1)
})
afterAll(() => cluster.close())

function large(name: string): string {
  const file = makeFile(cluster.folder(name), 100, name)
  fs.truncateSync(file, LARGE_BYTES)
  return file
}

const shared = async (file: string): Promise<boolean> => {
  const { shares } = (await node.ask('ls', {})) as { shares: Array<{ path?: string }> }
  return shares.some(share => share.path === file)
}
const hashing = async (file: string): Promise<boolean> => {
  const { sharing = [] } = await node.ask('status', {})
  return sharing.some(({ path, bytes }) => path === file && bytes > 0)
}

describe('a share that is being hashed', () => {
  it.each(['SIGHUP', 'SIGKILL'] as const)('is made although its client ends by %s', async signal => {
    const file = large(`by-${signal}.img`)
    const { child, answer } = node.begin(['share', file])
    await until('it is hashed', () => hashing(file))
    child.kill(signal)
    if (signal === 'SIGHUP') expect(await answer).toMatchObject({ code: 7 })
    else await expect(answer).rejects.toThrow('SIGKILL')
    await until('it is shared', () => shared(file), HASHED_MS_MAX)
  })

  it('is cancelled by SIGINT, and nothing of it is shared', async () => {
    const file = large('cancelled.img')
    const { child, answer } = node.begin(['share', file])
    await until('it is hashed', () => hashing(file))
    child.kill('SIGINT')
    const ended = await answer
    expect([ended.code, errorOf(ended).message]).toEqual([7, 'cancelled; 1 of 1 path not shared'])
    expect([(await node.ask('status', {})).sharing, await shared(file)]).toEqual([undefined, false])
    expect(fs.readdirSync(path.join(node.home, 'leaf-hashes/tmp'))).toEqual([])
  })

  it('is joined by a second share of its path', async () => {
    const file = large('joined.img')
    const first = node.begin(['share', file])
    await until('it is hashed', () => hashing(file))
    const second = node.begin(['share', file])
    const [one, two] = await Promise.all([first.answer, second.answer])
    expect(one.lines.at(-1)).toMatchObject({ filesHashed: 1, filesReused: 0 })
    expect(two.lines.at(-1)).toEqual(one.lines.at(-1))
  })

  it('ends when the daemon stops, and the client says so', async () => {
    const file = large('stopped.img')
    const { answer } = node.begin(['share', file])
    await until('it is hashed', () => hashing(file))
    await node.stop()
    const ended = await answer
    expect([ended.code, errorOf(ended).message]).toEqual([7, expect.stringMatching(/the daemon (stops|is stopping)/)])
    await node.start()
    expect(await shared(file)).toBe(false)
  })
})

describe('of a folder', () => {
  it('that is written to all the time, every share succeeds, and the rest is shared', async () => {
    const folder = cluster.folder('live')
    for (let at = 0; at < 300; at++) makeFile(path.join(folder, `f${at}`), 1_000, `f${at}`)
    let turn = 0
    const writer = setInterval(() => {
      fs.appendFileSync(path.join(folder, 'app.log'), `${turn}\n`)
      fs.writeFileSync(path.join(folder, `tmp.${++turn}`), 'x')
      fs.rmSync(path.join(folder, `tmp.${turn - 2}`), { force: true })
    }, 1)
    try {
      for (let share = 0; share < 5; share++) {
        const { files } = await node.ok('share', [folder])
        expect(files).toBeGreaterThanOrEqual(300)
      }
    } finally {
      clearInterval(writer)
    }
  })

  it('with a file of 2400, what was shared before is replaced only by what can be shared', async () => {
    const folder = cluster.folder('dated')
    makeFile(path.join(folder, 'a'), 100, 'a')
    const before = await node.ok('share', [folder])
    fs.utimesSync(makeFile(path.join(folder, 'b'), 100, 'b'), 13_569_465_600, 13_569_465_600)
    fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9)]), 'latin1')
    const strict = await node.run(['share', '--strict', folder])
    expect([strict.code, errorOf(strict).code]).toEqual([1, 'bad-input'])
    const { shares } = (await node.ask('ls', {})) as { shares: Array<{ id: string; path?: string }> }
    expect(shares.find(share => share.path === folder)?.id).toBe(before.id)
    expect(await node.ok('share', [folder])).toMatchObject({ files: 2, skipped: { names: 1 } })
  })
})

describe('of many paths', () => {
  it('those that succeed are printed, and the others fail', async () => {
    const folder = cluster.folder('many')
    const paths = Array.from({ length: 1_100 }, (_, at) => makeFile(path.join(folder, `p${at}`), 50, `p${at}`))
    const missing = path.join(folder, 'missing')
    const { code, lines } = await node.run(['share', ...paths.slice(0, 600), missing, ...paths.slice(600)])
    expect(code).toBe(3)
    expect(lines.filter(line => line['error'] !== undefined)).toMatchObject([{ path: missing }])
    expect(lines.flatMap(line => line['name'] ?? [])).toEqual(paths.map(file => path.basename(file)))
  })
})
