/** Bugs of the ring: one for each property, some for the steps that Zave corrected. */
import type { Mutant } from '../mutants.ts'

export const mutants: Mutant[] = [
  {
    name: 'joins-behind-the-first-that-answers',
    property: 'ring-invariant',
    file: 'src/core/ring/chord/joining.ts',
    find: 'if (nearest !== undefined && between(this.ring.place, nearest.place, from.place)) {',
    replace: 'if (nearest !== undefined && between(this.ring.place, from.place, nearest.place)) {',
    scenario: 'ring-churn',
    seeds: 40
  },
  {
    name: 'adopts-who-does-not-answer',
    property: 'ring-invariant',
    file: 'src/core/ring/chord/stabilise.ts',
    find: "else this.slot.start({ kind: 'adopt' }, candidate, now)",
    replace: 'else this.near.adopt([candidate])',
    scenario: 'ring-churn',
    seeds: 40
  },
  {
    name: 'keeps-the-dead',
    property: 'one-ring',
    file: 'src/core/ring/chord/chord.ts',
    find: 'this.near.drop(id)\n',
    replace: '\n',
    scenario: 'ring-churn',
    seeds: 20
  },
  {
    name: 'never-merges',
    property: 'one-ring',
    file: 'src/core/ring/chord/stabilise.ts',
    find: 'if (!this.leftAlone(member, now)) return member',
    replace: 'if (!this.leftAlone(member, now)) break',
    scenario: 'ring-faults',
    seeds: 60
  },
  {
    name: 'owns-both-ends-of-its-arc',
    property: 'one-owner',
    file: 'src/core/ring/chord/neighbours.ts',
    find: 'return arc !== undefined && inArc(arc.from, key, arc.to)',
    replace: 'return arc !== undefined && (key === arc.from || inArc(arc.from, key, arc.to))',
    scenario: 'ring-faults',
    seeds: 10
  },
  {
    name: 'overshoots-the-key',
    property: 'lookup',
    file: 'src/core/ring/chord/routing.ts',
    find: 'if (between(place, one.place, key)) entries.add(one)',
    replace: 'if (between(key, one.place, place)) entries.add(one)',
    scenario: 'ring-churn',
    seeds: 10
  },
  {
    name: 'forgets-the-deadline',
    property: 'lookups-end',
    file: 'src/core/ring/chord/lookups.ts',
    find: "this.lose(serial, lookup, 'deadline')",
    replace: 'this.end(serial)',
    scenario: 'ring-faults',
    seeds: 20
  }
]
