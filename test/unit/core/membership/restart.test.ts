/** What survives a restart: the others, the dead among them, and the way back to them. */
import { expect, test } from 'vitest'
import { SAVE_DELAY_MS, SAVE_PAUSE_MS } from '../../../../src/core/membership/view/archive.ts'
import { Lone, Peer, peers } from './lone.ts'

function saved(): { disk: Map<string, Uint8Array>; others: Peer[] } {
  const lone = new Lone()
  const others = peers(5)
  for (const peer of others) lone.gossip(peer, peer.alive(3))
  lone.gossip(others[0]!, others[0]!.claims.dead(others[1]!.id, 3), others[2]!.claims.leave(3))
  lone.gossip(others[0]!, others[0]!.claims.suspect(others[3]!.id, 3))
  lone.advance(SAVE_DELAY_MS)
  return { disk: lone.disk, others }
}

test('members survive a restart, the dead and the left too; a suspicion does not', () => {
  const { disk, others } = saved()
  const again = new Lone({ restored: disk, start: false })
  expect(others.map(peer => again.stateOf(peer))).toEqual(['alive@3', 'dead@3', 'left@3', 'alive@3', 'alive@3'])
  expect(again.machine.member(others[0]!.id)).toMatchObject({ name: 'p1', address: others[0]!.contact.address })
})

test('an old life does not bring the dead back after a restart either', () => {
  const { disk, others } = saved()
  const again = new Lone({ restored: disk })
  again.gossip(others[0]!, others[1]!.alive(2))
  expect(again.stateOf(others[1]!)).toBe('dead@3')
})

test('a node is no member of its own view, even where it was one in the home that it is a copy of', () => {
  const original = new Lone({ self: new Peer(150) })
  const copy = new Peer(200)
  original.gossip(copy, copy.alive(7))
  original.advance(SAVE_DELAY_MS)
  const again = new Lone({ self: copy, restored: original.disk, start: false })
  expect([...again.machine.members()]).toEqual([])
  expect(again.machine.aliveCount).toBe(1)
})

test('a restarted node push-pulls with members that it remembers, without any contact', () => {
  const { disk, others } = saved()
  const again = new Lone({ restored: disk })
  const live = new Set([others[0]!.id, others[3]!.id, others[4]!.id])
  const asked = again.take('digest').map(({ to }) => to)
  expect(asked).toHaveLength(3)
  expect(new Set(asked)).toEqual(live)
})

test('a node whose members all died tries the dead', () => {
  const first = new Lone()
  const [other] = peers(1) as [Peer]
  first.gossip(other, other.alive(1), first.self.claims.dead(other.id, 1))
  first.advance(SAVE_DELAY_MS)
  const again = new Lone({ restored: first.disk })
  expect(again.take('digest').map(({ to }) => to)).toEqual([other.id])
})

test('a change is written soon, and changes after it together', () => {
  const lone = new Lone()
  const writes = () => [...lone.disk.keys()].filter(key => key.startsWith('members/')).length
  const [a, b, c] = [new Peer(0x10), new Peer(0x20), new Peer(0x30)]
  lone.gossip(a, a.alive(1))
  lone.advance(SAVE_DELAY_MS)
  expect(writes()).toBe(1)
  lone.gossip(a, b.alive(1))
  lone.gossip(a, c.alive(1))
  lone.advance(SAVE_PAUSE_MS - 1)
  expect(writes()).toBe(1)
  lone.advance(1)
  expect(writes()).toBe(3)
})

test('what the disk refused is written with the next save', () => {
  const lone = new Lone()
  const [other] = peers(1) as [Peer]
  lone.diskHolds = true
  lone.gossip(other, other.alive(1))
  lone.advance(SAVE_DELAY_MS)
  lone.answerDisk(false)
  lone.diskHolds = false
  lone.advanceAnswering(SAVE_PAUSE_MS, [other])
  expect(new Lone({ restored: lone.disk, start: false }).stateOf(other)).toBe('alive@1')
})

test('a row that was torn is skipped, and the others are found', () => {
  const { disk, others } = saved()
  const key = `members/${others[0]!.id.charAt(0)}`
  const bytes = disk.get(key)!.slice()
  bytes[bytes.length - 1]! ^= 1
  const again = new Lone({ restored: new Map([...disk, [key, bytes]]), start: false })
  expect(again.stateOf(others[0]!)).toBeUndefined()
})
