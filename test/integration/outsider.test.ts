/** A running daemon against those who have no overlay key, or the wrong one. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { concat, textOf, utf8 } from '../../src/base/bytes.ts'
import { peerIdText } from '../../src/base/ids.ts'
import { Random } from '../../src/base/random.ts'
import { instant } from '../../src/base/time.ts'
import { newIdentity } from '../../src/io/identity.ts'
import { toMultiaddr } from '../../src/io/net/address.ts'
import { REFUSAL_PERIOD_MS, REFUSALS_PER_PERIOD_MAX } from '../../src/io/net/refusals.ts'
import { Sessions } from '../../src/io/net/datagram/sessions.ts'
import { BLOCKS_PROTOCOL, MANIFEST_PROTOCOL } from '../../src/wire/blocks.ts'
import type { Contact } from '../../src/wire/common.ts'
import { SHARES_PROTOCOL } from '../../src/wire/shares.ts'
import { decodeTicket, encodeTicket, type Ticket } from '../../src/wire/ticket.ts'
import { Cluster, errorOf, until, type Daemon } from './cluster.ts'
import { makeFile } from './content.ts'
import { tcpExchange, udpProbe } from './net/shoal.ts'

const GARBAGE = 500
const WRONG_KEY = new Uint8Array(32).fill(0xee)

/** multistream-select's lines, as libp2p sends them in clear before noise. */
const line = (text: string): Uint8Array => concat(Uint8Array.of(text.length + 1), utf8(`${text}\n`))
const SELECT_NOISE = concat(line('/multistream/1.0.0'), line('/noise'))

