/** How strangers meet, and what a peer can make this node do. */
import { describe, expect, test } from 'vitest'
import { PACED_PEERS_MAX } from '../../../../src/core/membership/pace.ts'
import { ANSWER_PAUSE_MS, WANT_SHORT } from '../../../../src/core/membership/dissemination/pushpull.ts'
import { RELAYS_MAX } from '../../../../src/core/membership/detector/ping-relays.ts'
import { CONTACT_TRIES_MAX, CONTACTS_MAX } from '../../../../src/core/membership/dissemination/syncer.ts'
import { RUMOURS_PER_DATAGRAM_MAX } from '../../../../src/wire/membership.ts'
import { Lone, Peer, peers, PERIOD_MS } from './lone.ts'

describe('contacts', () => {
  test('a lone node tries its contact after 1, 2 and 4 s, then less and less often, and never gives up', () => {
    const contact = new Peer(1)
    const lone = new Lone({ contacts: [contact.contact] })
    const start = lone.mono
    const at = [0]
    lone.take('digest')
    lone.advance(130_000, () => {
      for (const { to } of lone.take('digest')) if (to === contact.id) at.push((lone.mono - start) / 1_000)
    })
    expect(at).toEqual([0, 1, 3, 7, 15, 31, 61, 91, 121])
  })

  test('the first who answers is told, once', () => {
    const [a, b] = peers(2) as [Peer, Peer]
    const lone = new Lone({ contacts: [a.contact] })
    lone.prove(a, a.alive(1), b.alive(1))
    lone.prove(b, b.alive(2))
    expect(lone.events.filter(({ kind }) => kind === 'joined')).toEqual([{ kind: 'joined', members: 3 }])
  })

  test('more of them may come later; one that never answers is given up when there are others', () => {
    const [member, nobody] = peers(2) as [Peer, Peer]
    const lone = new Lone()
    lone.gossip(member, member.alive(1))
    lone.machine.join([nobody.contact], lone.now)
    lone.advanceAnswering(600_000, [member])
    expect(lone.take('digest').filter(({ to }) => to === nobody.id)).toHaveLength(CONTACT_TRIES_MAX)
  })

  test('so many are kept, three are tried at once', () => {
    const lone = new Lone({ contacts: peers(CONTACTS_MAX + 5).map(({ contact }) => contact) })
    expect(lone.take('digest')).toHaveLength(3)
    lone.advance(1_000_000)
    expect(new Set(lone.take('digest').map(({ to }) => to)).size).toBe(CONTACTS_MAX)
  })

  test('a node told at two addresses is tried at each in turn, never at both at once', () => {
    const contact = new Peer(1)
    const other = { host: '192.168.0.1', port: 4001 }
    const lone = new Lone({ contacts: [contact.contact, { id: contact.id, address: other }] })
    lone.advance(8_000)
    const { address } = contact.contact
    expect(lone.take('digest').map(({ at }) => at)).toEqual([address, other, address, other])
  })

  test('one that is remembered at another address is tried at the new one', () => {
    const known = new Peer(1)
    const before = new Lone()
    before.gossip(known, known.alive(1))
    before.advance(3_000)
    const lone = new Lone({ restored: before.disk })
    expect(lone.stateOf(known)).toBe('alive@1')
    lone.take('digest')
    const moved = { host: '192.168.0.1', port: 4001 }
    lone.machine.join([{ id: known.id, address: moved }], lone.now)
    lone.advance(1_000)
    expect(lone.take('digest').map(({ at }) => at)).toContainEqual(moved)
  })

  test('its own address among them is no contact', () => {
    const lone = new Lone({ contacts: [new Peer(200).contact] })
    lone.advance(10_000)
    expect(lone.sent).toEqual([])
  })
})

describe('strangers', () => {
  test('a ping of one is answered, and its rows are asked for, once in a while', () => {
    const stranger = new Peer(7)
    const lone = new Lone()
    for (let i = 0; i < 5; i++) {
      lone.hear(stranger, { kind: 'ping', sequence: i, target: lone.self.id, rumours: [] })
    }
    expect(lone.take('ack')).toHaveLength(5)
    expect(lone.take('digest')).toMatchObject([{ to: stranger.id, via: 'stream' }])
  })

  test('a digest is answered with what it lacks and a want of what it has', () => {
    const [a, b, c] = peers(3) as [Peer, Peer, Peer]
    const lone = new Lone()
    lone.gossip(a, a.alive(1), b.alive(2))
    lone.take('digest')
    const rows = [
      { id: c.id, incarnation: 1, state: 'alive' as const },
      { id: b.id, incarnation: 1, state: 'alive' as const }
    ]
    lone.hear(c, { kind: 'digest', rows }, 'stream')
    expect(lone.take('want')).toMatchObject([{ to: c.id, message: { ids: [c.id] } }])
    const given = lone.take('claims').flatMap(({ message }) => message.claims)
    expect(given.map(({ subject }) => subject)).toEqual([b.id, lone.self.id, a.id])
    expect(given[0]).toEqual(b.alive(2))
  })
})

