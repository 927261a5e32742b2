import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { LINK_QUEUE_BYTES_MAX } from '../../../src/io/net/stream/links.ts'
import { ByteReader } from '../../../src/io/net/stream/byte-reader.ts'
import { newIdentity } from '../../../src/io/identity.ts'
import { memoryNetState } from '../../../src/io/net/datagram/state.ts'
import { STREAM_MESSAGE_BYTES_MAX } from '../../../src/wire/common.ts'
import { overlayKey, refusingServer, startNode, tcpExchange, udpProbe } from './shoal.ts'

describe('a node', () => {
  it('uses one port for TCP and UDP', async () => {
    const node = await startNode()
    await expect(startNode({ listen: node.net.listening })).rejects.toMatchObject({
      code: 'conflict',
      message: `TCP port ${node.net.listening.port} on 127.0.0.1 is in use`
    })
  })

  it('refuses a TCP port whose UDP port is in use', async () => {
    const probe = await udpProbe()
    const listen = { host: '127.0.0.1', port: probe.port }
    await expect(startNode({ listen })).rejects.toMatchObject({
      code: 'conflict',
      message: `UDP port ${probe.port} on 127.0.0.1 is in use`
    })
    // The TCP port was released again.
    expect(await tcpExchange(probe.port)).toHaveLength(0)
  })

  it('accepts IPv6 and IPv4 on the same socket', async () => {
    const six = await startNode({ listen: { host: '::', port: 0 } })
    const four = await startNode()
    const { port } = six.net.listening
    for (const host of ['127.0.0.1', '::1']) {
      const other = host === '::1' ? await startNode({ listen: { host, port: 0 } }) : four
      for (const channel of ['datagram', 'stream'] as const) {
        other.say({ id: six.id, address: { host, port } }, channel, host)
        await six.until(one => one.heard.includes(`${channel} ${host}`))
      }
      six.say({ id: other.id, address: { host, port: other.net.listening.port } }, 'datagram', 'back')
      await other.until(one => one.heard.includes('datagram back'))
    }
  })

  it('refuses to listen on an address of another machine', async () => {
    await expect(startNode({ listen: { host: '192.0.2.1', port: 0 } })).rejects.toMatchObject({ code: 'bad-input' })
  })

  it('counts its boots on disk', async () => {
    const state = memoryNetState()
    const identity = newIdentity()
    const boots: string[] = []
    for (let i = 0; i < 2; i++) {
      const node = await startNode({ state, identity })
      boots.push(Buffer.from((await state.load()).get('boot')!).toString('hex'))
      await node.net.close()
    }
    expect(boots[1]! > boots[0]!).toBe(true)
  })
})

describe('datagrams', () => {
  it('reach a node and are answered', async () => {
    const [a, b] = [await startNode(), await startNode()]
    a.say(b.contact, 'datagram', 'ping')
    await b.until(one => one.heard.includes('datagram ping'))
    b.say(a.contact, 'datagram', 'ack')
    await a.until(one => one.heard.includes('datagram ack'))
  })

  it('reach a node that has restarted at the same port', async () => {
    const identity = newIdentity()
    const state = memoryNetState()
    const a = await startNode()
    const before = await startNode({ identity, state })
    a.say(before.contact, 'datagram', 'one')
    await before.until(one => one.heard.length === 1)
    await before.net.close()
    const again = await startNode({ identity, state, listen: before.net.listening })
    a.say(again.contact, 'datagram', 'two')
    await again.until(one => one.heard.includes('datagram two'))
  })

  it('and streams accept both the old and the new overlay key during a rotation', async () => {
    const next = new Uint8Array(32).fill(3)
    const old = await startNode()
    const both = await startNode({ overlayKeys: [overlayKey, next] })
    const fresh = await startNode({ overlayKeys: [next, overlayKey] })
    fresh.say(both.contact, 'stream', 'with the next key')
    old.say(both.contact, 'stream', 'with the old key')
    fresh.say(both.contact, 'datagram', 'with the next key')
    await both.until(one => one.heard.length === 3)
  })
})

