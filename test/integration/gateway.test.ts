/** Contents read by HTTP on real daemons: while they are being fetched, and once they are here. */
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../src/base/random.ts'
import { LEAF_BYTES } from '../../src/wire/bittorrent/layout.ts'
import { Cluster, Daemon, errorOf, until } from './cluster.ts'
import { makeFile } from './content.ts'
import { bytesOf, cat, read, withGateway } from './readers.ts'

const MB = 1_000_000
const FILM_BYTES = 100 * MB
const JUMPS = 16
const PART_BYTES = 300_000
/** Promised are 2 s on a machine that does nothing else; npm run bench -- gateway has the figure. */
const FIRST_BYTE_MS_MAX = 8_000

describe('while a film of 100 MB is fetched from a slow and a faster holder', () => {
  let cluster: Cluster
  let film: string
  let id: string
  let base: string
  let reader: Daemon
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    reader = cluster.node(1)
    await cluster.join('slow', { peer: ['--rate', String(MB)] })
    await cluster.join('faster', { peer: ['--rate', String(3 * MB)] })
    base = await withGateway(reader)
    await cluster.converged()
    film = makeFile(cluster.folder('film.mp4'), FILM_BYTES)
    for (const holder of [2, 3]) ({ id } = (await cluster.node(holder).ask('share', { paths: [film] })).shares[0]!)
    void reader.begin(['get', id, '-o', cluster.folder('got')])
    await until('5 % is there', async () => ((await reader.transfer(id))?.haveBytes ?? 0) >= FILM_BYTES * 0.05)
  })
  afterAll(() => cluster.close())

  it('the first byte of any range comes soon, and the bytes are equal', async () => {
    const random = Random.from('jumps')
    const times: number[] = []
    for (let jump = 0; jump < JUMPS; jump++) {
      const start = random.below(FILM_BYTES - PART_BYTES)
      const end = start + PART_BYTES
      const got = await read(`${base}${id}/film.mp4`, { range: `bytes=${start}-${end - 1}` })
      expect(got.status).toBe(206)
      expect(got.headers).toMatchObject({ 'content-range': `bytes ${start}-${end - 1}/${FILM_BYTES}` })
      expect(got.body.equals(bytesOf(film, start, end))).toBe(true)
      times.push(got.firstByteMs)
    }
    expect(Math.max(...times)).toBeLessThan(FIRST_BYTE_MS_MAX)
    const row = await reader.transfer(id)
    expect(row?.haveBytes, 'the most of it was not here yet').toBeLessThan(FILM_BYTES * 0.6)
  })

  it('a reader that stops reading costs no memory', async () => {
    // The most that the download alone takes; then the most that it takes beside twenty readers, each of whom could have half of the film by then.
    const alone = await peakUntil(0.35)
    const port = Number(new URL(base).port)
    const sockets = Array.from({ length: 20 }, () => {
      const socket = net.connect(port, '127.0.0.1')
      socket.write(`GET /content/${id}/ HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`)
      return socket.pause()
    })
    const beside = await peakUntil(0.55)
    for (const socket of sockets) socket.destroy()
    expect(beside - alone).toBeLessThan(30 << 20)
  })

  async function peakUntil(share: number): Promise<number> {
    let peakBytes = 0
    await until(`${100 * share} % is there`, async () => {
      peakBytes = Math.max(peakBytes, (await reader.ask('status', {})).rssBytes)
      return ((await reader.transfer(id))?.haveBytes ?? 0) >= FILM_BYTES * share
    })
    return peakBytes
  }

  it('what is here of a paused download is read, and the rest is a conflict that says how to go on', async () => {
    await reader.ask('pause', { id })
    const found = await Promise.all(
      Array.from({ length: 40 }, (_, i) => read(`${base}${id}/`, { range: `bytes=${i * 2 * MB}-${i * 2 * MB + 9}` }))
    )
    const statuses = new Set(found.map(({ status }) => status))
    expect([...statuses].sort()).toEqual([206, 409])
    const refused = found.find(({ status }) => status === 409)!
    expect(refused.body.toString()).toBe(`the download of ${id} is paused\ngo on: shoal get ${id}\n`)
  })

  it('nothing of it is unverified: what another program wrote into the unfinished file is not given', async () => {
    const part = cluster.folder('got/film.mp4.part')
    const handle = fs.openSync(part, 'r+')
    const zeros = Buffer.alloc(FILM_BYTES / 100)
    for (let i = 0; i < 100; i++) fs.writeSync(handle, zeros, 0, zeros.length, (i * FILM_BYTES) / 100)
    fs.closeSync(handle)
    const got = await read(`${base}${id}/`, { range: 'bytes=0-9' })
    expect(got.status).toBe(409)
  })
})

