import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../../src/base/random.ts'
import { nodeId, overlayId, type NodeId } from '../../../../../src/base/ids.ts'
import { after, instant, type Instant } from '../../../../../src/base/time.ts'
import { hex, textOf, utf8 } from '../../../../../src/base/bytes.ts'
import {
  HELD_MAX,
  HELLO_INTERVAL_MS,
  HELLO_TRIES,
  PATH_PROVEN_MS,
  PATHS_MAX,
  PEERS_MAX,
  PROOF_MS,
  QUEUED_MAX,
  Sessions,
  WAITING_BYTES_MAX,
  type SessionEvent,
  type SessionsInit
} from '../../../../../src/io/net/datagram/sessions.ts'
import { addressText, type Address, type Contact } from '../../../../../src/wire/common.ts'
import { DATAGRAM_BYTES_MIN, PROOF_BYTES } from '../../../../../src/wire/datagram.ts'
import { DATAGRAM_PAYLOAD_BYTES_MAX } from '../../../../../src/wire/common.ts'

type Kind<K> = Extract<SessionEvent, { kind: K }>
const at = (port: number): Address => ({ host: '10.0.0.1', port })
const overlayKey = new Uint8Array(32).fill(1)
const overlay = overlayId(new Uint8Array(32).fill(9))

/** Two nodes and the network between them: records every datagram, and delivers it unless `lose` returns true. */
class Pair {
  now: Instant = instant(1_000)
  readonly a = contactOf(1)
  readonly b = contactOf(2)
  readonly sessions = new Map<NodeId, Sessions>()
  readonly wire: Array<{ from: Contact; to: Address; bytes: Uint8Array }> = []
  readonly delivered: string[] = []
  readonly refused: string[] = []
  readonly proven: Array<{ at: NodeId; peer: NodeId; boot: number }> = []
  lose: (index: number) => boolean = () => false
  private readonly random = Random.from('sessions')

  constructor() {
    this.start(this.a, { boot: 5 })
    this.start(this.b, { boot: 5 })
  }

  start(node: Contact, init: Partial<SessionsInit> = {}): Sessions {
    const sessions = new Sessions({
      self: node.id,
      overlay,
      overlayKeys: [overlayKey],
      boot: 5,
      memberBoots: new Map(),
      nonce: () => this.random.bytes(PROOF_BYTES),
      ...init
    })
    this.sessions.set(node.id, sessions)
    return sessions
  }

  of(node: Contact): Sessions {
    return this.sessions.get(node.id)!
  }

  send(from: Contact, to: Contact, text: string): void {
    this.of(from).send(to, utf8(text), this.now)
    this.settle()
  }

  /** Passes `bytes` to the node and returns its events, without delivering them. */
  inject(to: Contact, bytes: Uint8Array, from: Address): SessionEvent[] {
    this.of(to).receive(bytes, from, this.now)
    return this.of(to).drain()
  }

  wake(ms: number): void {
    this.now = after(this.now, ms)
    for (const sessions of this.sessions.values()) sessions.wake(this.now)
    this.settle()
  }

  settle(): void {
    for (let busy = true; busy;) {
      busy = false
      for (const node of [this.a, this.b]) {
        for (const event of this.of(node).drain()) {
          busy = true
          this.take(node, event)
        }
      }
    }
  }

  private take(node: Contact, event: SessionEvent): void {
    if (event.kind === 'deliver') this.delivered.push(`${addressText(event.from.address)} ${textOf(event.payload)}`)
    if (event.kind === 'refused') this.refused.push(event.reason)
    if (event.kind === 'proven') this.proven.push({ at: node.id, peer: event.peer, boot: event.boot })
    if (event.kind !== 'transmit') return
    this.wire.push({ from: node, to: event.to, bytes: event.bytes })
    if (this.lose(this.wire.length - 1)) return
    const target = [this.a, this.b].find(one => addressText(one.address) === addressText(event.to))
    if (target) this.of(target).receive(event.bytes, node.address, this.now)
  }
}

function contactOf(n: number): Contact {
  return { id: nodeId(new Uint8Array(32).fill(n)), address: at(7_000 + n) }
}

const state = (sessions: Sessions): string => inspect(sessions, { depth: 12, maxArrayLength: null, breakLength: 200 })
const only = <K extends SessionEvent['kind']>(events: SessionEvent[], kind: K): Array<Kind<K>> =>
  events.filter((event): event is Kind<K> => event.kind === kind)

