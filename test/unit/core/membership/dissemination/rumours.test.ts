import { describe, expect, test } from 'vitest'
import { Rumours, RUMOURS_MAX } from '../../../../../src/core/membership/dissemination/rumours.ts'
import { rumourTimes } from '../../../../../src/core/membership/settings.ts'
import { encode } from '../../../../../src/wire/codec/codec.ts'
import { claim as claimCodec, type Claim } from '../../../../../src/wire/membership.ts'
import { Peer, peers } from '../lone.ts'

const self = new Peer(200)
const [a, b, c, d, reader] = peers(5) as [Peer, Peer, Peer, Peer, Peer]
const plenty = { space: 1_000_000, times: 3 }

const kinds = (claims: readonly Claim[]) => claims.map(({ kind }) => kind)

describe('the order on a datagram', () => {
  test('own refutation, dead and left, suspect, joined', () => {
    const rumours = new Rumours(self.id)
    rumours.add(a.alive(1))
    rumours.add(a.claims.suspect(b.id, 1))
    rumours.add(a.claims.dead(c.id, 1))
    rumours.add(self.alive(2))
    expect(rumours.take(reader.id, plenty)).toEqual([
      self.alive(2),
      a.claims.dead(c.id, 1),
      a.claims.suspect(b.id, 1),
      a.alive(1)
    ])
  })

  test('among equals the one sent least often', () => {
    const rumours = new Rumours(self.id)
    rumours.add(a.alive(1))
    rumours.take(reader.id, plenty)
    rumours.add(b.alive(1))
    expect(rumours.take(reader.id, plenty)).toEqual([b.alive(1), a.alive(1)])
  })
})

describe('a rumour', () => {
  test('is sent so many times, and then forgotten', () => {
    const rumours = new Rumours(self.id)
    rumours.add(a.alive(1))
    for (let i = 0; i < 3; i++) expect(rumours.take(reader.id, plenty)).toHaveLength(1)
    expect(rumours.take(reader.id, plenty)).toEqual([])
    expect(rumours.size).toBe(0)
  })

  test('takes the place of what was said before of the same member', () => {
    const rumours = new Rumours(self.id)
    rumours.add(a.claims.suspect(b.id, 1))
    rumours.add(c.claims.suspect(b.id, 1))
    expect(rumours.size).toBe(2)
    rumours.add(b.alive(2))
    expect(rumours.take(reader.id, plenty)).toEqual([b.alive(2)])
  })

  test('distinct signers of one suspicion stand beside each other', () => {
    const rumours = new Rumours(self.id)
    rumours.add(a.claims.suspect(b.id, 1))
    rumours.add(c.claims.suspect(b.id, 1))
    expect(kinds(rumours.take(reader.id, plenty))).toEqual(['suspect', 'suspect'])
  })

  test('about the addressee is left to the caller, and wears off all the same', () => {
    const rumours = new Rumours(self.id)
    rumours.add(a.claims.suspect(reader.id, 1))
    for (let i = 0; i < 3; i++) expect(rumours.take(reader.id, plenty)).toEqual([])
    expect(rumours.size).toBe(0)
  })

  test('that does not fit waits, and a shorter one goes before it', () => {
    const rumours = new Rumours(self.id)
    const long = a.claims.alive(1, 'n'.repeat(63), { host: 'h'.repeat(200), port: 1 })
    rumours.add(long)
    rumours.add(b.alive(1))
    const space = encode(claimCodec, b.alive(1)).length
    expect(rumours.take(reader.id, { space, times: 3 })).toEqual([b.alive(1)])
    expect(rumours.take(reader.id, plenty)[0]).toEqual(long)
  })
})

test('the queue is bounded: the least urgent, most often sent one goes first', () => {
  const rumours = new Rumours(self.id)
  rumours.add(a.claims.dead(d.id, 1))
  rumours.add(a.alive(1))
  rumours.take(reader.id, plenty)
  for (let i = 0; i < RUMOURS_MAX; i++) rumours.add(new Peer(i + 1_000).alive(1))
  expect(rumours.size).toBe(RUMOURS_MAX)
  const taken = rumours.take(reader.id, { space: 1e9, times: 1, limit: RUMOURS_MAX })
  expect(taken[0]).toEqual(a.claims.dead(d.id, 1))
  expect(taken).not.toContainEqual(a.alive(1))
})

test('SWIM 4.1: each goes out lambda * log N times', () => {
  expect([1, 2, 9, 10, 99, 100, 999].map(rumourTimes)).toEqual([4, 4, 4, 8, 8, 12, 12])
})
