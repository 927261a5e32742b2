import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AssertionError } from '../../../src/base/assert.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import {
  CONTROL_CALLS_MAX,
  CONTROL_UNREAD_BYTES_MAX,
  serveControl,
  type Handlers
} from '../../../src/daemon/control/server.ts'
import { CONTROL_BODY_BYTES_MAX } from '../../../src/wire/control/methods.ts'
import { temporaryFolder } from './temporary.ts'

/** A call as a fake handler sees it: it may emit what no schema knows. */
interface FakeCall {
  readonly signal: AbortSignal
  readonly emit: (event: { event: string; [field: string]: unknown }) => void
}

type Fake = (params: Record<string, unknown>, call: FakeCall) => Promise<object>

async function serve(fakes: Record<string, Fake>) {
  const socket = path.join(temporaryFolder(), 's')
  const faults: unknown[] = []
  const handlers = fakes as unknown as Handlers
  const server = await serveControl({ socket, handlers, onFault: error => faults.push(error) })
  onTestFinished(() => server.close(0))
  return { socket, server, faults }
}

interface Answer {
  status: number
  lines: Array<Record<string, unknown>>
}

function ask(socket: string, url: string, body: string, method = 'POST'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: socket, path: url, method }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        const lines = text.split('\n').filter(line => line !== '')
        resolve({ status: response.statusCode ?? 0, lines: lines.map(line => JSON.parse(line) as Answer['lines'][0]) })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const errorOf = (answer: Answer): string =>
  (answer.lines.at(-1)?.['error'] as { code: string } | undefined)?.code ?? 'none'

describe('a route', () => {
  async function serveRoute() {
    const socket = path.join(temporaryFolder(), 's')
    const handlers = { hello: async () => ({ ready: true }) } as unknown as Handlers
    const routes = [
      {
        match: (url: string) => url === '/fish',
        handle: (_: http.IncomingMessage, response: http.ServerResponse) => {
          response.end('{"fish":"cod"}\n')
        }
      }
    ]
    const onFault = (error: unknown): void => {
      throw error
    }
    const server = await serveControl({ socket, handlers, routes, onFault })
    onTestFinished(() => server.close(0))
    return socket
  }

  it('answers what it matches, whatever the HTTP method', async () => {
    const socket = await serveRoute()
    expect(await ask(socket, '/fish', '', 'GET')).toEqual({ status: 200, lines: [{ fish: 'cod' }] })
    expect((await ask(socket, '/fish', '', 'HEAD')).status).toBe(200)
    expect((await ask(socket, '/fish', '{}', 'POST')).status).toBe(200)
  })

  it.each([
    ['POST', '/fishes'],
    ['GET', '/fishes'],
    ['GET', '/v1/hello']
  ])('leaves %s %s to the methods', async (method, url) => {
    const socket = await serveRoute()
    expect(errorOf(await ask(socket, url, method === 'POST' ? '{}' : '', method))).toBe('usage')
    expect((await ask(socket, '/v1/hello', '{}')).lines).toEqual([{ v: 1, ready: true }])
  })
})