describe('sealed datagrams', () => {
  it('prove both ends by three small datagrams before the first payload is sent', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'one')
    expect(pair.wire.map(({ from }) => (from === pair.a ? 'a' : 'b')).join('')).toBe('abaa')
    expect(pair.wire.slice(0, 3).map(({ bytes }) => bytes.length)).toEqual(new Array(3).fill(DATAGRAM_BYTES_MIN))
    expect(pair.delivered).toEqual(['10.0.0.1:7001 one'])
    expect(pair.proven).toEqual([
      { at: pair.a.id, peer: pair.b.id, boot: 5 },
      { at: pair.b.id, peer: pair.a.id, boot: 5 }
    ])
  })

  it('need no further handshake once both ends are proven', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'one')
    const before = pair.wire.length
    pair.send(pair.b, pair.a, 'two')
    pair.send(pair.a, pair.b, 'three')
    expect(pair.wire.length - before).toBe(2)
    expect(pair.delivered.slice(1)).toEqual(['10.0.0.1:7002 two', '10.0.0.1:7001 three'])
  })

  it('prove both ends when both start at once', () => {
    const pair = new Pair()
    pair.of(pair.a).send(pair.b, utf8('from a'), pair.now)
    pair.of(pair.b).send(pair.a, utf8('from b'), pair.now)
    pair.settle()
    expect(pair.delivered.sort()).toEqual(['10.0.0.1:7001 from a', '10.0.0.1:7002 from b'])
    expect(pair.refused).toEqual([])
  })

  it.each([0, 1])('repeat the hello when datagram %d is lost', lost => {
    const pair = new Pair()
    pair.lose = index => index === lost
    pair.send(pair.a, pair.b, 'one')
    expect(pair.delivered).toEqual([])
    expect(pair.of(pair.a).nextWake()).toBe(after(pair.now, HELLO_INTERVAL_MS))
    pair.wake(HELLO_INTERVAL_MS)
    expect(pair.delivered).toEqual(['10.0.0.1:7001 one'])
  })

  it('hold back payloads that arrive before the confirm, and deliver them after it', () => {
    const pair = new Pair()
    pair.lose = index => index === 2
    pair.send(pair.a, pair.b, 'one')
    expect(pair.delivered).toEqual(['10.0.0.1:7001 one'])
    // hello, welcome, confirm (lost), data, then B sends a hello, A a welcome, B a confirm.
    expect(pair.wire).toHaveLength(7)
  })

  it('stop sending hellos to a peer that never answers', () => {
    const pair = new Pair()
    pair.lose = () => true
    pair.send(pair.a, pair.b, 'one')
    for (let ms = 0; ms < 2 * PROOF_MS; ms += HELLO_INTERVAL_MS) pair.wake(HELLO_INTERVAL_MS)
    expect(pair.wire).toHaveLength(HELLO_TRIES)
    expect(pair.of(pair.a).nextWake()).toBeUndefined()
    pair.lose = () => false
    pair.send(pair.a, pair.b, 'two')
    expect(pair.delivered).toEqual(['10.0.0.1:7001 two'])
  })

  it('queue a bounded number of payloads and keep the newest', () => {
    const pair = new Pair()
    pair.lose = index => index === 0
    for (let i = 0; i < QUEUED_MAX + 3; i++) pair.send(pair.a, pair.b, `${i}`)
    pair.wake(HELLO_INTERVAL_MS)
    expect(pair.delivered).toHaveLength(QUEUED_MAX)
    expect(pair.delivered[0]).toBe('10.0.0.1:7001 3')
  })

  it('hold back a bounded number of payloads', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'proven')
    pair.start(pair.b, { boot: 6 })
    pair.lose = () => true
    const from = pair.wire.length
    for (let i = 0; i < HELD_MAX + 3; i++) pair.send(pair.a, pair.b, `${i}`)
    const sent = pair.wire.slice(from).map(({ bytes }) => bytes)
    for (const bytes of sent) pair.of(pair.b).receive(bytes, pair.a.address, pair.now)
    pair.lose = () => false
    pair.settle()
    expect(pair.delivered.slice(1)).toHaveLength(HELD_MAX)
  })

  it('drop held payloads when no proof arrives', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'proven')
    const b = pair.start(pair.b, { boot: 6 })
    pair.lose = () => true
    pair.send(pair.a, pair.b, 'held')
    b.receive(pair.wire.at(-1)!.bytes, pair.a.address, pair.now)
    b.drain()
    expect(state(b)).toContain('waitingBytes: 4')
    pair.wake(PROOF_MS)
    expect(state(b)).toContain('waitingBytes: 0')
    expect(b.nextWake()).toBeUndefined()
  })

  it('continue when a peer restarts with the next boot counter', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'one')
    pair.start(pair.b, { boot: 6 })
    pair.send(pair.a, pair.b, 'two')
    pair.send(pair.b, pair.a, 'three')
    expect(pair.delivered.slice(1)).toEqual(['10.0.0.1:7001 two', '10.0.0.1:7002 three'])
    expect(pair.proven.filter(one => one.at === pair.a.id).map(one => one.boot)).toEqual([5, 6])
    expect(pair.refused).toEqual([])
  })

  it('are opened with every accepted overlay key and sealed with the first', () => {
    const pair = new Pair()
    const next = new Uint8Array(32).fill(2)
    pair.start(pair.b, { overlayKeys: [next, overlayKey] })
    pair.send(pair.a, pair.b, 'one')
    expect(pair.refused).toContain('bad-seal')
    pair.start(pair.a, { overlayKeys: [overlayKey, next], boot: 6 })
    pair.send(pair.a, pair.b, 'two')
    pair.send(pair.b, pair.a, 'three')
    expect(pair.delivered).toEqual(['10.0.0.1:7001 two', '10.0.0.1:7002 three'])
  })

  it('throw on a payload over the limit', () => {
    const pair = new Pair()
    const over = new Uint8Array(DATAGRAM_PAYLOAD_BYTES_MAX + 1)
    expect(() => pair.of(pair.a).send(pair.b, over, pair.now)).toThrow(RangeError)
  })
})