describe('when nothing arrives any more', () => {
  let cluster: Cluster
  let base: string
  let id: string
  let reader: Daemon
  let missing: number
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    reader = cluster.node(1)
    await cluster.join('stopped', { peer: ['--rate', String(4 * MB)] })
    base = await withGateway(reader)
    await cluster.converged()
    const film = makeFile(cluster.folder('film.mp4'), 40 * MB)
    ;({ id } = (await cluster.node(2).ask('share', { paths: [film] })).shares[0]!)
    void reader.begin(['get', id, '-o', cluster.folder('got')])
    await until('some is there', async () => ((await reader.transfer(id))?.haveBytes ?? 0) > MB)
    expect((await read(`${base}${id}/`, { range: 'bytes=0-99999' })).status).toBe(206)
    await cluster.node(2).kill('SIGSTOP')
    const isMissing = (leaf: number): boolean => {
      const bytes = bytesOf(cluster.folder('got/film.mp4.part'), leaf * LEAF_BYTES, leaf * LEAF_BYTES + 100)
      return bytes.every(byte => byte === 0)
    }
    // What was on its way has come.
    await until('it stands still', async () => ((await reader.transfer(id))?.bytesPerSecond ?? 1) === 0)
    for (missing = 0; !isMissing(missing);) missing++
  })
  afterAll(() => cluster.close())

  it('a wait ends: with 504 before the head, by cutting the connection after it, with 2 for cat', async () => {
    const at = missing * LEAF_BYTES
    const [late, cut, printed] = await Promise.all([
      read(`${base}${id}/`, { range: `bytes=${at}-` }),
      read(`${base}${id}/`, { range: `bytes=${at - 10}-` }).catch((error: unknown) => error),
      cat(reader, [id, '--offset', String(at)]).printed
    ])
    expect(late.status).toBe(504)
    expect(late.body.toString()).toMatch(/^nothing of what comes next arrived within 30 s\n/)
    expect(cut).toBeInstanceOf(Error)
    expect(reader.logged('a reader was cut off')).toMatchObject([{ level: 'warn', code: 'timeout' }])
    expect([printed.code, printed.stderr]).toEqual([2, expect.stringMatching(/^shoal: nothing of what comes next/)])
  })
})

