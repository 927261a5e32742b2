import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listenOps, OPS_CONNECTIONS_MAX } from '../../../../src/daemon/ops/listener.ts'
import { opsRoutes } from '../../../../src/daemon/ops/routes.ts'
import { readToken, showsToken, tokenFile } from '../../../../src/daemon/ops/token.ts'
import { temporaryFolder } from '../temporary.ts'

const TOKEN = 'a-token-of-more-than-sixteen'

async function serve(missing: readonly string[] = [], text: string | undefined = 'up 1\n') {
  const routes = opsRoutes({ waitsFor: () => missing, metrics: () => text })
  const listener = await listenOps({ listen: { host: '127.0.0.1', port: 0 }, token: TOKEN, routes })
  onTestFinished(() => listener.close())
  return listener
}

interface Asked {
  method?: string
  headers?: Record<string, string>
}

function ask(
  port: number,
  url: string,
  { method = 'GET', headers = { authorization: `Bearer ${TOKEN}` } }: Asked = {}
): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path: url, method, headers, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    request.on('error', reject)
    request.end()
  })
}

describe('the port for scrapers', () => {
  it('answers who shows the token, in the format of Prometheus', async () => {
    const { address } = await serve()
    const { status, headers, text } = await ask(address.port, '/metrics?name[]=up')
    expect([status, text]).toEqual([200, 'up 1\n'])
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect((await ask(address.port, '/healthz')).status).toBe(200)
    expect((await ask(address.port, '/readyz')).text).toBe('ready\n')
  })

  it('answers HEAD with the length and no body', async () => {
    const { address } = await serve()
    const { status, headers, text } = await ask(address.port, '/metrics', {
      ...{ method: 'HEAD', headers: { authorization: `Bearer ${TOKEN}` } }
    })
    expect([status, headers['content-length'], text]).toEqual([200, '5', ''])
  })

  it.each([
    {},
    { authorization: 'Bearer' },
    { authorization: `Bearer ${TOKEN}x` },
    { authorization: `Basic ${TOKEN}` },
    { authorization: `Bearer ${'x'.repeat(2_000)}` }
  ])('refuses %j', async headers => {
    const { address } = await serve()
    const { status, headers: told, text } = await ask(address.port, '/metrics', { headers })
    expect([status, told['www-authenticate']]).toEqual([401, 'Bearer realm="shoal"'])
    expect(text).not.toContain('up 1')
  })

  it('refuses a Host that is a stranger, also with the token', async () => {
    const { address } = await serve()
    const headers = { authorization: `Bearer ${TOKEN}`, host: `evil.example:${address.port}` }
    expect((await ask(address.port, '/metrics', { headers })).status).toBe(403)
  })

  it('says which methods and paths there are', async () => {
    const { address } = await serve()
    const posted = await ask(address.port, '/metrics', { method: 'POST' })
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD'])
    expect((await ask(address.port, '/metricsandmore')).status).toBe(404)
    expect((await ask(address.port, '/v1/stop')).status).toBe(404)
  })

  it('says what it waits for', async () => {
    const { address } = await serve(['the disk', 'a place on the ring'])
    const { status, text } = await ask(address.port, '/readyz')
    expect([status, text]).toEqual([503, 'waiting for the disk\nwaiting for a place on the ring\n'])
    expect((await ask(address.port, '/healthz')).status).toBe(200)
  })

  it('drops connections beyond its limit', async () => {
    const { address } = await serve()
    const sockets = Array.from({ length: OPS_CONNECTIONS_MAX + 4 }, () => net.connect(address.port, '127.0.0.1'))
    onTestFinished(() => sockets.forEach(socket => socket.destroy()))
    const ended = sockets.map(
      socket =>
        new Promise<void>(resolve => {
          socket.on('error', () => undefined)
          socket.once('close', () => resolve())
          socket.resume()
        })
    )
    await Promise.any(ended)
    // Those that were taken go, and there is room again, once the listener has heard of it.
    for (const socket of sockets) socket.destroy()
    await Promise.all(ended)
    let status: number | undefined
    while (status === undefined) {
      status = await ask(address.port, '/healthz').then(
        answer => answer.status,
        () => undefined
      )
    }
    expect(status).toBe(200)
  })

  it('is refused a port that is taken, with what to do', async () => {
    const { address } = await serve()
    const again = listenOps({ listen: address, token: TOKEN, routes: [] })
    await expect(again).rejects.toMatchObject({
      code: 'conflict',
      hint: 'choose another one: shoal config set metrics-listen HOST:PORT'
    })
  })
})

describe('the token', () => {
  it('is made once, for its owner only', () => {
    const file = tokenFile(temporaryFolder(), '')
    const token = readToken(file)
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(readToken(file)).toBe(token)
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    expect(showsToken(`bearer ${token}`, token)).toBe(true)
  })

  it.each(['', 'short', 'two words of it, long enough', 'x'.repeat(600)])('is refused as %j', text => {
    const file = path.join(temporaryFolder(), 'token')
    fs.writeFileSync(file, text)
    expect(() => readToken(file)).toThrow(expect.objectContaining({ code: 'bad-input' }))
  })
})