describe('an unproven address gets no large datagram', () => {
  it('when a member sends from a new address, which it must prove first', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'one')
    pair.lose = () => true
    pair.send(pair.a, pair.b, 'moved')
    const delivered = pair.inject(pair.b, pair.wire.at(-1)!.bytes, at(9_999))
    expect(only(delivered, 'deliver')).toHaveLength(1)
    pair.of(pair.b).send({ id: pair.a.id, address: at(9_999) }, new Uint8Array(1_000), pair.now)
    expect(only(pair.of(pair.b).drain(), 'transmit').map(({ bytes }) => bytes.length)).toEqual([DATAGRAM_BYTES_MIN])
  })

  it('when its proof has expired', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'one')
    pair.wake(PATH_PROVEN_MS)
    const before = pair.wire.length
    pair.send(pair.a, pair.b, 'large'.repeat(100))
    expect(pair.wire[before]!.bytes.length).toBe(DATAGRAM_BYTES_MIN)
    expect(pair.delivered).toHaveLength(2)
  })

  it('whatever arrives from it: one answer per datagram, and no larger', () => {
    const pair = new Pair()
    pair.lose = () => true
    pair.send(pair.a, pair.b, 'one')
    const hello = pair.wire[0]!.bytes
    const answers = only(pair.inject(pair.b, hello, at(9_999)), 'transmit')
    expect(answers.map(({ bytes }) => bytes.length)).toEqual([hello.length])
    pair.wake(PROOF_MS * 2)
    expect(pair.wire.filter(({ to }) => to.port === 9_999)).toEqual([])
  })

  it('and the number of paths of one member is bounded', () => {
    const pair = new Pair()
    for (let i = 0; i < PATHS_MAX + 3; i++) {
      pair.of(pair.a).send({ id: pair.b.id, address: at(8_000 + i) }, utf8('x'), pair.now)
    }
    expect(state(pair.of(pair.a))).toContain(`waitingBytes: ${PATHS_MAX}`)
  })
})

