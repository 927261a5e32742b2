/** The paper's claims (Das, Gupta, Motivala: SWIM, 2002), and what this room adds to them. */
import { describe, expect, test } from 'vitest'
import { nodeId } from '../../../../src/base/ids.ts'
import { CEILING_AHEAD, CEILING_RETRY_MS } from '../../../../src/core/membership/own.ts'
import { suspicionBoundsMs, suspicionMs } from '../../../../src/core/membership/settings.ts'
import { WAITING_CLAIMS_MAX, WAITING_MAX, WAITING_MS } from '../../../../src/core/membership/view/waiting.ts'
import { Lone, Peer, peers, PERIOD_MS } from './lone.ts'

/** A running node that knows `count` others, all alive with incarnation 1, past its first gossip. */
function among(count: number): { lone: Lone; others: Peer[] } {
  const lone = new Lone()
  const others = peers(count)
  for (const peer of others) lone.gossip(peer, peer.alive(1))
  lone.sent = []
  lone.events = []
  return { lone, others }
}

/** Until a probe of `target` begins; the others answer theirs. Returns its sequence. */
function untilPinged(lone: Lone, target: Peer, others: readonly Peer[]): number {
  const answering = others.filter(peer => peer !== target)
  for (let steps = 0; steps < 100 * others.length; steps++) {
    const before = lone.sent.length
    lone.advanceAnswering(PERIOD_MS / 20, answering)
    const ping = lone.sent.slice(before).find(({ to, message }) => message.kind === 'ping' && to === target.id)
    if (ping?.message.kind === 'ping') return ping.message.sequence
  }
  throw new Error('it was never pinged')
}

describe('SWIM 3.1, the failure detector', () => {
  test('"a ping message is sent to Mj"; an ack within the period, and nothing else happens', () => {
    const { lone, others } = among(4)
    lone.advanceAnswering(20 * PERIOD_MS, others)
    expect(lone.take('ping-request')).toEqual([])
    expect(others.map(peer => lone.stateOf(peer))).toEqual(others.map(() => 'alive@1'))
  })

  test('"Mi selects k members at random and sends each a ping-req(Mj)", and pings over a stream besides', () => {
    const { lone, others } = among(5)
    const [silent] = others as [Peer]
    const sequence = untilPinged(lone, silent, others)
    lone.advance(PERIOD_MS / 2)
    const requests = lone.take('ping-request')
    expect(new Set(requests.map(({ to }) => to)).size).toBe(3)
    expect(requests.every(({ to, message }) => to !== silent.id && message.target === silent.id)).toBe(true)
    expect(requests.every(({ message }) => message.sequence === sequence)).toBe(true)
    expect(lone.take('ping').filter(({ via, to }) => via === 'stream' && to === silent.id)).toHaveLength(1)
  })

  test('"on receipt of this ack", relayed by a proxy, the silent one is no suspect', () => {
    const { lone, others } = among(5)
    const [silent] = others as [Peer]
    const sequence = untilPinged(lone, silent, others)
    lone.advance(PERIOD_MS / 2)
    const [request] = lone.take('ping-request')
    const proxy = others.find(({ id }) => id === request?.to)!
    lone.hear(proxy, { kind: 'ack', sequence, rumours: [] })
    lone.advance(PERIOD_MS * 0.6)
    expect(lone.stateOf(silent)).toBe('alive@1')
  })

  test('an ack from somebody who was not asked proves nothing', () => {
    const { lone, others } = among(1)
    const [silent] = others as [Peer]
    const stranger = new Peer(99)
    const sequence = untilPinged(lone, silent, others)
    lone.hear(stranger, { kind: 'ack', sequence, rumours: [] })
    lone.advance(PERIOD_MS * 1.2)
    expect(lone.stateOf(silent)).toBe('suspect@1')
  })

  test('"each Mk then pings Mj and forwards its ack"', () => {
    const { lone, others } = among(2)
    const [asker, target] = others as [Peer, Peer]
    lone.hear(asker, { kind: 'ping-request', sequence: 77, target: target.id, rumours: [] })
    const [ping] = lone.take('ping')
    expect(ping?.to).toBe(target.id)
    lone.hear(asker, { kind: 'ack', sequence: ping!.message.sequence, rumours: [] })
    expect(lone.take('ack')).toEqual([])
    lone.hear(target, { kind: 'ack', sequence: ping!.message.sequence, rumours: [] })
    expect(lone.take('ack')).toMatchObject([{ to: asker.id, message: { sequence: 77 } }])
  })

  test('an ack that is late is not forwarded: nobody waits for it any more', () => {
    const { lone, others } = among(2)
    const [asker, target] = others as [Peer, Peer]
    lone.hear(asker, { kind: 'ping-request', sequence: 77, target: target.id, rumours: [] })
    const [ping] = lone.take('ping')
    lone.advance(PERIOD_MS)
    lone.hear(target, { kind: 'ack', sequence: ping!.message.sequence, rumours: [] })
    expect(lone.take('ack')).toEqual([])
  })

  test('a ping names whom it is for: anybody else stays silent', () => {
    const { lone, others } = among(1)
    lone.hear(others[0]!, { kind: 'ping', sequence: 1, target: others[0]!.id, rumours: [] })
    expect(lone.sent).toEqual([])
    expect(lone.machine.counts.misaddressed).toBe(1)
  })

  test('SWIM 4.3: "the time interval between successive selections is bounded": each once in a round', () => {
    const { lone, others } = among(8)
    const pinged: string[] = []
    lone.advance(8 * 12 * PERIOD_MS, () => {
      for (const { to, message } of lone.take('ping')) {
        pinged.push(to)
        lone.hear(
          others.find(({ id }) => id === to)!,
          { kind: 'ack', sequence: message.sequence, rumours: [] }
        )
      }
    })
    const places = pinged.flatMap((id, place) => (id === others[0]!.id ? [place] : []))
    const gaps = places.slice(1).map((place, index) => place - (places[index] ?? 0))
    expect(places.length).toBeGreaterThanOrEqual(10)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * others.length - 1)
  })
})

