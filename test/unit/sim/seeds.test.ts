/**
 * Seeds that once failed, and the bug that each showed. When a scenario draws differently, a seed no longer shows its
 * bug.
 */
import { expect, it } from 'vitest'
import { scenarios } from '../../simulation/scenarios/index.ts'

it.each([
  { name: 'node', seed: 2, shows: 'a restarted node announces the members that it remembers to its ring' },
  { name: 'ring-churn', seed: 2563, shows: 'two joining nodes that know only each other wait for the ring' },
  { name: 'node', seed: 52, shows: 'a node that was wrongly declared dead is told to subscribe again' },
  { name: 'search-flood', seed: 36, shows: 'a wider copy over a shorter path also changes the reverse path' },
  { name: 'search-flood', seed: 985, shows: 'the timeout of a flood includes the time of the last index' },
  { name: 'search-faults', seed: 102, shows: 'a member that was silent for long is contacted again within a minute' },
  { name: 'records-faults', seed: 2282, shows: 'a provider that lost its claims has nothing to withdraw' },
  {
    name: 'records-faults',
    seed: 700_043,
    shows: 'a record is handed over again after the ring lagged behind the membership'
  },
  {
    name: 'search-faults',
    seed: 700_128,
    shows: 'a neighbour whose queries waited at a paused process is not disconnected'
  },
  { name: 'search-dynamic', seed: 1_000_371, shows: 'a search in a small overlay widens until it reaches every node' }
])('$shows ($name, seed $seed)', ({ name, seed }) => {
  const outcome = scenarios.find(one => one.name === name)?.run(seed)
  expect(outcome?.failure).toBeUndefined()
  expect(outcome?.messages).toBeGreaterThan(0)
})