describe('a member that does not answer at its announced address', () => {
  const elsewhere = at(6_000)
  /** B sends from its own address, but A knows it under another one. */
  function behindNat(): { pair: Pair; announced: Contact; sent: (text: string) => string[] } {
    const pair = new Pair()
    const announced = { id: pair.b.id, address: elsewhere }
    pair.send(pair.b, pair.a, 'from b')
    const sent = (text: string): string[] => {
      const before = pair.wire.length
      pair.send(pair.a, announced, text)
      return pair.wire.slice(before).map(({ to, bytes }) => `${to.port} ${bytes.length}`)
    }
    return { pair, announced, sent }
  }
  const hello = `6000 ${DATAGRAM_BYTES_MIN}`

  it('gets payloads where it was heard last, once the announced address is silent but for hellos to it', () => {
    const { pair, sent } = behindNat()
    expect(sent('one')).toEqual([hello])
    for (let ms = 0; ms < PROOF_MS; ms += HELLO_INTERVAL_MS) pair.wake(HELLO_INTERVAL_MS)
    expect(sent('two')).toEqual([hello, expect.stringMatching(/^7002 /)])
    expect(pair.delivered).toEqual(['10.0.0.1:7002 from b', '10.0.0.1:7001 two'])
  })

  it('gets payloads where its current boot was heard, and none where it was heard long ago', () => {
    const { pair, sent } = behindNat()
    sent('one')
    pair.wake(PROOF_MS)
    const a = pair.of(pair.a)
    const life = new Sessions({ ...(pair.of(pair.b) as unknown as { init: SessionsInit }).init, boot: 6 })
    life.send(pair.a, utf8('x'), pair.now)
    const asked = only(life.drain(), 'transmit')[0]!.bytes
    a.receive(asked, at(7_003), pair.now)
    const welcome = only(a.drain(), 'transmit')[0]!.bytes
    life.receive(welcome, pair.a.address, pair.now)
    for (const { bytes } of only(life.drain(), 'transmit')) a.receive(bytes, at(7_003), pair.now)
    a.drain()
    expect(sent('two').slice(1)).toEqual([expect.stringMatching(/^7003 /)])
    pair.wake(PROOF_MS)
    pair.wake(PATH_PROVEN_MS - PROOF_MS)
    expect(sent('three')).toEqual([hello])
  })

  it('leaves no waiting payloads behind', () => {
    const { pair, sent } = behindNat()
    sent('one')
    pair.wake(PROOF_MS)
    sent('two')
    pair.wake(PROOF_MS)
    expect(state(pair.of(pair.a))).toContain('waitingBytes: 0')
    expect(pair.of(pair.a).nextWake()).toBeUndefined()
  })
})

describe('memory that members can use is bounded', () => {
  const many = (count: number): Contact[] =>
    Array.from({ length: count }, (_, i) => {
      const key = new Uint8Array(32)
      new DataView(key.buffer).setUint32(0, i)
      return { id: nodeId(key), address: at(1 + i) }
    })

  it('in peers: the least recently used one is evicted, and proves itself again', () => {
    const pair = new Pair()
    pair.send(pair.a, pair.b, 'one')
    pair.lose = () => true
    for (const contact of many(PEERS_MAX)) pair.send(pair.a, contact, 'x')
    expect((pair.of(pair.a) as unknown as { peers: { size: number } }).peers.size).toBe(PEERS_MAX)
    pair.lose = () => false
    pair.send(pair.a, pair.b, 'two')
    pair.send(pair.b, pair.a, 'three')
    expect(pair.delivered.slice(1)).toEqual(['10.0.0.1:7001 two', '10.0.0.1:7002 three'])
  })

  it('in waiting bytes: all are dropped when the proofs expire', () => {
    const pair = new Pair()
    const waiting = (): number => (pair.of(pair.a) as unknown as { waitingBytes: number }).waitingBytes
    for (const contact of many(400)) {
      for (let i = 0; i < QUEUED_MAX; i++) pair.of(pair.a).send(contact, new Uint8Array(1_000), pair.now)
    }
    expect(waiting()).toBeLessThanOrEqual(WAITING_BYTES_MAX)
    expect(waiting()).toBeGreaterThan(WAITING_BYTES_MAX - 1_000)
    pair.wake(PROOF_MS)
    expect(waiting()).toBe(0)
  })
})

describe('a sealed datagram', () => {
  it('is encoded to these bytes', () => {
    const pair = new Pair()
    const sessions = pair.start(pair.a, { nonce: () => new Uint8Array(PROOF_BYTES).fill(0xaa) })
    sessions.send(pair.b, utf8('x'), pair.now)
    const [hello] = only(sessions.drain(), 'transmit')
    expect(hex(hello!.bytes)).toBe(
      '01090909090909090909090909090909090101010101010101010101010101010101010101010101010101010101010101000000050000000000000000b044380d45244853d8fd477bceae04d09a1df9e498d7e1b1f027579be899dbb08be80e2f43e002b28e32a9fe6a160ad6dd'
    )
  })
})

