/** Seeds that once failed, by what they showed. A change of a scenario's draws makes them other runs: then they show less. */
import { expect, it } from 'vitest'
import { scenarios } from '../../simulation/scenarios/index.ts'

it.each([
  { name: 'node', seed: 2, shows: 'a restarted node tells its ring whom it remembers' },
  { name: 'ring-churn', seed: 2563, shows: 'two newcomers that know but each other wait for the ring' },
  { name: 'node', seed: 52, shows: 'who was taken for dead and noticed nothing is told to ask anew' },
  { name: 'search-flood', seed: 36, shows: 'a wider copy by a shorter way moves the way back too' },
  { name: 'search-flood', seed: 985, shows: 'a flood waits for the index of the last node as for a hop' },
  { name: 'search-faults', seed: 102, shows: 'a member that did not answer for long is asked again within a minute' },
  { name: 'records-faults', seed: 2282, shows: 'a provider that forgot what it said has nothing to withdraw' },
  {
    name: 'records-faults',
    seed: 700_043,
    shows: 'a record is handed over anew after the ring was behind the membership'
  },
  {
    name: 'search-faults',
    seed: 700_128,
    shows: 'a neighbour whose queries waited for a stopped process is not cut off'
  },
  { name: 'search-dynamic', seed: 1_000_371, shows: 'a search widens until no node of a small shoal is left out' }
])('$shows ($name, seed $seed)', ({ name, seed }) => {
  const outcome = scenarios.find(one => one.name === name)?.run(seed)
  expect(outcome?.failure).toBeUndefined()
  expect(outcome?.messages).toBeGreaterThan(0)
})
