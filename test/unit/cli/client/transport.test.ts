import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { socketTransport } from '../../../../src/cli/client/transport.ts'
import { nameSocket } from '../../../../src/daemon/home/socket-path.ts'
import { parseSocketNote } from '../../../../src/wire/control/home.ts'
import { temporaryFolder } from '../../daemon/temporary.ts'

/** A daemon that answers every call with these bytes and hangs up. */
async function answering(bytes: string): Promise<string> {
  const home = temporaryFolder()
  const socket = path.join(home, 's')
  const server = net.createServer(client => {
    client.on('error', () => undefined)
    client.once('data', () => client.end(bytes))
  })
  server.listen(socket)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  fs.writeFileSync(path.join(home, 'socket'), `${socket}\n`)
  return home
}

const ok = 'HTTP/1.1 200 OK\r\n\r\n'
const ask = async (home: string, signal = new AbortController().signal): Promise<unknown> =>
  socketTransport(home, 'shoal daemon').ask('hello', {}, { signal })

it.each([
  ['nothing', '', 'unreachable'],
  ['no HTTP', 'hello\n', 'unreachable'],
  ['no line', ok, 'unreachable'],
  ['only events', `${ok}{"v":1,"event":"x"}\n`, 'unreachable'],
  ['half a line', `${ok}{"v":1,"id"`, 'unreachable'],
  ['a line that only looks whole', `${ok}{"v":1}`, 'unreachable'],
  ['a chunk that is cut off', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{"v":1}`, 'unreachable'],
  ['no JSON', `${ok}hello\n`, 'internal'],
  ['another version', `${ok}{"v":2}\n`, 'internal'],
  ['a number', `${ok}7\n`, 'internal'],
  ['an error of a code to come', `${ok}{"v":1,"error":{"code":"eaten","message":"by a whale"}}\n`, 'internal'],
  ['an error that is none', `${ok}{"v":1,"error":7}\n`, 'internal']
])('a daemon that answers with %s', async (_, bytes, code) => {
  await expect(ask(await answering(bytes))).rejects.toThrow(expect.objectContaining({ name: 'ShoalError', code }))
})

const hello = { id: 'x', name: 'cod', addresses: [], ready: true, overlay: 'y', version: '1.0.0', pid: 7 }
const lines = (...all: object[]): string => all.map(line => `${JSON.stringify({ v: 1, ...line })}\n`).join('')

it('resolves with the fields of the schema, without v and without what it does not know', async () => {
  expect(await ask(await answering(ok + lines({ ...hello, colour: 'red' })))).toEqual(hello)
})

it.each([
  ['lacks a field', { ...hello, pid: undefined }, ': pid'],
  ['has a field of another type', { ...hello, addresses: [7] }, ': addresses.0']
])('refuses an answer that %s, and names it', async (_, line, where) => {
  const refused = { code: 'internal', message: expect.stringContaining(where) as unknown }
  await expect(ask(await answering(ok + lines(line)))).rejects.toThrow(expect.objectContaining(refused))
})

describe('events', () => {
  const done = { closed: true }
  const cat = async (bytes: string): Promise<unknown[]> => {
    const events: unknown[] = []
    const asking = { signal: new AbortController().signal, onEvent: (event: unknown) => void events.push(event) }
    await socketTransport(await answering(bytes), '').ask('cat', { what: 'x' }, asking)
    return events
  }

  it('arrive in order, without v and without what the schema does not know', async () => {
    const waiting = { event: 'waiting', for: 'x' }
    const open = { event: 'open', id: 'a', url: '/a', bytes: 7 }
    expect(await cat(ok + lines(waiting, { ...open, colour: 'red' }, done))).toEqual([waiting, open])
  })

  it('of a name that only a newer daemon has are left out', async () => {
    expect(await cat(ok + lines({ event: 'closing', soon: true }, done))).toEqual([])
  })

  it('that the schema refuses are an error which names the field', async () => {
    const refused = { code: 'internal', message: expect.stringContaining(': bytes') as unknown }
    const open = { event: 'open', id: 'a', url: '/a', bytes: 'many' }
    await expect(cat(ok + lines(open, done))).rejects.toThrow(expect.objectContaining(refused))
  })
})

it('no home, or a socket that nobody holds', async () => {
  const home = temporaryFolder()
  const nobody: unknown = expect.objectContaining({ code: 'unreachable', hint: 'start one: shoal daemon' })
  await expect(ask(path.join(home, 'none'))).rejects.toThrow(nobody)
  fs.writeFileSync(path.join(home, 'socket'), path.join(home, 'gone'))
  await expect(ask(home)).rejects.toThrow(nobody)
})

it('nobody on a copy of a home: the socket that it names is that of the original', async () => {
  const stop = async (home: string): Promise<unknown> =>
    socketTransport(home, 'shoal daemon').ask('stop', {}, { signal: new AbortController().signal })
  const home = await answering(`${ok}{"v":1,"stopping":true}\n`)
  const { socket } = parseSocketNote(fs.readFileSync(path.join(home, 'socket'), 'utf8'))
  nameSocket(home, socket)
  expect(await stop(home)).toEqual({ stopping: true })
  const copy = `${home}-copy`
  onTestFinished(() => {
    fs.rmSync(copy, { recursive: true, force: true })
  })
  fs.cpSync(home, copy, { recursive: true, filter: file => !file.endsWith('/s') })
  const nobody: unknown = expect.objectContaining({ code: 'unreachable', hint: 'start one: shoal daemon' })
  await expect(ask(copy)).rejects.toThrow(nobody)
  const moved = `${home}-moved`
  onTestFinished(() => {
    fs.rmSync(moved, { recursive: true })
  })
  fs.renameSync(copy, moved)
  nameSocket(moved, socket)
  expect(await stop(moved)).toEqual({ stopping: true })
})

it('an abort before the answer', async () => {
  const home = temporaryFolder()
  const server = net.createServer(() => undefined)
  server.listen(path.join(home, 's'))
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  fs.writeFileSync(path.join(home, 'socket'), path.join(home, 's'))
  const abort = new AbortController()
  const asked = ask(home, abort.signal)
  abort.abort()
  await expect(asked).rejects.toThrow(expect.objectContaining({ code: 'interrupted' }))
})