describe('limits', () => {
  test('digests of one peer are answered in their own time, and so are long wants', () => {
    const [a] = peers(1) as [Peer]
    const lone = new Lone()
    lone.gossip(a, a.alive(1))
    lone.sent = []
    const ids = [lone.self.id, ...peers(WANT_SHORT).map(({ id }) => id)]
    for (let i = 0; i < 3; i++) {
      lone.hear(a, { kind: 'digest', rows: [] }, 'stream')
      lone.hear(a, { kind: 'want', ids }, 'stream')
    }
    expect(lone.take('claims')).toHaveLength(2)
    expect(lone.machine.counts.hurried).toBe(4)
    lone.advance(ANSWER_PAUSE_MS)
    lone.hear(a, { kind: 'digest', rows: [] }, 'stream')
    expect(lone.take('claims')).toHaveLength(1)
  })

  test('a peer beyond those that are remembered is let through, and pushes the oldest out', () => {
    const lone = new Lone()
    // One of these numbers is the node's own.
    for (const peer of peers(PACED_PEERS_MAX + 2)) lone.hear(peer, { kind: 'digest', rows: [] }, 'stream')
    lone.sent = []
    lone.hear(new Peer(1), { kind: 'digest', rows: [] }, 'stream')
    expect(lone.take('claims')).toHaveLength(1)
  })

  test('so many relayed pings are under way at once', () => {
    const [asker, target] = peers(2) as [Peer, Peer]
    const lone = new Lone()
    lone.gossip(asker, asker.alive(1), target.alive(1))
    lone.sent = []
    const ask = () => lone.hear(asker, { kind: 'ping-request', sequence: 1, target: target.id, rumours: [] })
    for (let i = 0; i < RELAYS_MAX + 10; i++) ask()
    expect(lone.take('ping')).toHaveLength(RELAYS_MAX)
    lone.advanceAnswering(PERIOD_MS, [asker])
    lone.sent = []
    ask()
    expect(lone.take('ping').filter(({ to }) => to === target.id)).toHaveLength(1)
  })

  test('push-pull does not come in datagrams', () => {
    const [a] = peers(1) as [Peer]
    const lone = new Lone()
    lone.hear(a, { kind: 'claims', claims: [a.alive(1)] }, 'datagram')
    expect(lone.stateOf(a)).toBeUndefined()
    expect(lone.events).toEqual([{ kind: 'misbehaved', peer: a.id, what: 'claims in a datagram' }])
  })

  test('no datagram is too long, however long the names are', () => {
    const lone = new Lone()
    const others = peers(20)
    for (const { claims, contact } of others) {
      const address = { host: 'h'.repeat(253), port: 4000 }
      lone.hear(others[0]!, { kind: 'gossip', rumours: [claims.alive(2 ** 47, 'ü'.repeat(31), address)] })
      lone.gossip(others[0]!, others[0]!.claims.suspect(contact.id, 2 ** 47))
    }
    // Lone itself measures everything that is sent.
    lone.advance(20_000)
    const longest = lone.sent.map(({ message }) => ('rumours' in message ? message.rumours.length : 0))
    expect(Math.max(...longest)).toBeGreaterThan(3)
    expect(Math.max(...longest)).toBeLessThanOrEqual(RUMOURS_PER_DATAGRAM_MAX)
  })

  test('early and repeated wakes decide nothing', () => {
    const lone = new Lone()
    const others = peers(4)
    for (const peer of others) lone.gossip(peer, peer.alive(1))
    lone.advanceAnswering(30_000, others)
    lone.sent = []
    const due = lone.machine.nextWake()
    for (let i = 0; i < 10; i++) lone.machine.wake(lone.now)
    lone.drain()
    expect(lone.sent).toEqual([])
    expect(lone.machine.nextWake()).toBe(due)
  })
})
