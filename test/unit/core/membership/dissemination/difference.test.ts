import { expect, test } from 'vitest'
import type { NodeId } from '../../../../../src/base/ids.ts'
import { chunked, difference, type ProvenRow } from '../../../../../src/core/membership/dissemination/difference.ts'
import { CLAIMS_PER_MESSAGE_MAX, type DigestRow, type MemberState } from '../../../../../src/wire/membership.ts'
import { peers, type Peer } from '../lone.ts'

const [a, b, c, d] = peers(4) as [Peer, Peer, Peer, Peer]
const row = (peer: Peer, incarnation: number, state: MemberState): DigestRow => ({ id: peer.id, incarnation, state })

function mine(...rows: ReadonlyArray<readonly [Peer, number, MemberState]>): Map<NodeId, ProvenRow> {
  return new Map(
    rows.map(([peer, incarnation, state]) => [
      peer.id,
      { row: row(peer, incarnation, state), proof: () => [peer.alive(incarnation)] }
    ])
  )
}

test('what is newer here is given, what is newer there is wanted, what is equal is neither', () => {
  const theirs = [row(a, 1, 'alive'), row(b, 3, 'alive'), row(c, 1, 'dead'), row(d, 2, 'alive')]
  const found = difference(theirs, mine([a, 2, 'alive'], [b, 2, 'dead'], [c, 1, 'suspect'], [d, 2, 'alive']))
  expect(found).toEqual({ give: [[a.alive(2)]], want: [b.id, c.id] })
})

test('live members that one side lacks cross over, either way', () => {
  expect(difference([row(a, 1, 'alive')], mine([b, 1, 'suspect']))).toEqual({ give: [[b.alive(1)]], want: [a.id] })
})

test('the dead that one side has forgotten are not brought back to it, either way', () => {
  const theirs = [row(a, 1, 'dead'), row(b, 1, 'left')]
  expect(difference(theirs, mine([c, 1, 'dead'], [d, 1, 'left']))).toEqual({ give: [], want: [] })
})

test('a row that is listed twice counts once', () => {
  expect(difference([row(a, 1, 'alive'), row(a, 1, 'alive')], mine())).toEqual({ give: [], want: [a.id] })
})

test('proofs are cut into messages, and those of one row stay together', () => {
  const proof = [a.alive(1), b.claims.suspect(a.id, 1), c.claims.suspect(a.id, 1)]
  const chunks = chunked(Array.from({ length: 1_000 }, () => proof))
  expect(chunks.map(({ length }) => length)).toEqual([1_998, 1_002])
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(CLAIMS_PER_MESSAGE_MAX)
  expect(chunks.every(chunk => chunk[0]?.kind === 'alive')).toBe(true)
  expect(chunked([])).toEqual([])
})