/** Records one datagram of every kind addressed to B, each not yet delivered. */
function recorded(): { pair: Pair; toB: Array<{ name: string; bytes: Uint8Array; prepare: () => Pair }> } {
  const pair = new Pair()
  pair.send(pair.a, pair.b, 'secret')
  const upTo = (count: number) => (): Pair => {
    const replay = new Pair()
    replay.lose = index => index >= count
    replay.send(replay.a, replay.b, 'secret')
    return replay
  }
  const toB = [
    { name: 'hello', bytes: pair.wire[0]!.bytes, prepare: upTo(0) },
    { name: 'confirm', bytes: pair.wire[2]!.bytes, prepare: upTo(2) },
    { name: 'data', bytes: pair.wire[3]!.bytes, prepare: upTo(3) }
  ]
  return { pair, toB }
}

describe('an outsider', () => {
  const { pair, toB } = recorded()

  it.each(toB)('changes nothing by flipping any bit of any byte of a $name', ({ bytes, prepare }) => {
    const victim = prepare()
    const b = victim.of(victim.b)
    const before = state(b)
    for (let position = 0; position < bytes.length; position++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = bytes.slice()
        changed[position]! ^= 1 << bit
        const events = victim.inject(victim.b, changed, victim.a.address)
        expect(events.map(event => event.kind)).toEqual(['refused'])
      }
      if (position % 10 === 0) expect(state(b)).toBe(before)
    }
    expect(state(b)).toBe(before)
    // The same datagram unmodified has an effect, so the test above can fail.
    expect(victim.inject(victim.b, bytes, victim.a.address).map(event => event.kind)).not.toEqual(['refused'])
  })

  it.each(toB)('changes nothing by replaying a $name, from anywhere', ({ bytes }) => {
    const b = pair.of(pair.b)
    const before = state(b)
    for (const from of [pair.a.address, at(9_999)]) {
      expect(pair.inject(pair.b, bytes, from)).toMatchObject([{ kind: 'refused', reason: 'replayed' }])
    }
    expect(state(b)).toBe(before)
  })

  it('changes nothing by replaying datagrams of an earlier boot, even after a restart of the receiver', () => {
    const fresh = new Pair()
    const b = fresh.start(fresh.b, { boot: 6, memberBoots: new Map([[fresh.a.id, 6]]) })
    const before = state(b)
    for (const { bytes } of toB) {
      expect(fresh.inject(fresh.b, bytes, at(9_999))).toMatchObject([{ kind: 'refused', reason: 'replayed' }])
    }
    expect(state(b)).toBe(before)
  })

  it('delivers nothing by replaying everything to a restarted receiver', () => {
    const fresh = new Pair()
    fresh.start(fresh.b, { boot: 6 })
    const events = pair.wire.flatMap(({ bytes }) => fresh.inject(fresh.b, bytes, at(9_999)))
    expect(only(events, 'deliver')).toEqual([])
    expect(only(events, 'proven')).toEqual([])
    const answers = only(events, 'transmit').map(({ bytes }) => bytes.length)
    expect(answers.length).toBeLessThanOrEqual(pair.wire.length)
    expect(answers.every(length => length === DATAGRAM_BYTES_MIN)).toBe(true)
    const again = pair.wire.flatMap(({ bytes }) => fresh.inject(fresh.b, bytes, at(9_998)))
    expect(only(again, 'transmit')).toEqual([])
  })

  it('cannot replay a datagram for one member to another', () => {
    const c = contactOf(3)
    pair.start(c)
    for (const { bytes } of toB) {
      expect(pair.inject(c, bytes, pair.a.address)).toMatchObject([{ kind: 'refused', reason: 'bad-seal' }])
    }
  })

  it.each([
    ['nothing', new Uint8Array(0), 'malformed'],
    ['too little', new Uint8Array(DATAGRAM_BYTES_MIN - 1), 'malformed'],
    ['too much', new Uint8Array(1_201), 'malformed'],
    ['noise', new Uint8Array(500).fill(7), 'malformed'],
    ['another overlay', Uint8Array.from([1, ...new Array<number>(499).fill(7)]), 'malformed']
  ])('gets no byte back for %s', (_, bytes, reason) => {
    expect(pair.inject(pair.b, bytes, at(9_999))).toMatchObject([{ kind: 'refused', reason }])
  })

  it('of another overlay is refused as such in the log', () => {
    const stranger = contactOf(4)
    const other = overlayId(new Uint8Array(32).fill(8))
    const sessions = new Pair().start(stranger, { overlay: other })
    sessions.send(pair.b, utf8('hello?'), pair.now)
    const [hello] = only(sessions.drain(), 'transmit')
    expect(pair.inject(pair.b, hello!.bytes, at(9_999))).toMatchObject([{ kind: 'refused', reason: 'wrong-overlay' }])
  })
})
