/** Bytes that are no message of ours, on the control socket and on both lanes: whoever sends them changes nothing for the others. */
import { createHash } from 'node:crypto'
import dgram from 'node:dgram'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REFUSAL_PERIOD_MS, REFUSALS_PER_PERIOD_MAX } from '../../../src/io/net/refusals.ts'
import { CONTROL_BODY_BYTES_MAX } from '../../../src/wire/control/methods.ts'
import { Cluster, until, type Daemon } from '../cluster.ts'
import { makeFile, sha256 } from '../content.ts'

const SILENT_MS = 300

let cluster: Cluster
let node: Daemon

beforeAll(async () => {
  cluster = await Cluster.start(2)
  node = cluster.node(1)
})
afterAll(() => cluster.close())

/** As random as SHA-256, and the same every time. */
function noise(seed: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, at) =>
    createHash('sha256').update(`${seed} ${at}`).digest()
  )
  return Buffer.concat(blocks).subarray(0, length)
}

/** Sends, and hears what is answered until the other side ends it or says nothing more. */
function exchange(to: net.NetConnectOpts, bytes: Buffer | string, { hangUp = false } = {}): Promise<string> {
  return new Promise(resolve => {
    const socket = net.connect(to)
    let heard = ''
    socket.setTimeout(SILENT_MS, () => socket.destroy())
    socket.on('data', chunk => (heard += chunk.toString('latin1')))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(heard))
    socket.write(bytes, () => {
      if (hangUp) socket.destroy()
    })
  })
}

const control = (): net.NetConnectOpts => ({ path: path.join(node.home, 'control.sock') })
const request = (line: string, body: string, length = body.length): string =>
  `${line} HTTP/1.1\r\nHost: shoal\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`

describe('on the control socket', () => {
  const calls: Array<[claim: string, bytes: string, status: number, says: RegExp]> = [
    ['bad JSON', request('POST /v1/ls', '{"id'), 400, /"code":"usage","message":"a call is one JSON object"/],
    ['a list', request('POST /v1/ls', '[]'), 400, /"code":"usage","message":"ls takes a JSON object"/],
    ['nothing', request('POST /v1/ls', ''), 400, /"code":"usage"/],
    ['an unknown method', request('POST /v1/sing', '{}'), 400, /"code":"usage","message":"there is no method/],
    ['a method of an object', request('POST /v1/constructor', '{}'), 400, /"code":"usage","message":"there is no/],
    ['GET', request('GET /v1/ls', ''), 400, /"code":"usage","message":"there is no method/],
    ['an unknown parameter', request('POST /v1/ls', '{"x":1}'), 400, /ls has no parameter \\"x\\"/],
    ['a parameter of another type', request('POST /v1/get', '{"what":7,"dir":"/"}'), 400, /"code":"usage"/],
    ['a missing parameter', request('POST /v1/get', '{"what":"x"}'), 400, /get needs \\"dir\\"/],
    ['a relative folder', request('POST /v1/get', '{"what":"x","dir":"."}'), 400, /takes an absolute folder/],
    ['too much', request('POST /v1/ls', ' '.repeat(CONTROL_BODY_BYTES_MAX + 1)), 413, /"code":"limit"/]
  ]
  it.each(calls)('%s is answered by one line with an error', async (_claim, bytes, status, says) => {
    const [head = '', body = ''] = (await exchange(control(), bytes)).split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(body.match(/\{"v":1,"error":.*/g)).toEqual([expect.stringMatching(says)])
    expect(body).not.toMatch(/\\n +at /)
  })

  it('half a question, silence and noise leave it serving', async () => {
    const half = request('POST /v1/ls', '{', 1_000)
    await Promise.all([
      exchange(control(), half, { hangUp: true }),
      exchange(control(), half),
      exchange(control(), half.slice(0, 20)),
      ...Array.from({ length: 20 }, (_, at) => exchange(control(), noise(`control ${at}`, 4_096)))
    ])
    expect(await node.ok('ls')).toEqual({ v: 1, shares: [] })
  })
})

describe('on its port', () => {
  const sizes = [1, 8, 64, 512, 1_200, 1_400, 9_000]

  it('noise and silence on TCP, and noise on UDP, leave the two serving each other; the log is bounded', async () => {
    const begunMs = performance.now()
    const [host = '', port = ''] = node.address.split(':')
    const tcp = { host, port: Number(port) }
    const shouting = Array.from({ length: 60 }, (_, at) => exchange(tcp, noise(`tcp ${at}`, sizes[at % 7] ?? 1)))
    const silent = Array.from({ length: 20 }, () => exchange(tcp, ''))
    const lying = ['\x13/multistream/1.0.0\n', `GET / HTTP/1.1\r\n\r\n`].map(bytes => exchange(tcp, bytes))
    const udp = dgram.createSocket('udp4')
    let heard = 0
    udp.on('message', () => heard++)
    for (let at = 0; at < 1_000; at++) udp.send(noise(`udp ${at}`, sizes[at % 7] ?? 1), tcp.port, host)
    await Promise.all([...shouting, ...silent, ...lying])
    await until('it counts what it refuses', async () => {
      const { refused } = await node.ask('status', {})
      return Object.values(refused).reduce((sum, times) => sum + times, 0) > 0
    })
    const file = makeFile(cluster.folder('file'), 3_000_000)
    const { id } = await node.ok('share', [file])
    const got = await cluster.node(2).ok('get', [id, '-o', cluster.folder('out')])
    expect(sha256(got.path)).toBe(sha256(file))
    udp.close()
    expect(heard).toBe(0)
    const periods = Math.ceil((performance.now() - begunMs) / REFUSAL_PERIOD_MS) + 1
    expect(node.logged('refused').length).toBeLessThanOrEqual(periods * REFUSALS_PER_PERIOD_MAX)
    expect(fs.statSync(path.join(node.home, 'log/daemon.log')).size).toBeLessThan(64 * 1024)
    expect(await cluster.node(2).sees(node)).toBe('alive')
  })
})
