import { describe, expect, test } from 'vitest'
import { Random } from '../../../../../src/base/random.ts'
import { instant } from '../../../../../src/base/time.ts'
import { memberOf, Roster } from '../../../../../src/core/membership/view/roster.ts'
import { DEAD_KEPT_MS, deadKept } from '../../../../../src/core/membership/settings.ts'
import { MEMBERS_MAX, type Claim } from '../../../../../src/wire/membership.ts'
import { Peer, peers } from '../lone.ts'

const start = instant(0)

/** Records what is news, as a view does with genuine claims. */
function tell(roster: Roster, claims: readonly Claim[], at = start): void {
  for (const claim of claims) if (roster.judge(claim) === 'news') roster.record(claim, at)
}

/** [what was recorded, what comes then, what becomes of it] in the words of SWIM 4.2's table. */
const [subject, accuser] = peers(2) as [Peer, Peer]
const alive = (incarnation: number) => subject.alive(incarnation)
const suspect = (incarnation: number) => accuser.claims.suspect(subject.id, incarnation)
const dead = (incarnation: number) => accuser.claims.dead(subject.id, incarnation)
const leave = (incarnation: number) => subject.claims.leave(incarnation)

describe('SWIM 4.2, the order of claims', () => {
  test.each([
    ['Alive i overrides Suspect j, i > j', [alive(1), suspect(1)], alive(2), 'alive@2'],
    ['Alive i does not override Suspect j, i = j', [alive(1), suspect(1)], alive(1), 'suspect@1'],
    ['Alive i overrides Alive j, i > j', [alive(1)], alive(2), 'alive@2'],
    ['Alive i does not override Alive j, i < j', [alive(2)], alive(1), 'alive@2'],
    ['Suspect i overrides Alive j, i = j', [alive(1)], suspect(1), 'suspect@1'],
    ['Suspect i does not override Alive j, i < j', [alive(2)], suspect(1), 'alive@2'],
    ['Confirm overrides Alive', [alive(1)], dead(1), 'dead@1'],
    ['Confirm overrides Suspect', [alive(1), suspect(1)], dead(1), 'dead@1'],
    ['Suspect does not override Confirm', [alive(1), dead(1)], suspect(1), 'dead@1'],
    ['a newer life overrides a death', [alive(1), dead(1)], alive(2), 'alive@2'],
    ['an old death does not override a newer life', [alive(2)], dead(1), 'alive@2'],
    ['its own leave overrides a death', [alive(1), dead(1)], leave(1), 'left@1'],
    ['a death does not override a leave', [alive(1), leave(1)], dead(1), 'left@1'],
    ['a leave ahead of what is known counts: the subject signed it', [alive(1)], leave(3), 'left@3'],
    ['an old life does not override a leave', [alive(1), leave(3)], alive(2), 'left@3']
  ])('%s', (_, before, claim, expected) => {
    const roster = new Roster(Random.from(1))
    tell(roster, [...before, claim])
    const { state, incarnation } = memberOf(roster.get(subject.id)!)
    expect(`${state}@${incarnation}`).toBe(expected)
  })

  test('what is accused of an incarnation that nobody signed is ahead, and so is the unknown', () => {
    const roster = new Roster(Random.from(1))
    for (const claim of [suspect(1), dead(1), leave(1)]) expect(roster.judge(claim)).toBe('ahead')
    tell(roster, [alive(1)])
    for (const claim of [suspect(2), dead(2)]) expect(roster.judge(claim)).toBe('ahead')
    tell(roster, [leave(5)])
    for (const claim of [suspect(5), dead(5)]) expect(roster.judge(claim)).toBe('stale')
    for (const claim of [suspect(6), dead(6)]) expect(roster.judge(claim)).toBe('ahead')
  })

  test('views that heard the same are equal, in whatever order they heard it', () => {
    const random = Random.from('order')
    const all = [1, 2, 3].flatMap(i => [alive(i), suspect(i), dead(i), ...(i === 2 ? [leave(i)] : [])])
    const outcomes = new Set<string>()
    for (let round = 0; round < 200; round++) {
      const roster = new Roster(Random.from(1))
      // Twice: what was ahead at first is heard again once its subject's claim is there.
      const claims = random.shuffle(all.slice())
      tell(roster, [...claims, ...claims])
      const { state, incarnation } = memberOf(roster.get(subject.id)!)
      outcomes.add(`${state}@${incarnation}`)
    }
    expect([...outcomes]).toEqual(['dead@3'])
  })
})

describe('the limits of a view', () => {
  /** Alive claims of so many members; unsigned, which the roster leaves to others. */
  const crowd = (count: number): Claim[] =>
    Array.from({ length: count }, (_, index) => ({ ...subject.alive(1), subject: new Peer(index + 1_000).id }))

  test('a full view takes no more live members, and forgets the gone for new ones', () => {
    const roster = new Roster(Random.from(1))
    const members = crowd(MEMBERS_MAX)
    const last = members.pop()!
    tell(roster, members)
    expect(roster.liveCount).toBe(MEMBERS_MAX)
    expect(roster.record(last, start)).toBeUndefined()
    const gone = { ...dead(1), subject: members[5]!.subject }
    roster.record(gone, start)
    expect(roster.record(last, start)).toBeDefined()
    expect(roster.get(gone.subject)).toBeUndefined()
  }, 20_000)

  test('the dead are kept for a day', () => {
    const roster = new Roster(Random.from(1))
    tell(roster, [alive(1), dead(1)])
    expect(roster.trim(instant(DEAD_KEPT_MS - 1))).toEqual([])
    expect(roster.trim(instant(DEAD_KEPT_MS))).toEqual([subject.id])
    expect(roster.get(subject.id)).toBeUndefined()
  })

  test('of more dead than the limit the longest gone are forgotten', () => {
    const roster = new Roster(Random.from(1))
    const members = crowd(deadKept(1) + 3)
    tell(roster, members)
    for (const { subject: id } of members) roster.record({ ...dead(1), subject: id }, start)
    expect(roster.trim(start)).toEqual(members.slice(0, 3).map(({ subject: id }) => id))
  })
})

test('a draw gives different live members, and none that is skipped', () => {
  const roster = new Roster(Random.from(1))
  const others = peers(30)
  tell(
    roster,
    others.map(peer => peer.alive(1))
  )
  tell(roster, [accuser.claims.dead(others[3]!.id, 1)])
  const skip = new Set([others[4]!.id])
  for (let i = 0; i < 100; i++) {
    const ids = roster.sampleLive(3, skip).map(({ id }) => id)
    expect(new Set(ids).size).toBe(3)
    expect(ids).not.toContain(others[3]!.id)
    expect(ids).not.toContain(others[4]!.id)
  }
  expect(roster.sampleLive(99)).toHaveLength(29)
})