test('SWIM 4.3: "at the completion of each traversal the membership list is rearranged to a random reordering"', () => {
  const { lone, others } = among(8)
  const pinged: string[] = []
  lone.advance(80 * PERIOD_MS, () => {
    for (const { to, message } of lone.take('ping')) {
      pinged.push(to)
      lone.hear(
        others.find(({ id }) => id === to)!,
        { kind: 'ack', sequence: message.sequence, rumours: [] }
      )
    }
  })
  const followers = pinged.flatMap((id, place) => (id === others[0]!.id ? [pinged[place + 1]] : []))
  expect(new Set(followers).size).toBeGreaterThan(3)
})

test('who came back from the dead is probed once in a round, as before', () => {
  const { lone, others } = among(4)
  const [subject, accuser] = others as [Peer, Peer]
  for (let i = 1; i <= 20; i++) {
    lone.gossip(accuser, accuser.claims.dead(subject.id, i), subject.alive(i + 1))
  }
  lone.sent = []
  lone.advanceAnswering(40 * PERIOD_MS, others)
  const toSubject = lone.take('ping').filter(({ to }) => to === subject.id)
  expect(toSubject.length).toBeGreaterThanOrEqual(8)
  expect(toSubject.length).toBeLessThanOrEqual(12)
})

describe('SWIM 4.1, dissemination on pings and acks', () => {
  test('news rides on the ack of the very ping after it', () => {
    const { lone, others } = among(3)
    const newcomer = new Peer(50)
    lone.gossip(others[0]!, newcomer.alive(1))
    lone.hear(others[1]!, { kind: 'ping', sequence: 5, target: lone.self.id, rumours: [] })
    expect(lone.take('ack')[0]?.message.rumours).toContainEqual(newcomer.alive(1))
  })

  test('gossip datagrams end when every rumour has had its turns', () => {
    const { lone, others } = among(4)
    lone.advanceAnswering(10_000, others)
    lone.takeClaims()
    lone.advanceAnswering(10_000, others)
    expect(lone.takeClaims()).toEqual([])
  })
})

