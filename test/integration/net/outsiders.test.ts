/** Outsiders without the overlay key are refused, and the log names them. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Random } from '../../../src/base/random.ts'
import { concat, textOf, utf8 } from '../../../src/base/bytes.ts'
import { overlayId, peerIdText } from '../../../src/base/ids.ts'
import { instant } from '../../../src/base/time.ts'
import { newIdentity } from '../../../src/io/identity.ts'
import { toMultiaddr } from '../../../src/io/net/address.ts'
import { ADMISSION_MS } from '../../../src/io/net/admission.ts'
import { Sessions } from '../../../src/io/net/datagram/sessions.ts'
import { overlay, startNode, tcpExchange, udpProbe, type Node } from './shoal.ts'

const wrongKey = new Uint8Array(32).fill(0xee)
const otherOverlay = overlayId(new Uint8Array(32).fill(0xdd))
const signal = AbortSignal.timeout(60_000)

/** Lines of multistream-select, which libp2p sends in plain text before noise. */
const line = (text: string): Uint8Array => concat(Uint8Array.of(text.length + 1), utf8(`${text}\n`))
const SELECT_NOISE = concat(line('/multistream/1.0.0'), line('/noise'))

async function libp2pClient(wrap: (inner: ConnectionEncrypter) => ConnectionEncrypter = one => one): Promise<Libp2p> {
  const client = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [components => wrap(noise()(components))],
    streamMuxers: [yamux()]
  })
  onTestFinished(() => client.stop())
  return client
}

/** The first datagram that a node without the key would send. */
function strangersHello(node: Node, init: { key?: Uint8Array; overlayId?: typeof overlay }): Uint8Array {
  const sessions = new Sessions({
    self: newIdentity().id,
    overlay: init.overlayId ?? overlay,
    overlayKeys: [init.key ?? new Uint8Array(32).fill(2)],
    boot: 1,
    memberBoots: new Map(),
    nonce: () => new Uint8Array(16)
  })
  sessions.send(node.contact, utf8('let me in'), instant(0))
  const [hello] = sessions.drain()
  if (hello?.kind !== 'transmit') throw new Error('a first contact begins with a hello')
  return hello.bytes
}

