/** Bugs of the simulated outside itself, and one of the toy that lives in it. */
import type { Mutant } from '../mutants.ts'

export const mutants: Mutant[] = [
  {
    name: 'disk-loses-answered-writes',
    property: 'safe-writes',
    file: 'src/sim/outside/disk.ts',
    find: 'if (!write.refused) this.apply(write)\n    return true',
    replace: 'if (!write.refused && this.random.chance(0.9)) this.apply(write)\n    return true',
    scenario: 'outside',
    seeds: 20
  },
  {
    name: 'stream-lets-packets-overtake',
    property: 'ordered-streams',
    file: 'src/sim/network/links.ts',
    find: 'end.lastArrivalMs[lane] = Math.max(end.lastArrivalMs[lane], arrival)',
    replace: 'end.lastArrivalMs[lane] = arrival',
    scenario: 'outside',
    seeds: 20
  },
  {
    name: 'partition-never-heals',
    property: 'all-heard',
    file: 'src/sim/network/network.ts',
    find: 'if (!this.partitions.delete(partition)) return',
    replace: 'if (this.partitions.delete(partition)) return',
    scenario: 'outside',
    seeds: 20
  },
  {
    name: 'machine-remembers-across-worlds',
    property: 'same-trace',
    file: 'test/simulation/toy.ts',
    find: 'private pingCount = 0',
    replace: 'static made = 0\n  private pingCount = Toy.made++',
    scenario: 'outside',
    seeds: 2
  },
  {
    name: 'machine-throws',
    property: 'throw',
    file: 'test/simulation/toy.ts',
    find: "case 'pong':\n",
    replace: "case 'pong':\n        if (message.count === 50) throw new Error('fifty')\n",
    scenario: 'outside',
    seeds: 5
  },
  {
    name: 'machine-spins',
    property: 'livelock',
    file: 'test/simulation/toy.ts',
    find: 'this.due = instant(after(this.due, this.intervalMs))',
    replace: 'this.due = instant(this.due)',
    scenario: 'outside',
    seeds: 5
  }
]