describe('SWIM 4.2, suspicion', () => {
  test('"Mi marks Mj as suspected" when the period ends, and says so in its own name', () => {
    const { lone, others } = among(4)
    const [silent] = others as [Peer]
    untilPinged(lone, silent, others)
    lone.advanceAnswering(PERIOD_MS * 1.2, others.slice(1))
    expect(lone.stateOf(silent)).toBe('suspect@1')
    expect(lone.takeClaims()).toContainEqual(lone.self.claims.suspect(silent.id, 1))
  })

  test('refutes a suspicion with a higher incarnation', () => {
    const { lone, others } = among(4)
    const { incarnation } = lone.machine.member(lone.self.id)!
    lone.gossip(others[0]!, others[1]!.claims.suspect(lone.self.id, incarnation))
    expect(lone.events).toEqual([{ kind: 'refuted', incarnation: incarnation + 1, accusation: 'suspect' }])
    expect(lone.machine.member(lone.self.id)?.incarnation).toBe(incarnation + 1)
    lone.advance(PERIOD_MS)
    expect(lone.takeClaims()[0]).toMatchObject({ subject: lone.self.id, incarnation: incarnation + 1 })
  })

  test('one accusation is refuted once, however often it is repeated, and who repeats it is corrected', () => {
    const { lone, others } = among(4)
    const { incarnation } = lone.machine.member(lone.self.id)!
    const accusation = others[1]!.claims.dead(lone.self.id, incarnation)
    lone.gossip(others[0]!, accusation)
    lone.advance(PERIOD_MS * 20)
    lone.sent = []
    lone.hear(others[2]!, { kind: 'ping', sequence: 1, target: lone.self.id, rumours: [accusation] })
    expect(lone.events.filter(({ kind }) => kind === 'refuted')).toHaveLength(1)
    expect(lone.take('ack')[0]?.message.rumours[0]).toMatchObject({ kind: 'alive', incarnation: incarnation + 1 })
  })

  test('"Alive(i) overrides Suspect(j), i > j": the refuted suspicion ends', () => {
    const { lone, others } = among(4)
    const [accused, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.suspect(accused.id, 1))
    expect(lone.stateOf(accused)).toBe('suspect@1')
    lone.gossip(accuser, accused.alive(2))
    lone.advanceAnswering(suspicionBoundsMs(5, PERIOD_MS).maxMs + PERIOD_MS, others)
    expect(lone.stateOf(accused)).toBe('alive@2')
  })

  test('a state is as old as its begin, whatever was confirmed since', () => {
    const { lone, others } = among(4)
    const [accused, accuser, another] = others as [Peer, Peer, Peer]
    lone.gossip(accuser, accuser.claims.suspect(accused.id, 1))
    const { mono } = lone
    lone.advanceAnswering(500, others)
    lone.gossip(another, another.claims.suspect(accused.id, 1))
    expect(lone.machine.member(accused.id)?.since).toBe(mono)
  })

  test('an ack is no refutation: only the suspect itself can clear its name', () => {
    const { lone, others } = among(4)
    lone.gossip(others[1]!, others[1]!.claims.suspect(others[0]!.id, 1))
    lone.advanceAnswering(suspicionBoundsMs(5, PERIOD_MS).maxMs + 1, others)
    expect(lone.stateOf(others[0]!)).toBe('dead@1')
  })

  test.each([0, 1, 2])('with %i confirmations the time is up when the formula says', confirmations => {
    const { lone, others } = among(6)
    // After a quiet time: that nothing was due for long is no standstill.
    lone.advanceAnswering(60_000, others)
    const [accused, ...accusers] = others as [Peer, ...Peer[]]
    for (const accuser of accusers.slice(0, confirmations + 1)) {
      lone.gossip(accuser, accuser.claims.suspect(accused.id, 1))
    }
    // All answer, the accused too, so that this node itself confirms nothing.
    const ms = suspicionMs({ members: 7, periodMs: PERIOD_MS, confirmations })
    lone.advanceAnswering(ms - 1, others)
    expect(lone.stateOf(accused)).toBe('suspect@1')
    lone.advanceAnswering(2, others)
    expect(lone.stateOf(accused)).toBe('dead@1')
    expect(lone.takeClaims()).toContainEqual(lone.self.claims.dead(accused.id, 1))
  })

  test('one signer confirms once, a stranger not at all', () => {
    const { lone, others } = among(6)
    const [accused, accuser] = others as [Peer, Peer]
    const stranger = new Peer(99)
    lone.gossip(accuser, accuser.claims.suspect(accused.id, 1))
    lone.gossip(accuser, accuser.claims.suspect(accused.id, 1), stranger.claims.suspect(accused.id, 1))
    lone.advanceAnswering(suspicionMs({ members: 7, periodMs: PERIOD_MS, confirmations: 1 }) + 1, others)
    expect(lone.stateOf(accused)).toBe('suspect@1')
  })

  test('a suspect is told so in the very next ping to it', () => {
    const { lone, others } = among(3)
    const accusation = others[1]!.claims.suspect(others[0]!.id, 1)
    lone.gossip(others[1]!, accusation)
    lone.advanceAnswering(PERIOD_MS * 3, others.slice(1))
    lone.hear(others[0]!, { kind: 'ping', sequence: 3, target: lone.self.id, rumours: [] })
    expect(lone.take('ack').at(-1)?.message.rumours).toContainEqual(accusation)
  })

  test('who gossips while it is held dead is told at once, and not more often than gossip goes', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.dead(subject.id, 1))
    for (let i = 0; i < 5; i++) lone.gossip(subject, accuser.alive(1))
    const told = lone.take('gossip').filter(({ to }) => to === subject.id)
    expect(told).toHaveLength(1)
    expect(told[0]?.message.rumours[0]).toEqual(accuser.claims.dead(subject.id, 1))
  })

  test('a node that stood still takes nobody for silent', () => {
    const { lone, others } = among(4)
    const [accused, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.suspect(accused.id, 1))
    untilPinged(lone, others[2]!, others)
    lone.mono = (lone.mono + 60 * PERIOD_MS) as typeof lone.mono
    lone.machine.wake(lone.now)
    lone.drain()
    expect(others.map(peer => lone.stateOf(peer))).toEqual(['suspect@1', 'alive@1', 'alive@1', 'alive@1'])
  })
})