describe('over UDP', () => {
  it('an outsider gets no byte back, whatever it sends', async () => {
    const [node, member, probe] = [await startNode(), await startNode(), await udpProbe()]
    const random = Random.from('outsider')
    const { port } = node.net.listening
    const real = strangersHello(node, { key: wrongKey })
    for (let i = 0; i < 200; i++) await probe.send(random.bytes(random.below(1_400)), port)
    for (let length = 0; length <= real.length; length++) await probe.send(real.subarray(0, length), port)
    await probe.send(strangersHello(node, { overlayId: otherOverlay }), port)
    // A later datagram on the same socket is answered, so all the earlier ones were processed.
    member.say(node.contact, 'datagram', 'still there?')
    await node.until(one => one.heard.length === 1)
    node.say(member.contact, 'datagram', 'yes')
    await member.until(one => one.heard.length === 1)
    expect(node.net.counts().refusals).toBe(200 + real.length + 2)
    expect(probe.answers).toBe(0)
  })

  it('a member of the overlay is answered, so the test above can fail', async () => {
    const [node, probe] = [await startNode(), await udpProbe()]
    await probe.send(strangersHello(node, {}), node.net.listening.port)
    const answered = async (): Promise<void> => {
      while (probe.answers === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await answered()
    expect(probe.answers).toBe(1)
  })

  it.each([
    ['bad-seal', { key: wrongKey }],
    ['wrong-overlay', { overlayId: otherOverlay }]
  ])('the log reports %s once, with the number of further refusals', async (reason, init) => {
    const [node, probe] = [await startNode(), await udpProbe()]
    for (let i = 0; i < 50; i++) await probe.send(strangersHello(node, init), node.net.listening.port)
    await node.until(one => one.refusals.length === 1)
    expect(node.refusals[0]).toMatchObject({ lane: 'udp', from: { host: '127.0.0.1' }, reason, suppressed: 0 })
    while (node.net.counts().refusals < 50) await new Promise(resolve => setImmediate(resolve))
    expect(node.refusals).toHaveLength(1)
  })
})

describe('over TCP', () => {
  it.each([
    ['HTTP', utf8('GET / HTTP/1.1\r\nhost: x\r\n\r\n'), ''],
    ['noise that is garbage', concat(SELECT_NOISE, Uint8Array.of(0, 32), new Uint8Array(32)), undefined],
    ['a muxer before noise', concat(line('/multistream/1.0.0'), line('/yamux/1.0.0')), 'na']
  ])('%s gets only the negotiation of noise', async (_, bytes, last) => {
    const node = await startNode()
    const socket = tcpExchange(node.net.listening.port, bytes)
    await node.until(one => one.refusals.length === 1)
    const answer = await socket
    if (last !== undefined) {
      const allowed = new Set(['', '\x13/multistream/1.0.0\n', '\x13/multistream/1.0.0\n\x03na\n'])
      expect(allowed).toContain(textOf(answer))
    } else {
      // Its own noise message: ephemeral key, encrypted static key, encrypted identity. No bytes follow it.
      const noiseMessage = answer.subarray(SELECT_NOISE.length)
      expect(textOf(answer.subarray(0, SELECT_NOISE.length))).toBe(textOf(SELECT_NOISE))
      expect(noiseMessage.length).toBe(noiseMessage.length === 0 ? 0 : 2 + noiseMessage[0]! * 256 + noiseMessage[1]!)
    }
    expect(node.refusals[0]).toMatchObject({ lane: 'tcp', from: { host: '127.0.0.1' } })
    expect(node.net.counts().connections).toBe(0)
  })

  it('a silent connection is closed at the deadline', async () => {
    const node = await startNode()
    const began = performance.now()
    expect(await tcpExchange(node.net.listening.port)).toHaveLength(0)
    expect(performance.now() - began).toBeLessThan(ADMISSION_MS + 2_000)
    await node.until(one => one.refusals.length === 1)
    expect(node.refusals[0]).toMatchObject({ lane: 'tcp', reason: 'timeout' })
  })

  it('a libp2p node without the key opens no stream of any protocol', async () => {
    const node = await startNode()
    await node.net.serve('/test/secret/1', async () => utf8('secret'))
    const client = await libp2pClient()
    const target = toMultiaddr(node.net.listening, node.id)
    for (const protocol of ['/test/secret/1', '/shoal/messages/1', '/ipfs/id/1.0.0', '/ipfs/ping/1.0.0']) {
      await expect(client.dialProtocol(target, protocol, { signal })).rejects.toThrow()
    }
    await node.until(one => one.refusals.length >= 1)
    expect(node.refusals[0]).toMatchObject({ lane: 'tcp', reason: 'malformed' })
    expect(peerIdText(node.refusals[0]!.peer!)).toBe(client.peerId.toString())
    expect(node.net.counts().connections).toBe(0)
  })

  it.each([
    ['nothing', new Uint8Array(0), 'timeout'],
    ['a wrong version', Uint8Array.of(9), 'malformed'],
    ['a first message with a wrong proof', firstMessage(overlay), 'not-admitted'],
    ['a first message of another overlay', firstMessage(otherOverlay), 'wrong-overlay']
  ])('after noise, %s gets no byte back', async (_, bytes, reason) => {
    const node = await startNode()
    let answered = 0
    const closed = Promise.withResolvers<undefined>()
    const spy = (stream: MessageStream): void => {
      stream.addEventListener('message', event => (answered += event.data.byteLength))
      stream.addEventListener('close', () => closed.resolve(undefined))
      if (bytes.length > 0) stream.send(bytes)
    }
    const client = await libp2pClient(inner => ({
      protocol: inner.protocol,
      secureInbound: (...args) => inner.secureInbound(...args),
      secureOutbound: async (...args) => {
        const { connection } = await inner.secureOutbound(...args)
        spy(connection)
        await closed.promise
        throw new Error('enough')
      }
    }))
    await expect(client.dial(toMultiaddr(node.net.listening, node.id), { signal })).rejects.toThrow()
    await node.until(one => one.refusals.length === 1)
    expect(node.refusals[0]).toMatchObject({ lane: 'tcp', reason })
    expect(answered).toBe(0)
  })

  it.each([
    ['the wrong key', { overlayKeys: [wrongKey] }, 'not-admitted', 'bad-seal'],
    ['another overlay', { overlay: otherOverlay }, 'wrong-overlay', 'wrong-overlay']
  ])('a node with %s is refused on TCP and UDP, and the log names it', async (_, init, tcpReason, udpReason) => {
    const [node, stranger] = [await startNode(), await startNode(init)]
    stranger.say(node.contact, 'stream', 'hello')
    await stranger.until(one => one.links.length === 1)
    expect(stranger.links).toEqual(['down'])
    await node.until(one => one.refusals.length === 1)
    stranger.say(node.contact, 'datagram', 'hello')
    await node.until(one => one.refusals.length === 2)
    expect(node.refusals.map(({ lane, reason, peer }) => ({ lane, reason, peer }))).toEqual([
      { lane: 'tcp', reason: tcpReason, peer: stranger.id },
      { lane: 'udp', reason: udpReason, peer: stranger.id }
    ])
    expect(node.heard).toEqual([])
    expect(node.links).toEqual([])
  })

  it('a node that dials a node with another key gets not-admitted, and delivers nothing to it', async () => {
    const [node, stranger] = [await startNode(), await startNode({ overlayKeys: [wrongKey] })]
    await expect(node.net.openStream(stranger.contact, '/shoal/messages/1', signal)).rejects.toMatchObject({
      code: 'not-admitted'
    })
    expect(stranger.heard).toEqual([])
  })
})

function firstMessage(id: typeof overlay): Uint8Array {
  return concat(Uint8Array.of(1), Buffer.from(id, 'hex').subarray(0, 16), new Uint8Array(32 + 2 + 32).fill(5))
}