describe('the control server answers', () => {
  it('with the events, then with the result', async () => {
    const { socket } = await serve({
      share: async ({ paths }, { emit }) => {
        emit({ event: 'hashing', path: '/a' })
        emit({ event: 'hashing', path: '/b' })
        return { shares: paths }
      }
    })
    expect(await ask(socket, '/v1/share', '{"paths":["/a","/b"]}')).toEqual({
      status: 200,
      lines: [
        { v: 1, event: 'hashing', path: '/a' },
        { v: 1, event: 'hashing', path: '/b' },
        { v: 1, shares: ['/a', '/b'] }
      ]
    })
  })

  it('with the code, message and hint of a ShoalError, also after events', async () => {
    const { socket, faults } = await serve({
      ls: async () => {
        throw new ShoalError('not-found', 'no such content', { hint: 'look' })
      },
      join: async (_, { emit }) => {
        emit({ event: 'waiting', for: 'TCP' })
        throw new ShoalError('unreachable', 'nobody answers')
      }
    })
    expect(await ask(socket, '/v1/ls', '{}')).toEqual({
      status: 404,
      lines: [{ v: 1, error: { code: 'not-found', message: 'no such content', hint: 'look' } }]
    })
    expect((await ask(socket, '/v1/join', '{"ticket":"x"}')).lines).toEqual([
      { v: 1, event: 'waiting', for: 'TCP' },
      { v: 1, error: { code: 'unreachable', message: 'nobody answers' } }
    ])
    expect(faults).toEqual([])
  })

  it('with `internal` to a fault of ours, which is handed on', async () => {
    const fault = new TypeError('undefined is no function')
    const { socket, faults } = await serve({
      ring: async () => {
        throw fault
      }
    })
    const answer = await ask(socket, '/v1/ring', '{}')
    expect(errorOf(answer)).toBe('internal')
    expect(JSON.stringify(answer)).not.toContain('server.test')
    expect(faults).toEqual([fault])
  })

  it('with the reason of a stop, whatever a call throws then, and with what it says itself', async () => {
    let entered = 0
    const aborted = ({ signal }: { signal: AbortSignal }): Promise<void> => {
      entered++
      return new Promise(resolve => signal.addEventListener('abort', () => resolve()))
    }
    const { socket, server, faults } = await serve({
      ring: async (_, call) => {
        await aborted(call)
        throw new TypeError('the operation was aborted')
      },
      members: async (_, call) => {
        await aborted(call)
        throw new ShoalError('interrupted', 'the download goes on')
      }
    })
    const answers = Promise.all([ask(socket, '/v1/ring', '{}'), ask(socket, '/v1/members', '{}')])
    await expect.poll(() => entered, { timeout: 20_000 }).toBe(2)
    await server.close(1_000, new ShoalError('interrupted', 'the daemon is stopping'))
    const messages = (await answers).map(answer => (answer.lines.at(-1)?.['error'] as { message: string }).message)
    expect(messages).toEqual(['the daemon is stopping', 'the download goes on'])
    expect(faults).toEqual([])
  })

  it('an AssertionError as a fault also when the call has been aborted', async () => {
    const fault = new AssertionError('invariant broken: x')
    let entered = 0
    const { socket, server, faults } = await serve({
      ring: async (_, { signal }) => {
        entered++
        await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
        throw fault
      }
    })
    const answer = ask(socket, '/v1/ring', '{}')
    await expect.poll(() => entered, { timeout: 20_000 }).toBe(1)
    await server.close(1_000)
    expect(errorOf(await answer)).toBe('internal')
    expect(faults).toEqual([fault])
  })

  it.each([
    ['/v1/nothing', '{}', 'POST'],
    ['/v1/toString', '{}', 'POST'],
    ['/v2/hello', '{}', 'POST'],
    ['/v1/hello/', '{}', 'POST'],
    ['/v1/hello', '', 'GET'],
    ['/v1/hello', '', 'POST'],
    ['/v1/hello', '[]', 'POST'],
    ['/v1/hello', '{"x":1}', 'POST'],
    ['/v1/hello', '{', 'POST'],
    ['/v1/ring.lookup', '{"key":1}', 'POST']
  ])('%s %s %s with `usage`', async (url, body, method) => {
    const { socket } = await serve({ hello: async () => ({}) })
    expect(errorOf(await ask(socket, url, body, method))).toBe('usage')
  })

  it('a body at the limit, and refuses one over it', async () => {
    const { socket } = await serve({ get: async ({ torrent }) => ({ length: (torrent as string).length }) })
    const empty = '{"dir":"/","torrent":""}'
    const body = (length: number): string => JSON.stringify({ dir: '/', torrent: 'x'.repeat(length - empty.length) })
    expect((await ask(socket, '/v1/get', body(CONTROL_BODY_BYTES_MAX))).lines).toEqual([
      { v: 1, length: CONTROL_BODY_BYTES_MAX - empty.length }
    ])
    for (const length of [CONTROL_BODY_BYTES_MAX + 1, 20 * CONTROL_BODY_BYTES_MAX]) {
      const over = await ask(socket, '/v1/get', body(length))
      expect([over.status, errorOf(over)]).toEqual([413, 'limit'])
    }
  })

  it('`busy` to one call more than the limit, and calls again when one has ended', async () => {
    const gate = Promise.withResolvers<object>()
    const { socket } = await serve({ members: () => gate.promise, hello: async () => ({}) })
    const held = Array.from({ length: CONTROL_CALLS_MAX }, () => ask(socket, '/v1/members', '{}'))
    await expect.poll(async () => errorOf(await ask(socket, '/v1/hello', '{}'))).toBe('busy')
    gate.resolve({ members: [] })
    await Promise.all(held)
    await expect.poll(async () => errorOf(await ask(socket, '/v1/hello', '{}'))).toBe('none')
  })
})