describe('evidence', () => {
  test('Dead@1, Dead@10, Alive@2 does not bring a dead node back', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.dead(subject.id, 1))
    lone.gossip(accuser, accuser.claims.dead(subject.id, 10))
    expect(lone.take('want')).toMatchObject([{ to: accuser.id, via: 'stream', message: { ids: [subject.id] } }])
    lone.prove(accuser, subject.alive(10))
    expect(lone.stateOf(subject)).toBe('dead@10')
    lone.gossip(accuser, subject.alive(2))
    expect(lone.stateOf(subject)).toBe('dead@10')
  })

  test('a dead member comes back with a higher incarnation, and with no other', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.dead(subject.id, 1))
    lone.gossip(accuser, subject.alive(1))
    expect(lone.stateOf(subject)).toBe('dead@1')
    lone.gossip(accuser, subject.alive(2))
    expect(lone.stateOf(subject)).toBe('alive@2')
  })

  test('a return from the dead begins push-pulls anew: many may have come back', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.advanceAnswering(10_000, others)
    lone.gossip(accuser, accuser.claims.dead(subject.id, 1))
    lone.sent = []
    lone.gossip(accuser, subject.alive(2))
    lone.advanceAnswering(1, others)
    expect(lone.take('digest')).toHaveLength(1)
  })

  test('who left stays left, not dead; coming back takes a higher incarnation', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.dead(subject.id, 1), subject.claims.leave(1))
    lone.gossip(accuser, accuser.claims.dead(subject.id, 1), subject.alive(1))
    expect(lone.stateOf(subject)).toBe('left@1')
    lone.gossip(accuser, subject.alive(2))
    expect(lone.stateOf(subject)).toBe('alive@2')
  })

  test.each(['alive', 'leave', 'suspect', 'dead'] as const)('a forged %s changes nothing, and is told', kind => {
    const { lone, others } = among(4)
    const [subject, liar] = others as [Peer, Peer]
    const genuine = {
      alive: subject.alive(2),
      leave: subject.claims.leave(1),
      suspect: others[2]!.claims.suspect(subject.id, 1),
      dead: others[2]!.claims.dead(subject.id, 1)
    }[kind]
    // Genuine for another incarnation, so it is a signature, but not of this.
    lone.gossip(liar, {
      ...genuine,
      incarnation: genuine.incarnation + (kind === 'alive' ? 1 : 0),
      signature: liar.alive(9).signature
    })
    expect(lone.stateOf(subject)).toBe('alive@1')
    expect(lone.events).toEqual([{ kind: 'misbehaved', peer: liar.id, what: `a forged ${kind} claim` }])
    expect(lone.machine.counts.badSignatures).toBe(1)
  })

  test('a forged accusation of this node is not refuted, a forged claim in its name is no clone', () => {
    const { lone, others } = among(4)
    const liar = others[0]!
    const own = lone.machine.member(lone.self.id)!
    const { signature } = liar.alive(9)
    lone.gossip(liar, { ...liar.claims.dead(lone.self.id, own.incarnation), signature })
    lone.gossip(liar, { ...lone.self.claims.leave(own.incarnation + 1), signature })
    expect(lone.events.map(({ kind }) => kind)).toEqual(['misbehaved', 'misbehaved'])
    expect(lone.machine.member(lone.self.id)).toEqual(own)
  })

  test('a forged accusation ahead of its subject does not even wait', () => {
    const { lone, others } = among(4)
    const [subject, liar] = others as [Peer, Peer]
    lone.gossip(liar, { ...others[2]!.claims.dead(subject.id, 5), signature: liar.alive(9).signature })
    expect(lone.take('want')).toEqual([])
    expect(lone.machine.counts.badSignatures).toBe(1)
  })

  test('an accusation ahead of its subject waits, and is dropped when the claim does not come', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.gossip(accuser, accuser.claims.suspect(subject.id, 5))
    expect(lone.stateOf(subject)).toBe('alive@1')
    lone.advanceAnswering(WAITING_MS, others)
    lone.gossip(accuser, subject.alive(5))
    expect(lone.stateOf(subject)).toBe('alive@5')
  })

  test('the waiting room is bounded, by subjects and by claims about each', () => {
    const { lone, others } = among(4)
    const accuser = others[0]!
    for (let i = 2; i <= WAITING_CLAIMS_MAX + 2; i++) lone.gossip(accuser, accuser.claims.suspect(others[1]!.id, i))
    expect(lone.machine.counts.unproven).toBe(1)
    for (let i = 0; i < WAITING_MAX; i++) {
      const nobody = nodeId(Uint8Array.of(...new Uint8Array(30), i >> 8, i & 255))
      lone.gossip(accuser, accuser.claims.suspect(nobody, 1))
    }
    expect(lone.machine.counts.unproven).toBe(2)
  })

  test('a death that push-pull remembers is a suspicion first: its subject is heard', () => {
    const { lone, others } = among(8)
    const [subject, accuser] = others as [Peer, Peer]
    lone.prove(accuser, accuser.claims.dead(subject.id, 1))
    expect(lone.stateOf(subject)).toBe('suspect@1')
    lone.advanceAnswering(suspicionBoundsMs(9, PERIOD_MS).minMs + 1, others)
    expect(lone.stateOf(subject)).toBe('dead@1')
  })

  test('and a confirmation does not lengthen it again', () => {
    const { lone, others } = among(8)
    const [subject, accuser, another] = others as [Peer, Peer, Peer]
    lone.prove(accuser, accuser.claims.dead(subject.id, 1))
    lone.gossip(another, another.claims.suspect(subject.id, 1))
    lone.advanceAnswering(suspicionBoundsMs(9, PERIOD_MS).minMs + 1, others)
    expect(lone.stateOf(subject)).toBe('dead@1')
  })

  test('a death that comes with a newer life is taken as it is', () => {
    const { lone, others } = among(4)
    const [subject, accuser] = others as [Peer, Peer]
    lone.prove(accuser, subject.alive(3), accuser.claims.dead(subject.id, 3))
    expect(lone.stateOf(subject)).toBe('dead@3')
  })
})

