import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { serveControl, type Handlers } from '../../../src/daemon/control/server.ts'
import { SocketWatch } from '../../../src/daemon/control/socket-watch.ts'
import { controlSocketPath, nameSocket } from '../../../src/daemon/home/socket-path.ts'
import { temporaryFolder } from './temporary.ts'

async function watched() {
  const home = temporaryFolder()
  const socket = controlSocketPath(home)
  const calls: Array<() => void> = []
  const handlers = {
    hello: () => new Promise<object>(resolve => calls.push(() => resolve({ ready: true })))
  } as unknown as Handlers
  const server = await serveControl({ socket, handlers, onFault: () => undefined })
  nameSocket(home, socket)
  const logged: string[] = []
  const log = pino(
    { level: 'warn' },
    { write: (line: string) => logged.push((JSON.parse(line) as { msg: string }).msg) }
  )
  const watch = new SocketWatch({ home, socket, server, log, lookMs: 5 })
  onTestFinished(async () => {
    await watch.close()
    await server.close(0)
  })
  return { home, socket, server, calls, logged }
}

function hello(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path: '/v1/hello', method: 'POST' }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
    request.end('{}')
  })
}

const answer = '{"v":1,"ready":true}\n'

describe('a control socket whose file was removed', () => {
  it('is bound again, for its owner only, and calls under way go on', async () => {
    const { socket, calls, logged } = await watched()
    const before = hello(socket)
    await vi.waitFor(() => expect(calls).toHaveLength(1))
    fs.rmSync(socket)
    await vi.waitFor(() => expect(fs.statSync(socket).isSocket()).toBe(true))
    const after = hello(socket)
    await vi.waitFor(() => expect(calls).toHaveLength(2))
    for (const end of calls) end()
    expect([await before, await after]).toEqual([answer, answer])
    expect(fs.statSync(socket).mode & 0o777).toBe(0o600)
    expect(logged).toEqual(['the file of the control socket was removed: bound the socket again'])
  })

  it('is bound again and again, and closes with its file', async () => {
    const { socket, server } = await watched()
    for (let times = 0; times < 3; times++) {
      fs.rmSync(socket)
      await vi.waitFor(() => expect(server.isBound()).toBe(true))
    }
    await server.close(0)
    expect(fs.existsSync(socket)).toBe(false)
  })

  it('waits for something else to go away from its path, which it leaves alone and reports once', async () => {
    const { socket, server, logged } = await watched()
    fs.rmSync(socket)
    fs.writeFileSync(socket, 'mine')
    await vi.waitFor(() => expect(logged).toContain('cannot restore the control socket'))
    expect(fs.readFileSync(socket, 'utf8')).toBe('mine')
    fs.rmSync(socket)
    await vi.waitFor(() => expect(server.isBound()).toBe(true))
    expect(logged.filter(message => message.startsWith('cannot'))).toHaveLength(1)
  })
})

it('restores the file that names the socket', async () => {
  const { home, socket } = await watched()
  const file = path.join(home, 'socket')
  fs.rmSync(file)
  await vi.waitFor(() => expect(fs.readFileSync(file, 'utf8')).toContain(socket))
})