describe('message streams', () => {
  it('are ordered, and report up once on both sides', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const sent = Array.from({ length: 500 }, (_, i) => `${i}`)
    for (const text of sent) a.say(b.contact, 'stream', text)
    await b.until(one => one.heard.length === sent.length)
    expect(b.heard).toEqual(sent.map(text => `stream ${text}`))
    expect([a.links, b.links]).toEqual([['up'], ['up']])
  })

  it('form one link when both sides open at once', async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b] = [await startNode(), await startNode()]
      const sent = Array.from({ length: 200 }, (_, i) => `${i}`)
      for (const text of sent) {
        a.say(b.contact, 'stream', text)
        b.say(a.contact, 'stream', text)
      }
      await a.until(one => one.heard.length >= sent.length)
      await b.until(one => one.heard.length >= sent.length)
      for (const node of [a, b]) {
        expect(node.heard).toEqual(sent.map(text => `stream ${text}`))
        expect(node.links).toEqual(['up'])
      }
    }
  })

  it('use the connection that the other side opened: a client behind a NAT cannot be dialled', async () => {
    const [server, client] = [await startNode(), await startNode()]
    client.say(server.contact, 'stream', 'here I am')
    await server.until(one => one.heard.length === 1)
    server.say({ id: client.id, address: { host: '127.0.0.1', port: 1 } }, 'stream', 'welcome')
    await client.until(one => one.heard.includes('stream welcome'))
    expect(server.net.counts().connections).toBe(1)
    expect(server.net.addressOf(client.id)).toEqual(client.net.listening)
  })

  it('report down once when the other side stops, and start a new link afterwards', async () => {
    const identity = newIdentity()
    const state = memoryNetState()
    const a = await startNode()
    const b = await startNode({ identity, state })
    a.say(b.contact, 'stream', 'one')
    b.say(a.contact, 'stream', 'two')
    await a.until(one => one.heard.length === 1)
    await b.until(one => one.heard.length === 1)
    await b.net.close()
    await a.until(one => one.links.at(-1) === 'down')
    const again = await startNode({ identity, state, listen: b.net.listening })
    a.say(again.contact, 'stream', 'three')
    await again.until(one => one.heard.includes('stream three'))
    expect(a.links).toEqual(['up', 'down', 'up'])
    expect(again.links).toEqual(['up'])
  })

  it('report down for a peer that cannot be dialled, and pause before dialling again', async () => {
    const a = await startNode()
    const { port, dials } = await refusingServer()
    const nobody = { id: newIdentity().id, address: { host: '127.0.0.1', port } }
    a.say(nobody, 'stream', 'anybody?')
    await a.until(one => one.links.length === 1)
    a.say(nobody, 'stream', 'anybody now?')
    expect(a.links).toEqual(['down'])
    await a.until(one => one.links.length === 2)
    expect(a.links).toEqual(['down', 'down'])
    expect(dials()).toBe(1)
  })

  it('begin a new link when the peer has begun one, because the peer lost the old one', async () => {
    const [a, b] = [await startNode(), await startNode()]
    b.say(a.contact, 'stream', 'one')
    await b.until(one => one.links.length === 1)
    const signal = AbortSignal.timeout(5_000)
    const stream = await a.net.openStream(b.contact, '/shoal/messages/1', signal)
    await stream.write(new Uint8Array(16).fill(1), signal)
    await new ByteReader(stream.chunks(signal)).read(16)
    expect(b.links).toEqual(['up', 'down', 'up'])
    await a.until(one => one.links.at(-1) === 'down')
  })

  it('are never delivered to another node than the addressed one', async () => {
    const [a, b] = [await startNode(), await startNode()]
    a.say({ id: newIdentity().id, address: b.net.listening }, 'stream', 'for somebody else')
    await a.until(one => one.links.length === 1)
    expect(a.links).toEqual(['down'])
    expect(b.heard).toEqual([])
  })

  it('carry the largest message, and throw on a larger one at the sender', async () => {
    const [a, b] = [await startNode(), await startNode()]
    a.say(b.contact, 'stream', 'x'.repeat(STREAM_MESSAGE_BYTES_MAX))
    await b.until(one => one.heard.length === 1)
    expect(b.heard[0]!.length).toBe(STREAM_MESSAGE_BYTES_MAX + 'stream '.length)
    expect(() => a.net.send(b.contact, 'stream', new Uint8Array(STREAM_MESSAGE_BYTES_MAX + 1))).toThrow(RangeError)
  })

  it('report down when a queue overflows, and come up again', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const large = new Uint8Array(STREAM_MESSAGE_BYTES_MAX)
    for (let bytes = 0; bytes <= LINK_QUEUE_BYTES_MAX; bytes += large.length) a.net.send(b.contact, 'stream', large)
    expect(a.links).toEqual([])
    await a.until(one => one.links.length > 0)
    expect(a.links).toEqual(['down'])
    a.say(b.contact, 'stream', 'small')
    await b.until(one => one.heard.includes('stream small'))
  })

  it('end when a peer announces a message over the limit', async () => {
    const [a, b] = [await startNode(), await startNode()]
    const signal = AbortSignal.timeout(5_000)
    const stream = await a.net.openStream(b.contact, '/shoal/messages/1', signal)
    await stream.write(new Uint8Array(16), signal)
    const head = new Uint8Array(4)
    new DataView(head.buffer).setUint32(0, STREAM_MESSAGE_BYTES_MAX + 1)
    await stream.write(head, signal)
    await b.until(one => one.refusals.length === 1)
    expect(b.refusals[0]).toMatchObject({ lane: 'tcp', peer: a.id, reason: 'protocol' })
    expect(b.links).toEqual(['up', 'down'])
  })
})