describe('the own incarnation', () => {
  test('nothing is sent before its ceiling is on disk', () => {
    const lone = new Lone({ start: false })
    lone.diskHolds = true
    lone.machine.start([new Peer(1).contact], lone.now)
    lone.drain()
    lone.hear(new Peer(1), { kind: 'ping', sequence: 1, target: lone.self.id, rumours: [] })
    lone.advance(60_000)
    expect(lone.sent).toEqual([])
    lone.answerDisk(true)
    expect(lone.take('digest')).toHaveLength(1)
  })

  test('a full disk is tried again until it takes it', () => {
    const lone = new Lone({ start: false })
    lone.diskHolds = true
    lone.machine.start([new Peer(1).contact], lone.now)
    lone.drain()
    lone.answerDisk(false)
    lone.advance(CEILING_RETRY_MS)
    expect(lone.sent).toEqual([])
    lone.answerDisk(true)
    expect(lone.take('digest')).toHaveLength(1)
  })

  test('refuting waits for no disk, until the ceiling is reached: then it waits', () => {
    const { lone, others } = among(3)
    lone.diskHolds = true
    const first = lone.machine.member(lone.self.id)!.incarnation
    const accuse = () => {
      const { incarnation } = lone.machine.member(lone.self.id)!
      lone.gossip(others[0]!, others[0]!.claims.suspect(lone.self.id, incarnation))
    }
    for (let i = 0; i < CEILING_AHEAD + 20; i++) accuse()
    expect(lone.machine.member(lone.self.id)!.incarnation).toBe(first + CEILING_AHEAD)
    // The last one is promised, and every further accusation of the same incarnation is met by it.
    expect(lone.events).toHaveLength(CEILING_AHEAD + 1)
    lone.answerDisk(true)
    expect(lone.machine.member(lone.self.id)!.incarnation).toBe(first + CEILING_AHEAD + 1)
  })

  test('a restart begins above everything that was signed', () => {
    const before = new Lone()
    const first = before.machine.member(before.self.id)!.incarnation
    const after = new Lone({ restored: before.disk })
    expect(after.machine.member(after.self.id)!.incarnation).toBe(first + CEILING_AHEAD + 1)
  })

  test('another address is announced with a higher incarnation', () => {
    const { lone } = among(2)
    const { incarnation } = lone.machine.member(lone.self.id)!
    lone.machine.setAddress({ host: '192.0.2.9', port: 9 }, lone.now)
    lone.advance(PERIOD_MS)
    expect(lone.takeClaims()).toContainEqual(
      lone.self.claims.alive(incarnation + 1, 'lone', { host: '192.0.2.9', port: 9 })
    )
  })

  test('a claim in its own name that it never made is a clone: told, and outbid once in a while', () => {
    const { lone, others } = among(2)
    lone.gossip(others[0]!, lone.self.claims.alive(40, 'twin', lone.self.contact.address))
    lone.gossip(others[0]!, lone.self.claims.alive(90, 'twin', lone.self.contact.address))
    expect(lone.events).toEqual([{ kind: 'clone', incarnation: 40, address: lone.self.contact.address }])
    expect(lone.machine.member(lone.self.id)?.incarnation).toBe(41)
  })
})