describe('a client that', () => {
  it('hangs up aborts the signal, and the work that it started goes on', async () => {
    const heard = Promise.withResolvers<AbortSignal>()
    const gate = Promise.withResolvers<undefined>()
    const worked = Promise.withResolvers<boolean>()
    const { socket, faults } = await serve({
      get: async (_, { signal, emit }) => {
        emit({ event: 'progress' })
        heard.resolve(signal)
        await gate.promise
        emit({ event: 'progress' })
        worked.resolve(signal.aborted)
        return {}
      }
    })
    const request = http.request({ socketPath: socket, path: '/v1/get', method: 'POST' })
    request.on('error', () => undefined)
    request.end('{"dir":"/"}')
    const signal = await heard.promise
    expect(signal.aborted).toBe(false)
    request.destroy()
    await once(signal, 'abort')
    gate.resolve(undefined)
    expect(await worked.promise).toBe(true)
    expect(faults).toEqual([])
  })

  it('does not read loses events, not the daemon its memory', async () => {
    let emitted = 0
    let answered = false
    const gate = Promise.withResolvers<undefined>()
    const { socket } = await serve({
      status: async (_, { emit }) => {
        const filler = 'x'.repeat(10_000)
        for (; emitted < 10_000; emitted++) emit({ event: 'status', filler })
        gate.resolve(undefined)
        answered = true
        return { last: true }
      }
    })
    const client = net.connect(socket)
    client.pause()
    client.write('POST /v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}')
    await gate.promise
    let length = 0
    let tail = ''
    client.on('data', chunk => {
      length += chunk.length
      tail = (tail + chunk.toString()).slice(-200)
    })
    client.resume()
    await once(client, 'end')
    expect([emitted, answered]).toEqual([10_000, true])
    expect(length).toBeLessThan(2 * CONTROL_UNREAD_BYTES_MAX)
    expect(tail).toContain('{"v":1,"last":true}')
  })

  it('talks no HTTP is shown the door', async () => {
    const { socket } = await serve({ hello: async () => ({}) })
    const client = net.connect(socket)
    client.on('error', () => undefined)
    client.end('\0\0\0 nonsense\r\n\r\n')
    client.resume()
    await once(client, 'close')
    expect(errorOf(await ask(socket, '/v1/hello', '{}'))).toBe('none')
  })
})

describe('the socket', () => {
  it('is for its owner, takes the place of a dead one, and is gone after closing', async () => {
    const { socket, server } = await serve({ hello: async () => ({}) })
    expect(fs.statSync(socket).mode & 0o777).toBe(0o600)
    await server.close(0)
    expect(fs.existsSync(socket)).toBe(false)
  })

  it('of a daemon that was killed is replaced', async () => {
    const socket = path.join(temporaryFolder(), 's')
    const dead = net.createServer().listen(socket)
    await once(dead, 'listening')
    const kept = `${socket}.kept`
    fs.linkSync(socket, kept)
    await new Promise(resolve => dead.close(resolve))
    fs.renameSync(kept, socket)
    const server = await serveControl({
      socket,
      handlers: { hello: async () => ({}) } as unknown as Handlers,
      onFault: () => undefined
    })
    onTestFinished(() => server.close(0))
    expect(errorOf(await ask(socket, '/v1/hello', '{}'))).toBe('none')
  })

  it('does not take the place of a file', async () => {
    const socket = path.join(temporaryFolder(), 's')
    fs.writeFileSync(socket, 'precious')
    const options = { socket, handlers: {} as Handlers, onFault: () => undefined }
    await expect(serveControl(options)).rejects.toThrow(expect.objectContaining({ code: 'conflict' }))
    expect(fs.readFileSync(socket, 'utf8')).toBe('precious')
  })

  it('closes with the answers of calls that end in time, and without those that do not', async () => {
    const { socket, server } = await serve({
      members: (_, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new ShoalError('unreachable', 'the daemon stops'))
          })
        }),
      ring: () => new Promise(() => undefined)
    })
    const following = ask(socket, '/v1/members', '{}')
    const stuck = ask(socket, '/v1/ring', '{}').catch(() => 'cut')
    await expect.poll(() => fs.existsSync(socket)).toBe(true)
    // Both calls must be under way: a third one is answered after them.
    await ask(socket, '/v1/nothing', '{}')
    await server.close(50)
    expect(errorOf(await following)).toBe('unreachable')
    expect(await stuck).toBe('cut')
  })
})