describe('without the overlay key', () => {
  let cluster: Cluster
  let daemon: Daemon
  let ticket: Ticket
  let contact: Contact
  let content: string
  const startedMs = performance.now()
  beforeAll(async () => {
    cluster = await Cluster.empty()
    daemon = await cluster.found('n1')
    const { shares } = await daemon.ask('share', { paths: [makeFile(cluster.folder('secret'), 100_000)] })
    content = shares[0]!.id
    ticket = decodeTicket((await daemon.ask('invite', {})).ticket)
    contact = ticket.contacts[0]!
  })
  afterAll(() => cluster.close())

  it('a node is not admitted (10), learns of nothing, and the log names it and the reason', async () => {
    const stranger = await cluster.found('stranger')
    const forged = encodeTicket({ ...ticket, key: WRONG_KEY })
    const answer = await stranger.run(['join', '-', '--timeout', '2'], { input: forged })
    expect([answer.code, errorOf(answer).code]).toEqual([10, 'not-admitted'])
    expect(await daemon.sees(stranger)).toBeUndefined()
    expect(await stranger.ok('ls', ['--all'])).toMatchObject({ shares: [] })
    expect((await stranger.run(['get', content, '-o', cluster.folder('stolen')])).code).toBe(3)
    const told = daemon.logged('refused').map(({ lane, peer, reason }) => ({ lane, peer, reason }))
    expect(told).toContainEqual({ lane: 'tcp', peer: stranger.id, reason: 'not-admitted' })
    expect((await daemon.ok('status')).refused).toHaveProperty('not-admitted')
    await stranger.kill('SIGKILL')
  })

  it('no byte answers over UDP', async () => {
    const [outsider, member] = [await udpProbe(), await udpProbe()]
    const random = Random.from('outsider')
    const { port } = contact.address
    const { from, hello } = helloTo(contact, ticket, { key: WRONG_KEY })
    await outsider.send(hello, port)
    const [told] = await until('the log says who and why', () => {
      const lines = daemon.logged('refused').filter(({ lane }) => lane === 'udp')
      return lines.length > 0 && lines
    })
    expect(told).toMatchObject({ from: `127.0.0.1:${outsider.port}`, peer: from, reason: 'bad-seal' })
    for (let i = 0; i < GARBAGE; i++) await outsider.send(random.bytes(random.below(1_400)), port)
    for (let bytes = 0; bytes <= hello.length; bytes++) await outsider.send(hello.subarray(0, bytes), port)
    await outsider.send(helloTo(contact, ticket, { salt: new Uint8Array(16).fill(7) }).hello, port)
    // What came after all that on the same socket is answered, so all that was looked at.
    await member.send(helloTo(contact, ticket, {}).hello, port)
    await until('a member is answered', () => member.answers === 1)
    expect(outsider.answers).toBe(0)
  })

  it('nothing but the negotiation of noise answers over TCP', async () => {
    const tries = {
      silence: new Uint8Array(0),
      HTTP: utf8('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
      'a muxer': concat(line('/multistream/1.0.0'), line('/yamux/1.0.0')),
      'noise that is garbage': concat(SELECT_NOISE, Uint8Array.of(0, 32), new Uint8Array(32))
    }
    const answer = async ([what, bytes]: [string, Uint8Array]): Promise<[string, boolean]> => [
      what,
      isNegotiation(await tcpExchange(contact.address.port, bytes))
    ]
    const answers = await Promise.all(Object.entries(tries).map(entry => answer(entry)))
    expect(answers).toEqual(Object.keys(tries).map(what => [what, true]))
  })

  it('a libp2p node that speaks noise opens no stream', async () => {
    const client = await createLibp2p({
      ...{ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] }
    })
    onTestFinished(() => client.stop())
    const target = toMultiaddr(contact.address, contact.id)
    for (const protocol of [
      SHARES_PROTOCOL,
      MANIFEST_PROTOCOL,
      BLOCKS_PROTOCOL,
      '/ipfs/id/1.0.0',
      '/ipfs/ping/1.0.0'
    ]) {
      const stream = client.dialProtocol(target, protocol, { signal: AbortSignal.timeout(30_000) })
      await expect(stream, protocol).rejects.toThrow()
    }
    expect(client.getConnections()).toEqual([])
  })

  it('the log is written at a bounded rate, and says how much it left out', async () => {
    const told = daemon.logged('refused')
    const periods = Math.ceil((performance.now() - startedMs) / REFUSAL_PERIOD_MS)
    expect(REFUSALS_PER_PERIOD_MAX).toBeLessThan(GARBAGE / 10)
    // One source, two lanes.
    expect(told.length).toBeLessThanOrEqual(2 * periods)
    const probe = await udpProbe()
    await until('the next line counts what was left out', async () => {
      await probe.send(new Uint8Array(100), contact.address.port)
      return daemon.logged('refused').reduce((sum, one) => sum + (one['suppressed'] as number), 0) > GARBAGE
    })
  })
})

/** Lines of multistream-select, and at most one message of noise: its ephemeral key, its static key and identity, encrypted. */
function isNegotiation(answer: Uint8Array): boolean {
  const at = SELECT_NOISE.length
  if (textOf(answer.subarray(0, at)) !== textOf(SELECT_NOISE)) {
    return ['', '\x13/multistream/1.0.0\n', '\x13/multistream/1.0.0\n\x03na\n'].includes(textOf(answer) ?? 'no text')
  }
  return answer.length === at || answer.length === at + 2 + answer[at]! * 256 + answer[at + 1]!
}

/** The first datagram of a node that was never here, sealed with the ticket's key unless told otherwise. */
function helloTo(
  to: Contact,
  ticket: Ticket,
  forged: Partial<Pick<Ticket, 'key' | 'salt'>>
): { from: string; hello: Uint8Array } {
  const { overlay, key } = decodeTicket(encodeTicket({ ...ticket, ...forged }))
  const self = newIdentity().id
  const sessions = new Sessions({
    ...{ self, overlay, overlayKeys: [key], boot: 1, memberBoots: new Map() },
    nonce: () => new Uint8Array(16)
  })
  sessions.send(to, utf8('let me in'), instant(0))
  const [hello] = sessions.drain()
  if (hello?.kind !== 'transmit') throw new Error('a first contact begins with a hello')
  return { from: peerIdText(self), hello: hello.bytes }
}