describe('leaving', () => {
  test('is told to three, and over when they have acked', () => {
    const { lone, others } = among(6)
    const { incarnation } = lone.machine.member(lone.self.id)!
    lone.machine.leave(lone.now)
    lone.drain()
    const pings = lone.take('ping')
    expect(pings).toHaveLength(3)
    for (const { to, message } of pings) {
      expect(message.rumours[0]).toEqual(lone.self.claims.leave(incarnation))
      expect(lone.events).toEqual([])
      lone.hear(
        others.find(({ id }) => id === to)!,
        { kind: 'ack', sequence: message.sequence, rumours: [] }
      )
    }
    expect(lone.events).toEqual([{ kind: 'left-done' }])
    expect(lone.machine.nextWake()).toBeUndefined()
  })

  test('an ack of something else is not counted', () => {
    const { lone, others } = among(6)
    lone.machine.leave(lone.now)
    lone.drain()
    for (const peer of others) lone.hear(peer, { kind: 'ack', sequence: 12345, rumours: [] })
    expect(lone.events).toEqual([])
  })

  test('ends after three periods when nobody answers', () => {
    const { lone } = among(6)
    lone.machine.leave(lone.now)
    lone.advance(3 * PERIOD_MS - 1)
    expect(lone.events).toEqual([])
    lone.advance(1)
    expect(lone.events).toEqual([{ kind: 'left-done' }])
  })

  test('is the last word: a refutation that waited for the disk does not come after it', () => {
    const { lone, others } = among(6)
    lone.diskHolds = true
    for (let i = 0; i < CEILING_AHEAD + 1; i++) {
      const { incarnation } = lone.machine.member(lone.self.id)!
      lone.gossip(others[0]!, others[0]!.claims.suspect(lone.self.id, incarnation))
    }
    const { incarnation } = lone.machine.member(lone.self.id)!
    lone.machine.leave(lone.now)
    lone.drain()
    lone.answerDisk(true)
    expect(lone.machine.member(lone.self.id)).toMatchObject({ state: 'left', incarnation })
  })

  test('a lone node leaves at once', () => {
    const { lone } = among(0)
    lone.machine.leave(lone.now)
    lone.drain()
    expect(lone.events).toEqual([{ kind: 'left-done' }])
  })
})