describe('what is held', () => {
  let cluster: Cluster
  let base: string
  let id: string
  let folder: string
  beforeAll(async () => {
    cluster = await Cluster.start(1)
    base = await withGateway(cluster.node(1))
    folder = cluster.folder('photos')
    makeFile(path.join(folder, 'sub/日本 & <b>.jpg'), 100_000, 'photo')
    makeFile(path.join(folder, 'notes.txt'), 50_000, 'notes')
    makeFile(path.join(folder, 'run.html'), 100, 'page')
    makeFile(path.join(folder, `\u202egpj\u0007\n".exe`), 10, 'hostile')
    fs.writeFileSync(path.join(folder, 'empty.txt'), '')
    fs.mkdirSync(path.join(folder, 'void'))
    ;({ id } = (await cluster.node(1).ask('share', { paths: [folder] })).shares[0]!)
  })
  afterAll(() => cluster.close())

  const at = (...names: string[]): string => `${base}${id}/${names.map(name => encodeURIComponent(name)).join('/')}`

  it('is given whole, with its type, length and tag, in a sandbox', async () => {
    const { status, headers, body } = await read(at('sub', '日本 & <b>.jpg'))
    expect(status).toBe(200)
    expect(body.equals(fs.readFileSync(path.join(folder, 'sub/日本 & <b>.jpg')))).toBe(true)
    expect(headers).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': '100000',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'private, max-age=31536000, immutable'
    })
    expect(headers.etag).toMatch(/^"[0-9a-f]{64}-186a0"$/)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })

  it('is given in part: ranges, suffixes, behind the end, of another version', async () => {
    const right = fs.readFileSync(path.join(folder, 'notes.txt'))
    const url = at('notes.txt')
    const { etag } = (await read(url, {}, 'HEAD')).headers
    const answers: Array<[Record<string, string>, number, Buffer | undefined]> = [
      [{ range: 'bytes=10-19' }, 206, right.subarray(10, 20)],
      [{ range: 'bytes=49990-' }, 206, right.subarray(49_990)],
      [{ range: 'bytes=16380-16390' }, 206, right.subarray(16_380, 16_391)],
      [{ range: 'bytes=-7' }, 206, right.subarray(-7)],
      [{ range: 'bytes=50000-' }, 416, undefined],
      [{ range: 'bytes=0-1,5-6' }, 200, right],
      [{ range: 'bytes=10-19', 'if-range': etag! }, 206, right.subarray(10, 20)],
      [{ range: 'bytes=10-19', 'if-range': '"other"' }, 200, right],
      [{ 'if-none-match': `"x", ${etag!}` }, 304, Buffer.alloc(0)]
    ]
    for (const [headers, status, bytes] of answers) {
      const got = await read(url, headers)
      expect([got.status, bytes === undefined || got.body.equals(bytes)], JSON.stringify(headers)).toEqual([
        status,
        true
      ])
    }
    expect((await read(url, { range: 'bytes=50000-' })).headers['content-range']).toBe('bytes */50000')
    expect((await read(at('empty.txt'))).body.length).toBe(0)
  })

  it('answers HEAD without bytes, and other methods not at all', async () => {
    const head = await read(at('notes.txt'), {}, 'HEAD')
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '50000', 0])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await read(at('notes.txt'), {}, method)
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
    }
  })

  it('lists folders as a page without script and markup, and as JSON', async () => {
    expect((await read(`${base}${id}`)).headers.location).toBe(`/content/${id}/`)
    expect((await read(at('sub'))).headers.location).toBe(`/content/${id}/sub/`)
    const top = await read(`${base}${id}/`)
    expect(top.headers['content-security-policy']).toContain("default-src 'none'")
    expect(top.body.toString()).toContain('\\u{202e}gpj\\u{7}\\n&#34;.exe')
    expect(top.body.toString()).toContain('<a href="./void/">')
    const sub = await read(`${at('sub')}/`)
    expect(sub.body.toString()).toContain('日本 &#38; &#60;b&#62;.jpg')
    expect(sub.body.toString()).not.toContain('<b>')
    const json = JSON.parse((await read(`${base}${id}/`, { accept: 'application/json' })).body.toString()) as object
    expect(json).toMatchObject({ id, path: [], name: 'photos', more: 0 })
    expect((json as { entries: Array<{ name: string }> }).entries.map(({ name }) => name)).toEqual([
      ...['sub', 'void', 'empty.txt', 'notes.txt', 'run.html', '\u202egpj\u0007\n".exe']
    ])
  })

  it('hostile names end no header and no line', async () => {
    const { status, headers } = await read(at('\u202egpj\u0007\n".exe'))
    expect(status).toBe(200)
    expect(headers['content-disposition']).toBe(`attachment; filename="_gpj___.exe"; filename*=UTF-8''_gpj__%22.exe`)
    expect((await read(at('run.html'))).headers['content-disposition']).toMatch(/^attachment/)
    const missing = await read(at('\u202e\u001b[2J<script>'))
    expect([missing.status, missing.headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8'])
    // eslint-disable-next-line no-control-regex -- that is what must not be there
    expect(missing.body.toString()).not.toMatch(/[\u0000-\u0009\u001b\u202e]/)
  })

  it('is nothing beside it: traversal, NUL, overlong, unknown, another host', async () => {
    const targets = ['../../etc/passwd', '..%2f..%2fetc', 'sub/../notes.txt', '%00', 'a%00b', '%ff', '%', './notes.txt']
    for (const target of targets) expect((await read(`${base}${id}/${target}`)).status, target).toBe(400)
    expect((await read(`${base}${id}/${'a'.repeat(256)}`)).status).toBe(400)
    expect((await read(`${base}${id}/${'a/'.repeat(6_000)}`)).status).toBe(400)
    // It may hang up before all of it was sent.
    const tooLong = await read(`${base}${id}/${'a'.repeat(65_536)}`).catch(() => undefined)
    expect(tooLong?.status ?? 431).toBe(431)
    expect((await read(`${base}${id}/notes.txt/`)).status).toBe(404)
    const unknown = await read(`${base}${'0'.repeat(64)}/`)
    expect(unknown.status).toBe(404)
    expect(unknown.body.toString()).toBe(
      `this node neither holds nor fetches ${'0'.repeat(64)}\nshoal get ${'0'.repeat(64)}\n`
    )
    const { port } = new URL(base)
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1:1', '10.0.0.1', `127.0.0.1.evil:${port}`])
      expect((await read(at('notes.txt'), { host })).status, host).toBe(403)
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`])
      expect((await read(at('notes.txt'), { host })).status, host).toBe(200)
    expect((await read(`http://127.0.0.1:${port}/v1/hello`, {}, 'POST')).status).toBe(404)
  })

  it('a port that is taken is a conflict (11) that says where to choose another', async () => {
    const home = cluster.folder('second')
    const { port } = new URL(base)
    const second = new Daemon('second', home, { ...process.env, SHOAL_GUARDIAN: String(process.pid) })
    const answer = await second.run(['daemon', '--listen', '127.0.0.1:0', '--gateway', `127.0.0.1:${port}`])
    expect([answer.code, errorOf(answer).code]).toEqual([11, 'conflict'])
    expect(errorOf(answer).hint).toContain('shoal config set gateway')
  })

  it('is not given once it changed on disk', async () => {
    const file = makeFile(cluster.folder('lone.txt'), 40_000, 'lone')
    const { shares } = await cluster.node(1).ask('share', { paths: [file] })
    const url = `${base}${shares[0]!.id}/lone.txt`
    expect((await read(url)).status).toBe(200)
    fs.appendFileSync(file, 'more')
    const changed = await read(url)
    expect(changed.status).toBe(409)
    expect(changed.body.toString()).toContain('share it again')
  })
})