describe('requests', () => {
  const signal = AbortSignal.timeout(60_000)

  it('are answered', async () => {
    const [a, b] = [await startNode(), await startNode()]
    await b.net.serve('/test/reverse/1', async (peer, body) => {
      expect(peer).toBe(a.id)
      return body.toReversed()
    })
    const options = { maxResponseBytes: 3, signal }
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        a.net.request(b.contact, '/test/reverse/1', Uint8Array.of(1, 2, i), options)
      )
    )
    expect(answers.map(answer => [...answer])).toEqual(answers.map((_, i) => [i, 2, 1]))
  })

  it('fail when the answer is too long, the handler throws, or the protocol is not served', async () => {
    const [a, b] = [await startNode(), await startNode()]
    await b.net.serve('/test/long/1', async () => new Uint8Array(1_001))
    await b.net.serve('/test/broken/1', async () => {
      throw new Error('no')
    })
    const ask = (protocol: string): Promise<unknown> =>
      a.net
        .request(b.contact, protocol, new Uint8Array(1), { maxResponseBytes: 1_000, signal })
        .catch((e: unknown) => e)
    const failures = await Promise.all(['/test/long/1', '/test/broken/1', '/test/none/1'].map(ask))
    expect(failures.map(one => (one instanceof ShoalError ? one.code : one))).toEqual([
      'limit',
      'unreachable',
      'unreachable'
    ])
  })

  it('over the length limit are refused before they are read', async () => {
    const [a, b] = [await startNode(), await startNode()]
    let called = false
    const answer = async (): Promise<Uint8Array> => {
      called = true
      return new Uint8Array(0)
    }
    await b.net.serve('/test/small/1', answer, { maxRequestBytes: 10 })
    const asked = a.net.request(b.contact, '/test/small/1', new Uint8Array(11), { maxResponseBytes: 1, signal })
    await expect(asked).rejects.toMatchObject({ code: 'unreachable' })
    expect(called).toBe(false)
  })

  it('reject when their signal aborts', async () => {
    const [a, b] = [await startNode(), await startNode()]
    await b.net.serve('/test/never/1', () => new Promise(() => undefined))
    const stop = new AbortController()
    const asked = a.net.request(b.contact, '/test/never/1', new Uint8Array(1), {
      maxResponseBytes: 1,
      signal: stop.signal
    })
    stop.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
  })
})
